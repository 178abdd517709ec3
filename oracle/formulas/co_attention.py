"""Co-attention: two sequences attend to each other at once.

Source: the document, line 1381; Lu et al. 2016, Hierarchical Question-Image Co-Attention for Visual Question Answering,
equations 3 to 5, the parallel one.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._attention import pooled
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, dot, stored, tanh
from oracle.tensor import Tensor, tensor


def co_attention(
    input: Tensor,
    other: Tensor,
    weight_affinity: Tensor,
    weight_input: Tensor,
    weight_other: Tensor,
    attend_input: Tensor,
    attend_other: Tensor,
) -> dict[str, Tensor]:
    """Σ_n a_n x_n, a the softmax of u · tanh(W x_n + Σ_t C_tn V z_t), C = tanh(Z B Xᵀ), and the same of z.

    input x (*, N, E), other z (*, T, F), weight_affinity B (F, E), weight_input W (H, E), weight_other V (H, F),
    attend_input u and attend_other (H). Returns output (*, E) and other_output (*, F). Raises ``ValueError`` where a
    shape does not fit.
    """
    return written(input, other, weight_affinity, weight_input, weight_other, attend_input, attend_other)


def written(
    input: Tensor,
    other: Tensor,
    weight_affinity: Tensor,
    weight_input: Tensor,
    weight_other: Tensor,
    attend_input: Tensor,
    attend_other: Tensor,
    squash: Callable[[Scalar], Scalar] = tanh,
    weigh: Callable[[Row], Row] = softmax_row,
) -> dict[str, Tensor]:
    """The same, where ``squash`` makes affinities of products, and ``weigh`` weights of scores."""
    for name, x in (("input", input), ("other", other)):
        require_least_rank(name, x, 2)
    require_rank("weight_affinity", weight_affinity, 2)
    *batch, count, width = input.shape
    require_shape("other", other, *batch, *other.shape[-2:])
    require_shape("weight_affinity", weight_affinity, other.shape[-1], width)
    own, others = linear(input, weight_input), linear(other, weight_other)
    require_shape("weight_other", weight_other, own.shape[-1], other.shape[-1])
    for name, x in (("attend_input", attend_input), ("attend_other", attend_other)):
        require_shape(name, x, own.shape[-1])
    asked = linear(other, weight_affinity.swapped(0, 1))

    def affine(*place: int) -> Scalar:
        *b, t, n = place
        return stored(squash(stored(dot(asked[*b, t, ...], input[*b, n, ...]))))

    affinity = tensor((*batch, other.shape[-2], count), affine)

    def mixed(value: Tensor, own: Tensor, others: Tensor, affinity: Tensor, attend: Tensor) -> Tensor:
        features = others.swapped(-1, -2)

        def hidden(*place: int) -> Scalar:
            *b, n, h = place
            return stored(tanh(stored(dot(affinity[*b, n, ...], features[*b, h, ...], own[place]))))

        energies = tensor(own.shape, hidden)
        return pooled(lambda *place: dot(energies[*place, ...], attend[...]), value, weigh)[0]

    return {
        "output": mixed(input, own, others, affinity.swapped(-1, -2), attend_input),
        "other_output": mixed(other, others, own, affinity, attend_other),
    }

"""Interactive attention: two sequences, each of which is pooled by what the mean of the other asks for.

Source: the document, line 1392; Ma et al. 2017, Interactive Attention Networks for Aspect-Level Sentiment
Classification, without the recurrent layers before and the layer behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._attention import pooled
from oracle.formulas._normalised import mean_of
from oracle.formulas._shapes import require_least_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, dot, stored, tanh
from oracle.tensor import Tensor, tensor


def interactive_attention(
    input: Tensor,
    other: Tensor,
    weight_input: Tensor,
    bias_input: Tensor | None,
    weight_other: Tensor,
    bias_other: Tensor | None,
) -> dict[str, Tensor]:
    """Σ_n a_n x_n, a the softmax of tanh(x_n · W z̄ + b), z̄ the mean of z, and the same of z.

    input x (*, N, E), other z (*, T, F), weight_input W (E, F), bias_input b (1) or None, weight_other (F, E),
    bias_other (1) or None. Returns output (*, E) and other_output (*, F). Raises ``ValueError`` where a shape does not
    fit.
    """
    return written(input, other, weight_input, bias_input, weight_other, bias_other)


def written(
    input: Tensor,
    other: Tensor,
    weight_input: Tensor,
    bias_input: Tensor | None,
    weight_other: Tensor,
    bias_other: Tensor | None,
    pool: Callable[[Sequence[Scalar]], Scalar] = mean_of,
    squash: Callable[[Scalar], Scalar] = tanh,
    weigh: Callable[[Row], Row] = softmax_row,
) -> dict[str, Tensor]:
    """The same with other functions."""
    for name, x in (("input", input), ("other", other)):
        require_least_rank(name, x, 2)
    *batch, _, width = input.shape
    require_shape("other", other, *batch, *other.shape[-2:])
    require_shape("weight_input", weight_input, width, other.shape[-1])
    require_shape("weight_other", weight_other, other.shape[-1], width)
    require_shape("bias_input", bias_input, 1)
    require_shape("bias_other", bias_other, 1)

    def mixed(value: Tensor, asking: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        features = asking.swapped(-1, -2)
        asked = linear(tensor(features.shape[:-1], lambda *place: stored(pool(features[*place, ...]))), weight)

        def score(*place: int) -> Scalar:
            bias_term = () if bias is None else (bias[0],)
            return squash(stored(dot(value[*place, ...], asked[*place[:-1], ...], *bias_term)))

        return pooled(score, value, weigh)[0]

    return {
        "output": mixed(input, other, weight_input, bias_input),
        "other_output": mixed(other, input, weight_other, bias_other),
    }

"""Adaptive attention: to the regions of an image, or to a sentinel that stands for what is known without them.

Source: the document, line 1387; Lu et al. 2017, Knowing When to Look: Adaptive Attention via a Visual Sentinel for
Image Captioning, section 2, where a gate of the recurrent layer makes the sentinel, which is given here.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._attention import pooled
from oracle.formulas._shapes import require_least_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, dot, stored, tanh
from oracle.tensor import Tensor, key, tensor


def adaptive_attention(
    input: Tensor,
    sentinel: Tensor,
    query: Tensor,
    weight_input: Tensor,
    weight_sentinel: Tensor,
    weight_query: Tensor,
    v: Tensor,
) -> dict[str, Tensor]:
    """β s + (1 − β) Σ_j softmax(z)_j x_j, z_j = v · tanh(W x_j + G q), β the last of softmax([z; v · tanh(S s + G q)]).

    input x (*, N, E), sentinel s (*, E), query q (*, F), weight_input W and weight_sentinel S (H, E), weight_query G
    (H, F), v (H). Returns output (*, E) and weights (*, N + 1), those of the longer softmax. Raises ``ValueError``
    where a shape does not fit.
    """
    return written(input, sentinel, query, weight_input, weight_sentinel, weight_query, v)


def _mixed(beta: Scalar, sentinel: Scalar, context: Scalar) -> Scalar:
    return dot([beta, stored(1.0 - beta)], [sentinel, context])


def written(
    input: Tensor,
    sentinel: Tensor,
    query: Tensor,
    weight_input: Tensor,
    weight_sentinel: Tensor,
    weight_query: Tensor,
    v: Tensor,
    mix: Callable[[Scalar, Scalar, Scalar], Scalar] = _mixed,
    weigh: Callable[[Row], Row] = softmax_row,
) -> dict[str, Tensor]:
    """The same, where ``mix`` makes the result of β, s and Σ a x, and ``weigh`` weights of scores."""
    require_least_rank("input", input, 2)
    *batch, count, width = input.shape
    require_shape("sentinel", sentinel, *batch, width)
    require_shape("query", query, *batch, *query.shape[-1:])
    regions, asked = linear(input, weight_input), linear(query, weight_query)
    require_shape("weight_sentinel", weight_sentinel, *weight_input.shape)
    require_shape("weight_query", weight_query, weight_input.shape[0], *weight_query.shape[1:])
    require_shape("v", v, weight_input.shape[0])
    known = linear(sentinel, weight_sentinel)

    def score(state: list[Scalar], asked: list[Scalar]) -> Scalar:
        energies = [stored(tanh(stored(x + q))) for x, q in zip(state, asked, strict=True)]
        return stored(dot(energies, v[...]))

    scores = tensor((*batch, count), lambda *place: score(regions[*place, ...], asked[*place[:-1], ...]))
    context, _ = pooled(lambda *place: scores[key(place)], input, weigh)

    def extended(*place: int) -> Row:
        last = score(known[*place, ...], asked[*place, ...])
        return weigh(dict(enumerate([*scores[*place, ...], last])))

    rows = tensor(batch, extended)

    def y(*index: int) -> Scalar:
        beta = rows[key(index[:-1])][count]
        return stored(mix(beta, sentinel[key(index)], context[key(index)]))

    return {
        "output": tensor(sentinel.shape, y),
        "weights": tensor((*batch, count + 1), lambda *index: rows[key(index[:-1])][index[-1]]),
    }

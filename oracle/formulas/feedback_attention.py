"""Feedback attention: the weights of a query take part in the scores of the next.

Source: the document, line 1364; Chorowski et al. 2015, Attention-Based Models for Speech Recognition, where the
queries are states of a decoder and the values are the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._attention import Weights, dense, weighted
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas._windows import padded_taps
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, constant, dot, stored, tanh
from oracle.tensor import Tensor, tensor


def feedback_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    initial: Tensor,
    weight_query: Tensor,
    weight_key: Tensor,
    kernel: Tensor,
    weight_location: Tensor,
    bias: Tensor | None,
    v: Tensor,
) -> dict[str, Tensor]:
    """Σ_j a_ij v_j, a_i the softmax over j of w · tanh(W q_i + V k_j + U f_ij + b), f_ij = Σ_d F_d a_(i−1)(j+d).

    query q (*, L, Eq), key k (*, S, Ek), value v (*, S, Ev), initial (*, S), the weights before the first query,
    weight_query W (H, Eq), weight_key V (H, Ek), kernel F (C, r), r odd, with d from −(r − 1) / 2 to (r − 1) / 2,
    weight_location U (H, C), bias b (H) or None, v w (H). Beyond the keys are zeros. Returns output (*, L, Ev) and
    weights (*, L, S). Raises ``ValueError`` where a shape does not fit.
    """
    return written(query, key, value, initial, weight_query, weight_key, kernel, weight_location, bias, v)


def _latest(weights: Sequence[Sequence[Scalar]]) -> Sequence[Scalar]:
    return weights[-1]


def written(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    initial: Tensor,
    weight_query: Tensor,
    weight_key: Tensor,
    kernel: Tensor,
    weight_location: Tensor,
    bias: Tensor | None,
    v: Tensor,
    fed: Callable[[Sequence[Sequence[Scalar]]], Sequence[Scalar]] = _latest,
    weigh: Callable[[Row], Row] = softmax_row,
) -> dict[str, Tensor]:
    """The same, where ``fed`` makes of the weights of all queries before what is fed back, and ``weigh`` weights."""
    for name, x in (("query", query), ("key", key), ("value", value)):
        require_least_rank(name, x, 2)
    require_rank("kernel", kernel, 2)
    *batch, count, _ = key.shape
    channels, side = kernel.shape
    if side % 2 == 0:
        raise ValueError(f"kernel has {side} columns; their number must be odd")
    require_shape("query", query, *batch, *query.shape[-2:])
    require_shape("value", value, *batch, count, value.shape[-1])
    require_shape("initial", initial, *batch, count)
    asked, states = linear(query, weight_query), linear(key, weight_key, bias)
    hidden = states.shape[-1]
    require_shape("weight_query", weight_query, hidden, query.shape[-1])
    require_shape("weight_location", weight_location, hidden, channels)
    require_shape("v", v, hidden)
    taps = padded_taps(count, count, side, 1, (side // 2, side // 2), 1, "zeros")
    zero = constant(0.0)

    def aligned(*b: int) -> list[Row]:
        """The weights of every query, one after the other."""
        rows: list[Row] = []
        weights = [initial[*b, ...]]
        for i in range(query.shape[-2]):
            back = fed(weights)

            def score(j: int, i: int = i, back: Sequence[Scalar] = back) -> Scalar:
                window = [zero if place is None else back[place] for place in taps[j]]
                location = [stored(dot(kernel[c, ...], window)) for c in range(channels)]
                energies = [
                    stored(tanh(stored(dot(location, weight_location[h, ...], asked[*b, i, h], states[*b, j, h]))))
                    for h in range(hidden)
                ]
                return stored(dot(energies, v[...]))

            rows.append(weigh({j: score(j) for j in range(count)}))
            weights.append([*rows[-1].values()])
        return rows

    alignments = tensor(batch, aligned)
    rows = tensor(query.shape[:-1], lambda *place: alignments[place[:-1]][place[-1]])
    found = Weights(rows, None)
    return {"output": weighted(found, value), "weights": dense(found, count)}

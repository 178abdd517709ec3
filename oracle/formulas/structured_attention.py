"""Structured attention: a chain that selects keys, each with the probability that it is among those selected.

Source: the document, line 1361; Kim, Denton, Hoang and Rush 2017, Structured Attention Networks, section 3.1 and the
forward-backward algorithm of figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from oracle.formulas._attention import Weights, require_fitting, score, weighted
from oracle.formulas._shapes import require_shape
from oracle.formulas._softmax import Row
from oracle.scalar import Scalar, constant, detached, exp, largest, log, stored, total
from oracle.tensor import Tensor, tensor


def structured_attention(query: Tensor, key: Tensor, value: Tensor, transition: Tensor) -> Tensor:
    """y_i = Σ_j p(z_j = 1) v_j for a chain z of zeros and ones with p(z) ∝ exp(Σ_j z_j q_i · k_j + Σ_j T[z_j−1, z_j]).

    query (*, L, E), key (*, S, E), value (*, S, Ev), transition T (2, 2); returns (*, L, Ev). Weights do not add up to
    one. Raises ``ValueError`` where a shape does not fit.
    """
    require_fitting(query, key, value)
    require_shape("transition", transition, 2, 2)
    keys = key.shape[-2]

    def row(*place: int) -> Row:
        scores = [stored(score(query, key, *place, j)) for j in range(keys)]
        return dict(enumerate(selected(scores, transition)))

    return weighted(Weights(tensor(query.shape[:-1], row), None), value)


def selected(scores: Sequence[Scalar], transition: Tensor) -> list[Scalar]:
    """The probability of every element of the chain to be one: of all chains up to it times all from it on."""
    if not scores:
        return []
    before = _reached(scores, transition)
    after = reversed(_reached(scores[::-1], transition.swapped(0, 1)))
    zero, one = before[-1]
    whole = log_sum([zero, total([one, scores[-1]])])
    return [
        stored(exp(total([one, s, other, -whole])))
        for (_, one), (_, other), s in zip(before, after, scores, strict=True)
    ]


def _reached(scores: Sequence[Scalar], transition: Tensor) -> list[tuple[Scalar, Scalar]]:
    """Of every element, as a zero and as a one, the logarithm of the sum over all chains before it."""
    nothing = constant(0.0)
    found = [(nothing, nothing)]
    for s in scores[:-1]:
        zero, one = found[-1]
        ways = [[total([zero, transition[0, end]]), total([one, s, transition[1, end]])] for end in (0, 1)]
        found.append((log_sum(ways[0]), log_sum(ways[1])))
    return found


def log_sum(xs: Sequence[Scalar]) -> Scalar:
    """log Σ exp(x)."""
    shift = detached(largest(xs))
    return shift + log(total([exp(x - shift) for x in xs]))

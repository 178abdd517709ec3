"""Normalisations other than softmax: what makes weights of the scores that a query gives to the keys."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.formulas._softmax import Row, shifted
from oracle.scalar import Scalar, chosen, constant, current, descending, inside, largest, rectified, stored, total

# Above every difference of two numbers of a format.
_BEYOND = 2**1100


def hardest(scores: Row, values: Sequence[Scalar]) -> Scalar:
    """The value of the key with the largest score, of equal ones the first; any that rounding may make so."""
    value = current().value
    best = max(scores, key=lambda j: value(scores[j]))

    def wins(j: int) -> Scalar:
        """1 for a key that precedes the best one and is not below it, or follows it and is above it; else 0."""
        if j < best:
            return inside(scores[j] - scores[best], 0, _BEYOND)
        return 1.0 - inside(scores[best] - scores[j], 0, _BEYOND)

    rivals = [j for j in scores if j != best]
    return chosen([constant(1.0), *map(wins, rivals)], [values[best], *(values[j] for j in rivals)])


def sparsemax_row(scores: Row) -> Row:
    """max(0, s − τ), τ such that the weights add up to 1: the nearest point to the scores where weights do.

    τ is the largest (Σ_K s − 1) / k over all sets K of k keys, hence over the k with the largest scores. Source:
    Martins and Astudillo 2016, From softmax to sparsemax, equation 2 and algorithm 1.
    """
    found = shifted(scores)
    return above(sparsemax_threshold(found), found)


def above(threshold: Scalar, scores: Row) -> Row:
    """max(0, s − τ)."""
    return {j: stored(rectified(s - threshold)) for j, s in scores.items()}


def sparsemax_threshold(scores: Row) -> Scalar:
    """The largest (s_1 + … + s_k − 1) / k of scores that descend."""
    ordered, one = descending(list(scores.values())), constant(1.0)
    return largest([total([*ordered[:k], -one]) / k for k in range(1, len(ordered) + 1)])

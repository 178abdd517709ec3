"""Normalisations other than softmax: what makes weights of the scores that a query gives to the keys."""

from __future__ import annotations

from oracle.formulas._softmax import Row, shifted
from oracle.scalar import Scalar, constant, descending, largest, rectified, stored, total


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

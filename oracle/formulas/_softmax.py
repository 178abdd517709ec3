"""What softmax and its logarithm share: rows of scores along a dimension, shifted by the largest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import TypeAlias

from oracle.scalar import (
    Scalar,
    constant,
    detached,
    differential,
    dot,
    exp,
    largest,
    log,
    minus_infinite,
    stored,
    total,
    with_derivative_of,
)
from oracle.tensor import Tensor, tensor

# Scores or weights by place; a place that takes no part is absent.
Row: TypeAlias = dict[int, Scalar]


def shifted(scores: Row) -> Row:
    """s − m, m the largest score: it keeps exp from overflowing and changes nothing."""
    shift = detached(largest(list(scores.values())))
    return {j: s - shift for j, s in scores.items()}


def powers(scores: Row) -> Row:
    """exp(s − m)."""
    return {j: exp(s) for j, s in shifted(scores).items()}


def online_sum(scores: Row) -> Scalar:
    """Σ exp(s − m) in one pass (Milakov and Gimelshein 2018, Online normalizer calculation for softmax, algorithm 3).

    d_k = d_(k−1) exp(m_(k−1) − m_k) + exp(s_k − m_k), m_k the largest of the first k scores. Unrolled, the power of
    s_k shrinks with every larger score behind it; the sum is order-free.
    """
    row = [s for s in scores.values() if not minus_infinite(s)]  # m_0 is that, and such a score adds nothing
    maxima = [detached(m) for m in accumulate(row, lambda m, s: largest([m, s]))]
    terms = []
    shrinkage = constant(1.0)
    for k in reversed(range(len(row))):
        terms.append(exp(row[k] - maxima[k]) * shrinkage)
        shrinkage = shrinkage * exp(maxima[max(k - 1, 0)] - maxima[k])
    return total(terms)


def softmax_row(scores: Row) -> Row:
    """exp(s − m) / Σ exp(s − m)."""
    found = powers(scores)
    sum_of_powers = total(list(found.values()))
    return with_kept_derivative({j: power / sum_of_powers for j, power in found.items()}, scores)


def logarithms(scores: Row) -> Row:
    """(s − m) − log Σ exp(s − m), the logarithms of the softmax."""
    rest = shifted(scores)
    log_of_sum = log(total([exp(s) for s in rest.values()]))
    return {j: s - log_of_sum for j, s in rest.items()}


def row_by_logarithm(scores: Row) -> Row:
    """The softmax made from its logarithms, each of which is rounded."""
    return with_kept_derivative({j: exp(y) for j, y in logarithms(scores).items()}, scores)


def with_kept_derivative(weights: Row, scores: Row) -> Row:
    """The softmax y of the scores, stored, with the derivatives y_i (ȳ_i − Σ_j ȳ_j y_j): nothing but y is kept."""
    kept = {j: stored(weight) for j, weight in weights.items()}

    @cache
    def derived() -> Row:
        powers = {j: detached(y) * (1.0 + differential(scores[j])) for j, y in kept.items()}
        growth = differential(total(list(powers.values())))
        return {j: stored(power - detached(kept[j]) * growth) for j, power in powers.items()}

    def of(j: int) -> Callable[[], Scalar]:
        return lambda: derived()[j]

    return {j: with_derivative_of(y, of(j)) for j, y in kept.items()}


def _by_products(step: Callable[[Scalar], Scalar], scores: Row) -> Row:
    """The softmax y of the scores, with the derivatives p_i − y_i Σ_j p_j of products p = ȳ y that have been stored.

    ``step`` is what happens to the sum and to its products with y.
    """
    kept = softmax_row(scores)

    @cache
    def growth() -> Scalar:
        """Zero, with the derivative of the logarithm of the sum."""
        return step(dot([detached(y) for y in kept.values()], [step(differential(s)) for s in scores.values()]))

    def derived(j: int) -> Callable[[], Scalar]:
        return lambda: detached(kept[j]) * (1.0 + stored(differential(scores[j]) - growth()))

    return {j: with_derivative_of(y, derived(j)) for j, y in kept.items()}


def productwise_row(scores: Row) -> Row:
    """The softmax, with derivatives made of stored products."""
    return _by_products(lambda x: x, scores)


def stepwise_row(scores: Row) -> Row:
    """The softmax, with derivatives made of stored products, a stored sum of them, and its stored products."""
    return _by_products(stored, scores)


def rowwise(of_row: Callable[[Row], Row], input: Tensor, dim: int) -> Tensor:
    """The tensor whose rows along ``dim`` are ``of_row`` of the input's.

    Raises ``ValueError`` for a dimension that the input does not have.
    """
    if not -input.rank <= dim < input.rank:
        raise ValueError(f"dim {dim} of a tensor with {input.rank} dimensions: from {-input.rank} to {input.rank - 1}")
    along = input.swapped(dim, -1)
    rows = tensor(along.shape[:-1], lambda *place: of_row(dict(enumerate(along[*place, ...]))))
    return tensor(along.shape, lambda *index: rows[index[:-1]][index[-1]]).swapped(dim, -1)

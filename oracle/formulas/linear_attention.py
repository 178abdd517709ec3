"""Kernel attention: a product of features in place of the exponential of a score.

Source: the document, line 1374; Katharopoulos et al. 2020, Transformers are RNNs, equations 5 to 7 and 18 to 20, and
their code for the ε.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from oracle.formulas._attention import require_fitting
from oracle.scalar import (
    Scalar,
    constant,
    detached,
    differential,
    dot,
    exp,
    rectified,
    stored,
    total,
    with_derivative_of,
)
from oracle.tensor import Tensor, key, tensor


def linear_attention(
    query: Tensor, key: Tensor, value: Tensor, *, is_causal: bool = False, eps: float | Fraction = Fraction(1, 10**6)
) -> Tensor:
    """y_i = φ(q_i) Σ_j φ(k_j) v_jᵀ / (φ(q_i) Σ_j φ(k_j) + ε), φ(x) = elu(x) + 1.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). Causal: query i sees the keys up to i. Raises
    ``ValueError`` where a shape does not fit.
    """
    return written(feature, query, key, value, is_causal=is_causal, eps=eps)


def written(
    feature: Callable[[Scalar], Scalar],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    is_causal: bool = False,
    eps: float | Fraction = Fraction(1, 10**6),
    seen: Callable[[int], int] = lambda i: i + 1,
) -> Tensor:
    """The same with other features; a causal query i sees so many keys."""
    require_fitting(query, key, value)
    queries, keys = features(feature, query), features(feature, key)
    *batch, count, width = key.shape
    least = constant(eps)

    def column(batch: list[int], n: int, d: int) -> list[Scalar]:
        return [keys[*batch, j, d] for j in range(n)]

    def state(*place: int) -> Scalar:
        *b, n, d, e = place
        return stored(dot(column(b, n, d), [value[*b, j, e] for j in range(n)]))

    def divisor(*place: int) -> Scalar:
        *b, n, d = place
        return stored(total(column(b, n, d)))

    states = tensor((*batch, count + 1, width, value.shape[-1]), state)
    divisors = tensor((*batch, count + 1, width), divisor)

    def y(*index: int) -> Scalar:
        *b, i, e = index
        n = min(seen(i), count) if is_causal else count
        row = queries[*b, i, ...]
        mixed = dot(row, [states[*b, n, d, e] for d in range(width)])
        return stored(mixed * (1.0 / (dot(row, divisors[*b, n, ...]) + least)))

    return tensor((*query.shape[:-1], value.shape[-1]), y)


def features(of: Callable[[Scalar], Scalar], x: Tensor) -> Tensor:
    """The features of every element."""
    return tensor(x.shape, lambda *index: of(x[key(index)]))


def feature(x: Scalar) -> Scalar:
    """elu(x) + 1, elu(x) = x above 0 and exp(x) − 1 below, with the derivative exp(min(x, 0))."""
    power = exp(-rectified(-x))
    found = stored(rectified(x) + (power - 1.0) + 1.0)
    return with_derivative_of(found, lambda: stored(detached(power) * differential(x)))

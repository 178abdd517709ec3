"""What the normalisations share: moments, the affine map in two writings, running statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from oracle.scalar import (
    Scalar,
    beside,
    constant,
    detached,
    differential,
    dot,
    largest,
    once,
    reused,
    sqrt,
    stored,
    through,
    total,
    with_derivative_of,
)
from oracle.tensor import Tensor, rounded

Line: TypeAlias = Callable[[Scalar], Scalar]

# How every x becomes y: from the mean, 1 / standard deviation, weight and bias (None: absent).
AffineMap: TypeAlias = Callable[[Scalar, Scalar, Scalar | None, Scalar | None], Line]


def mean_of(xs: Sequence[Scalar]) -> Scalar:
    """μ = Σ x / n."""
    return total(xs) / len(xs)


def mean_of_stored(xs: Sequence[Scalar]) -> Scalar:
    """The same number; its share of the derivative towards each x, Σ ȳ / n, is stored."""
    return with_derivative_of(mean_of(xs), lambda: stored(total(xs)) / len(xs))


def welford_mean(xs: Sequence[Scalar]) -> Scalar:
    """μ by m_k = (k−1)/k m_(k−1) + x_k / k (Welford 1962), rounding even where Σ x / n is exact.

    Unrolled, x_k weighs (1/k) Π_(i>k) (i−1)/i = 1/n. Each weight is rounded as the recurrence
    rounds it; the sum is order-free. It stands for means of blocks too, joined as (a m_a + b m_b) / (a + b) (Chan,
    Golub and LeVeque 1979). Written as m_(k−1) + (x_k − m_(k−1)) / k, differences may overflow, and their shares
    underflow, of x_k = 0 too.
    """

    def steps() -> list[Scalar]:
        difference = largest(xs) + largest([-x for x in xs])
        return [difference, *[difference / len(xs)] * (len(xs) - 1)]

    return through(dot(xs, _welford_weights(len(xs))), steps)


@once
def _welford_weights(count: int) -> list[Scalar]:
    weights = []
    one = shrinkage = constant(1.0)
    for k in range(count, 0, -1):
        weights.append(one / k * shrinkage)
        shrinkage = constant(k - 1.0) / k * shrinkage
    return weights[::-1]


def squares_about(mean: Scalar, xs: Sequence[Scalar]) -> Scalar:
    """Σ (x − μ)²: divided by n the population variance, by n − 1 the unbiased one.

    Where x² overflows, other ways to the variance may give NaN: Σ x² − n μ² as ∞ − ∞, Welford's update as 0 ∞.
    """
    deviations = [x - mean for x in xs]
    return beside(dot(deviations, deviations), lambda: [dot(xs, xs)])


def squares_about_kept(mean: Scalar, xs: Sequence[Scalar]) -> Scalar:
    """Σ (x − m)² about the mean m as it is stored: Σ (x − μ)² + n (m − μ)²."""
    missed = stored(mean) - mean
    return squares_about(mean, xs) + missed * missed * len(xs)


def squares_collected(mean: Scalar, xs: Sequence[Scalar]) -> Scalar:
    """The same, with its derivative written as 2 ȳ x − 2 ȳ μ, which rounds x ȳ and μ ȳ where they cancel."""

    def collected() -> Scalar:
        kept = stored(mean)
        return dot(xs, xs) - kept * kept * len(xs)

    return with_derivative_of(squares_about(mean, xs), collected)


def population_variance(squares: Scalar, count: int) -> Scalar:
    """σ² = Σ (x − μ)² / n."""
    return squares / count


def mean_by_reciprocal(xs: Sequence[Scalar]) -> Scalar:
    """μ = Σ x · (1 / n), which rounds 1 / n, as compilers write a division by a constant."""
    return total(xs) * constant(Fraction(1, len(xs)))


def variance_by_reciprocal(squares: Scalar, count: int) -> Scalar:
    """σ² = Σ (x − μ)² · (1 / n), which rounds 1 / n."""
    return squares * constant(Fraction(1, count))


def rescaled_variance(squares: Scalar, count: int) -> Scalar:
    """The same for n = count + 1 values, as n / (n − 1) times the population variance."""
    return squares / (count + 1) * constant(Fraction(count + 1, count))


def stored_variance(squares: Scalar, count: int) -> Scalar:
    """The same, divided in the storage format, which may not hold n."""
    return stored(squares / stored(constant(count)))


def inverse_deviation(variance: Scalar, eps: float | Fraction) -> Scalar:
    """1 / √(σ² + ε)."""
    return 1.0 / sqrt(variance + constant(eps))


def inverse_deviation_kept(variance: Scalar, eps: float | Fraction) -> Scalar:
    """The same number r; it is kept for its derivative −r³ / 2."""
    return _with_kept_derivative(inverse_deviation(variance, eps), variance)


def inverse_deviation_stepwise(variance: Scalar, eps: float | Fraction) -> Scalar:
    """The same, stored after every step."""
    return _with_kept_derivative(1.0 / stored(sqrt(stored(variance + constant(eps)))), variance)


def inverse_deviation_of_stored_eps(variance: Scalar, eps: float | Fraction) -> Scalar:
    """The same number for an ε that has been stored; it is kept for its derivative."""
    return _with_kept_derivative(1.0 / sqrt(variance + stored(constant(eps))), variance)


def _with_kept_derivative(inverse: Scalar, variance: Scalar) -> Scalar:
    def derived() -> Scalar:
        kept = detached(stored(inverse))
        return constant(Fraction(-1, 2)) * kept * kept * kept * differential(variance)

    return with_derivative_of(inverse, derived)


def as_documented(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = (x − μ) / √(σ² + ε) γ + β: the mean is subtracted first."""
    return lambda x: _affine((x - mean) * inverse, weight, bias)


def as_folded(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = a x + b with a = γ / √(σ² + ε), b = β − a μ: rounds a x and a μ, which may cancel."""
    slope = _slope(inverse, weight)
    return lambda x: _folded(x, mean, slope, bias)


def as_folded_through(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """The same, where γ (x − μ) may overflow on the way."""
    folded = as_folded(mean, inverse, weight, bias)
    return lambda x: through(folded(x), lambda: [] if weight is None else [weight * (x - mean)])


def as_folded_apart(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = a x + b, with the products of the cotangent and x, and those with μ, stored before they are added up."""
    return lambda x: _folded(x, mean, reused(_slope(inverse, weight)), bias)


def as_folded_first(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = (a x + b) γ + β with a = 1 / √(σ² + ε), b = −a μ: folded before weight and bias are applied."""
    folded = as_folded(mean, inverse, None, None)
    return lambda x: _affine(folded(x), weight, bias)


def as_sloped(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = (x − μ) a + β with a = γ / √(σ² + ε)."""
    return lambda x: _affine(x - mean, _slope(inverse, weight), bias)


def as_weighted(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = γ (x − μ) / √(σ² + ε) + β, multiplied from the left."""
    biases = () if bias is None else (bias,)
    return lambda x: dot([x - mean if weight is None else weight * (x - mean)], [inverse], *biases)


def as_stepwise(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = (x − μ) / √(σ² + ε) γ + β, stored after every step; for derivatives, every ȳ (x − μ) that is added up."""
    return lambda x: _affine_stepwise(stored(stored(x - mean) * reused(inverse)), weight, bias)


def as_normalised_first(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    """y = n γ + β with n = (x − μ) / √(σ² + ε), where n and n γ are stored."""
    return lambda x: _affine_stepwise(stored((x - mean) * inverse), weight, bias)


def _slope(inverse: Scalar, weight: Scalar | None) -> Scalar:
    return inverse if weight is None else inverse * weight


def _folded(x: Scalar, mean: Scalar, slope: Scalar, bias: Scalar | None) -> Scalar:
    return dot([x, -mean], [slope, slope], *(() if bias is None else (bias,)))


def _affine(normalised: Scalar, weight: Scalar | None, bias: Scalar | None) -> Scalar:
    if weight is not None:
        return dot([normalised], [weight], *(() if bias is None else (bias,)))
    return normalised if bias is None else normalised + bias


def _affine_stepwise(normalised: Scalar, weight: Scalar | None, bias: Scalar | None) -> Scalar:
    scaled = normalised if weight is None else stored(normalised * reused(weight))
    return scaled if bias is None else scaled + bias


def _computed(x: Scalar) -> Scalar:
    return x


def _itself(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Writing:
    """A way to write a normalisation.

    Its mean, its sum of squares about the mean, its affine map, whether it keeps the statistics as they are computed or
    ``stored``, the variance that n values have with that sum, the ``unbiased`` one, given n − 1, of running statistics,
    1 / √(σ² + ε), whether the derivatives of a channel's values towards its statistics, which they ``share``, are
    added up in one sum or ``reused`` one by one, and how the statistics, and on their own the map, take the input: as
    it is, or ``rounded``, so that the derivatives of each use are stored.
    """

    mean: Callable[[Sequence[Scalar]], Scalar] = mean_of
    squares: Callable[[Scalar, Sequence[Scalar]], Scalar] = squares_about
    affine: AffineMap = as_documented
    kept: Callable[[Scalar], Scalar] = _computed
    variance: Callable[[Scalar, int], Scalar] = population_variance
    unbiased: Callable[[Scalar, int], Scalar] = population_variance
    inverse: Callable[[Scalar, float | Fraction], Scalar] = inverse_deviation
    share: Callable[[Scalar], Scalar] = _computed
    taken: Callable[[Tensor], Tensor] = _itself


DOCUMENTED = Writing()
FOLDED = Writing(mean=welford_mean, affine=as_folded)
# One slope and one offset per channel; the variance is about the mean as it is kept.
KEPT = Writing(squares=squares_about_kept, affine=as_folded, inverse=inverse_deviation_kept)
# As cuDNN has them.
KEPT_RECURRENT = replace(KEPT, mean=welford_mean, affine=as_folded_through)
IN_STORAGE = replace(KEPT, variance=stored_variance, unbiased=stored_variance)
# The same statistics in kernels for any strides.
STEPWISE = replace(KEPT, mean=mean_of_stored, affine=as_stepwise, inverse=inverse_deviation_stepwise)
STEPWISE_IN_STORAGE = replace(STEPWISE, variance=stored_variance, unbiased=stored_variance)
# One slope and one offset, and nothing else changed; the same as compilers have it, with products with 1 / n.
AFFINE = Writing(affine=as_folded)
AFFINE_BY_RECIPROCAL = replace(AFFINE, mean=mean_by_reciprocal, variance=variance_by_reciprocal)
# As compilers have them: products with 1 / n, and one slope for each element.
SLOPED = Writing(mean=mean_by_reciprocal, variance=variance_by_reciprocal, affine=as_sloped)
SLOPED_APART = replace(SLOPED, taken=rounded)
# Means by Welford's recurrence, which parallel reductions merge, and nothing else changed.
RECURRENT = Writing(mean=welford_mean)
# The same, and derivatives take the statistics as they are stored.
SAVED = replace(RECURRENT, squares=squares_about_kept, kept=stored, inverse=inverse_deviation_kept)
# Running statistics are fed from the population variance.
RESCALED = replace(RECURRENT, unbiased=rescaled_variance)
WEIGHTED = replace(RECURRENT, affine=as_weighted, inverse=inverse_deviation_kept, share=reused)
# for derivatives: a ȳ + b x + c
COLLECTED = Writing(welford_mean, squares_collected, as_folded, stored, inverse=inverse_deviation_kept)
# Weight and bias are applied by operations of their own.
NORMALISED_FIRST = Writing(affine=as_normalised_first)
# The same, with means that are products with 1 / n.
BY_RECIPROCAL = replace(NORMALISED_FIRST, mean=mean_by_reciprocal, variance=variance_by_reciprocal)
# The same means, multiplied by the weight first.
WEIGHTED_BY_RECIPROCAL = replace(BY_RECIPROCAL, affine=as_weighted)
# With statistics and ε in the storage format.
RECURRENT_IN_STORAGE = replace(RECURRENT, kept=stored, inverse=inverse_deviation_of_stored_eps)
FOLDED_IN_STORAGE = replace(RECURRENT_IN_STORAGE, affine=as_folded)
COLLECTED_IN_STORAGE = replace(COLLECTED, inverse=inverse_deviation_of_stored_eps)
COLLECTED_APART = replace(COLLECTED_IN_STORAGE, affine=as_folded_apart)


def moved(running: Scalar, observed: Scalar, momentum: float | Fraction) -> Scalar:
    """(1 − m) r + m o: the running statistic r after the observation o.

    Updated in place, r and m are numbers of the storage format, and so may the two products be.
    """
    share = constant(momentum)
    return total([stored(stored(1.0 - share) * running), stored(stored(share) * observed)])


def at(x: Tensor | None, *index: int) -> Scalar | None:
    """The element of an optional tensor."""
    return None if x is None else x[index if len(index) > 1 else index[0]]

"""Laws of random outputs: honest samples pass, planted mistakes fail with a reason, limits are where they claim."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import RandomState
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtri

from conformance.law import IMPROBABLE, Constant, Law, Mask, Normal, Padded, Uniform, judge
from conformance.values import Array
from conformance.verdict import Actual, Status, Verdict

SHAPE = (100, 60)
Sample = Callable[[RandomState], Array]


def found(law: Law, values: Array, format: str = "float32") -> Verdict:
    return law.judge(Actual(np.asarray(values, dtype=np.float64), format))


def mask(probability: float, shape: tuple[int, ...] = SHAPE) -> Mask:
    return Mask(shape, "float32", probability, lambda output: np.asarray(output != 0.0))


def uniform(scale: float = 0.25, permitted: float = 0.0, shape: tuple[int, ...] = SHAPE) -> Uniform:
    return Uniform(shape, "float32", scale, permitted)


def normal(scale: float = 0.25, permitted: float = 0.0, shape: tuple[int, ...] = SHAPE) -> Normal:
    return Normal(shape, "float32", scale, permitted)


def kept(probability: float, *drawn: int) -> Sample:
    """A mask drawn in this shape and spread over the whole."""
    return lambda random: np.broadcast_to(random.random_sample(drawn or SHAPE) < probability, SHAPE)


def between(bound: float = 0.25) -> Sample:
    return lambda random: random.uniform(-bound, bound, SHAPE)


def about_zero(deviation: float = 0.25) -> Sample:
    return lambda random: random.normal(0.0, deviation, SHAPE)


def coarse(cells: int) -> Sample:
    """The middles of as many cells on either side of zero."""
    return lambda random: (np.floor(between(cells)(random)) + 0.5) * 0.25 / cells


def truncated(random: RandomState) -> Array:
    """A normal distribution cut off at twice its deviation and widened to its old one."""
    law = stats.truncnorm(-2.0, 2.0)
    return np.asarray(law.rvs(SHAPE, random_state=random) * 0.25 / law.std())


def outlier(random: RandomState) -> Array:
    draws = about_zero()(random)
    draws[3, 4] = -3.0
    return draws


HONEST = {
    "a mask": (mask(0.7), kept(0.7)),
    "a mask that keeps nothing": (mask(0.0), kept(0.0)),
    "a mask that keeps everything": (mask(1.0), kept(1.0)),
    "a uniform distribution": (uniform(), between()),
    "a normal distribution": (normal(), about_zero()),
    "draws from a coarse grid, which is permitted": (uniform(permitted=0.25 / 8), coarse(8)),
}


@pytest.mark.parametrize(("law", "sample"), HONEST.values(), ids=HONEST)
def test_honest_samples_pass_and_come_near_the_limit_no_more_often_than_claimed(law: Law, sample: Sample) -> None:
    verdicts = [found(law, sample(RandomState(seed))) for seed in range(300)]
    assert {verdict.status for verdict in verdicts} == {Status.PASS}
    near = sum(verdict.ratio > np.log(0.01) / np.log(IMPROBABLE) for verdict in verdicts)
    assert near <= stats.binom.isf(IMPROBABLE, 300, 6 * 0.01)  # four tests and two axes


ROOT_OF_2, ROOT_OF_3 = 2.0**0.5, 3.0**0.5

MISTAKES: dict[str, tuple[Law, Sample, str]] = {
    "the probability of dropping for that of keeping": (mask(0.9), kept(0.1), "of 6000 kept, expected a share of 0.9"),
    "a probability wrong by a tenth": (mask(0.5), kept(0.56), "of 6000 kept, expected a share of 0.5"),
    "nothing dropped": (mask(0.9), kept(1.0), "6000 of 6000 kept, expected a share of 0.9"),
    "one mask for all samples": (mask(0.5), kept(0.5, 60), "3000 of 3000 pairs of neighbours along axis 0 alike"),
    "one decision for a whole row": (mask(0.5), kept(0.5, 100, 1), "3000 of 3000 pairs of neighbours along axis 1"),
    "every other unit dropped": (mask(0.5), lambda random: np.indices(SHAPE).sum(axis=0) % 2, "0 of 3000 pairs"),
    "a bound √2 too large": (uniform(), between(0.25 * ROOT_OF_2), "1.41 times the bound of 0.25"),
    "a bound √2 too small": (uniform(), between(0.25 / ROOT_OF_2), "0.70. times the bound of 0.25"),
    "a bound 2 % too small": (uniform(), between(0.25 * 0.98), "0.9[78].* times the bound of 0.25"),
    "a normal distribution for a uniform one": (
        uniform(),
        about_zero(0.25 / ROOT_OF_3),
        "the largest of 6000 elements",
    ),
    "only positive draws": (uniform(), lambda random: np.abs(between()(random)), "function .* off by 0.5"),
    "a grid that is too coarse": (uniform(), coarse(4), "0.875 times the bound of 0.25"),
    "one row for all units": (
        uniform(),
        lambda random: random.uniform(-0.25, 0.25, 60) * np.ones(SHAPE),
        "axis 0 alike",
    ),
    "a deviation √2 too large": (normal(), about_zero(0.25 * ROOT_OF_2), "root mean square of 6000 .* expected 0.25"),
    "a deviation √2 too small": (normal(), about_zero(0.25 / ROOT_OF_2), "root mean square of 6000 .* expected 0.25"),
    "the variance for the deviation": (normal(), about_zero(0.25**2), "times the standard deviation of 0.25"),
    "a uniform distribution for a normal one": (
        normal(),
        between(0.25 * ROOT_OF_3),
        "1.73 times the standard deviation",
    ),
    "a truncated distribution for a normal one": (normal(), truncated, "2.2. times the standard deviation of 0.25"),
    "one element far out": (normal(), outlier, "3 is the largest of 6000 elements, 12 times"),
    "a shifted mean": (normal(), lambda random: 0.05 + about_zero()(random), "positive|distribution function"),
    "nothing drawn": (normal(), lambda random: np.zeros(SHAPE), "0 is the largest of 6000 elements"),
}


@pytest.mark.parametrize(("law", "sample", "reason"), MISTAKES.values(), ids=MISTAKES)
def test_a_planted_mistake_fails_with_a_reason(law: Law, sample: Sample, reason: str) -> None:
    for seed in range(5):
        verdict = found(law, sample(RandomState(seed)))
        assert verdict.status is Status.FAIL
        assert re.search(reason, verdict.reason), verdict.reason
        assert "the probability of that is" in verdict.reason


def shuffled(values: Array) -> Array:
    return RandomState(0).permutation(values)


def middles(count: int) -> Array:
    """The distribution function at draws spread evenly over a distribution."""
    return (np.arange(count) + 0.5) / count


LINE, SQUARE = (1000,), (100, 100)
Limits = dict[float, Status]


def test_the_limit_of_a_count_is_that_of_the_binomial_distribution() -> None:
    counts = np.arange(10_001)
    least = int(np.argmax(2.0 * stats.binom.cdf(counts, 10_000, 0.3) >= IMPROBABLE))
    most = int(np.flatnonzero(2.0 * stats.binom.sf(counts - 1, 10_000, 0.3) >= IMPROBABLE)[-1])
    limits: Limits = {least: Status.PASS, least - 1: Status.FAIL, most: Status.PASS, most + 1: Status.FAIL}
    for count, status in limits.items():
        events = shuffled(counts[:-1] < count).reshape(SQUARE)
        assert found(mask(0.3, SQUARE), events).status is status


def test_the_limit_of_the_largest_uniform_draw_is_where_all_are_as_small_or_any_as_large() -> None:
    low, high = (IMPROBABLE / 2.0) ** (1 / 1000), 1.0 - IMPROBABLE / 2.0 / 1000
    limits: Limits = {
        low * (1.0 + 1e-9): Status.PASS,
        low * (1.0 - 1e-9): Status.FAIL,
        high * (1.0 - 1e-15): Status.PASS,
        high * (1.0 + 1e-15): Status.FAIL,
    }
    grid = shuffled(2.0 * middles(1000) - 1.0)
    for largest, status in limits.items():
        assert found(uniform(1.0, shape=LINE), grid / np.max(grid) * largest).status is status


def test_the_limit_of_the_largest_normal_draw_is_where_any_is_as_large() -> None:
    limit = float(-ndtri(IMPROBABLE / 2.0 / 2.0 / 1000))  # twice two sides
    limits: Limits = {limit * (1.0 - 1e-9): Status.PASS, limit * (1.0 + 1e-9): Status.FAIL}
    for largest, status in limits.items():
        draws = shuffled(ndtri(middles(1000)))
        draws[0] = -largest
        assert found(normal(1.0, shape=LINE), draws).status is status


def test_the_limit_of_a_sum_of_squares_is_that_of_the_chi_squared_distribution() -> None:
    law = stats.chi2(1000)
    limits: Limits = {
        law.ppf(IMPROBABLE / 2.0) * (1.0 + 1e-9): Status.PASS,
        law.ppf(IMPROBABLE / 2.0) * (1.0 - 1e-9): Status.FAIL,
        law.isf(IMPROBABLE / 2.0) * (1.0 - 1e-9): Status.PASS,
        law.isf(IMPROBABLE / 2.0) * (1.0 + 1e-9): Status.FAIL,
    }
    grid = shuffled(ndtri(middles(1000)))
    for squares, status in limits.items():
        assert found(normal(1.0, shape=LINE), grid * np.sqrt(squares / np.sum(grid * grid))).status is status


def test_the_limit_of_a_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    # scipy's own inverse is right to six digits
    limit = brentq(lambda distance: np.log(stats.kstwo.sf(distance, 10_000) / IMPROBABLE), 0.03, 0.05, xtol=1e-15)
    limits: Limits = {limit * (1.0 - 1e-9): Status.PASS, limit * (1.0 + 1e-9): Status.FAIL}
    share, ranks = middles(10_000), (np.arange(10_000) + 1.0) / 10_000
    for distance, status in limits.items():
        # only draws below zero are moved, and stay below it
        moved = np.where(share < 0.5, np.maximum(ranks - distance, ranks / 100.0), share)
        draws = shuffled(2.0 * moved - 1.0).reshape(SQUARE)
        assert found(uniform(1.0, shape=SQUARE), draws).status is status


def test_a_draw_may_pass_the_bound_by_less_than_its_rounding() -> None:
    limits: Limits = {1.009: Status.PASS, 1.011: Status.FAIL}
    draws = shuffled(2.0 * middles(1000) - 1.0)
    for largest, status in limits.items():
        draws[0] = largest
        assert found(uniform(1.0, permitted=0.01, shape=LINE), draws).status is status


def test_a_constant_is_exact() -> None:
    law = Constant((3,), "float32", 0.0)
    assert found(law, np.zeros(3)).status is Status.PASS
    verdict = found(law, np.array([0.0, 5e-324, np.nan]))
    assert (verdict.status, verdict.reason) == (Status.FAIL, "2 elements are not 0")


def test_a_padding_row_is_exactly_zero_and_the_others_are_drawn() -> None:
    draws = about_zero()(RandomState(0))
    assert found(Padded(normal(), -1), draws).reason == "60 elements are not 0"
    draws[-1] = 0.0
    assert found(Padded(normal(), -1), draws).status is Status.PASS
    assert found(Padded(normal(), 0), draws).reason == "60 elements are not 0"
    assert "expected 0.5" in found(Padded(normal(0.5), -1), draws).reason


LAWS = [mask(0.5), Constant(SHAPE, "float32", 0.0), uniform(), normal(), Padded(normal(), 0)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_shape_and_format_are_those_of_the_law(law: Law) -> None:
    assert found(law, np.zeros((60, 100))).reason == "shape (60, 100), expected (100, 60)"
    assert found(law, np.zeros(SHAPE), "float64").reason == "format float64, expected float32"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("law", [uniform(), normal()], ids=lambda law: type(law).__name__)
def test_every_draw_is_finite(law: Law, value: float) -> None:
    draws = between()(RandomState(0))
    draws[2, 3] = value
    assert found(law, draws).reason == "an element is not finite"


EMPTY = [uniform(shape=(0, 3)), normal(shape=(0, 3)), mask(0.5, (0, 3))]


@pytest.mark.parametrize("law", EMPTY, ids=lambda law: type(law).__name__)
def test_of_no_elements_nothing_is_improbable(law: Law) -> None:
    verdict = found(law, np.zeros((0, 3)))
    assert (verdict.status, verdict.ratio) == (Status.PASS, 0.0)


def test_of_several_outputs_the_least_probable_is_named() -> None:
    laws = {"weight": uniform(), "bias": normal(shape=(60,)), "other": uniform()}
    weight, other = (Actual(between()(RandomState(seed)), "float32") for seed in range(2))
    bias = RandomState(2).normal(0.0, 0.25, 60)
    assert judge([weight, Actual(bias, "float32"), other], laws).status is Status.PASS
    verdict = judge([weight, Actual(4.0 * bias, "float32"), other], laws)
    assert (verdict.status, verdict.output, verdict.ratio) == (Status.FAIL, "bias", np.inf)
    assert judge([weight, other], laws).reason == "returned 2 outputs, expected 3: weight, bias, other"


def test_the_distribution_functions_are_those_of_scipy() -> None:
    x = np.linspace(-3.0, 3.0, 601)
    assert np.array_equal(uniform().share(x), stats.uniform(-1.0, 2.0).cdf(x))
    assert np.array_equal(normal().share(x), stats.norm.cdf(x))


@pytest.mark.parametrize("period", [64, 1024])
def test_a_mask_that_repeats_after_a_power_of_two_is_not_independent(period: int) -> None:
    law = Mask((4, 32, 33), "float32", 0.5, lambda output: output != 0.0)
    mask = RandomState(0).random_sample(4 * 32 * 33) < 0.5
    assert judge([Actual(mask.reshape(law.shape) * 2.0, "float32")], {"output": law}).status is Status.PASS
    repeated = mask[np.arange(mask.size) % period].reshape(law.shape) * 2.0
    verdict = judge([Actual(repeated, "float32")], {"output": law})
    assert verdict.status is Status.FAIL
    assert re.search("elements [0-9]+ apart", verdict.reason)

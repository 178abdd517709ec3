"""Outcomes hold what IEEE arithmetic may give, in any order, and little more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.formats import bfloat16, float32, float64
from oracle.outcomes import Outcome, Outcomes
from oracle.scalar import Scalar

LARGEST = float32.largest
SPECIAL = (math.nan, math.inf, -math.inf, 0.0, LARGEST, -LARGEST, float32.smallest, -float32.smallest_normal, 1.0, -3.5)
number = st.sampled_from(SPECIAL) | st.floats(width=32)
real = number.filter(lambda x: not math.isnan(x))
numbers = st.lists(number, min_size=1, max_size=6)
ARITHMETIC = Outcomes(float32)
lift = ARITHMETIC.lift


def total(*terms: float) -> Outcome:
    return ARITHMETIC.total([lift(term) for term in terms])


def dot(xs: Sequence[float], ys: Sequence[float]) -> Outcome:
    return ARITHMETIC.dot([lift(x) for x in xs], [lift(y) for y in ys])


def summed(terms: Sequence[np.float32], splits: Sequence[float]) -> np.float32:
    """The terms added in pairs, each pair where ``splits`` says."""
    left = list(terms)
    for split in splits:
        if len(left) == 1:
            break
        k = int(split * (len(left) - 1))
        left[k : k + 2] = [left[k] + left[k + 1]]
    return left[0]


def in_single(xs: Sequence[float]) -> list[np.float32]:
    return [np.float32(x) for x in xs]


@given(numbers.flatmap(lambda terms: st.tuples(st.just(terms), st.permutations(terms))), st.data())
def test_a_sum_holds_the_result_of_every_order(drawn: tuple[list[float], list[float]], data: st.DataObject) -> None:
    terms, order = drawn
    splits = data.draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=len(terms), max_size=len(terms)))
    with np.errstate(all="ignore"):
        got = float(summed(in_single(order), splits))
    assert got in total(*terms)


@given(st.lists(st.tuples(number, number), min_size=1, max_size=6))
def test_a_dot_product_holds_the_result_fused_and_not(pairs: list[tuple[float, float]]) -> None:
    xs, ys = zip(*pairs, strict=True)
    with np.errstate(all="ignore"):
        products = [x * y for x, y in zip(in_single(xs), in_single(ys), strict=True)]
        apart = float(summed(products, [0.0] * len(products)))
        exactly = np.float64(xs[0]) * np.float64(ys[0])
        fused = float(summed([np.float32(exactly), *products[1:]], [0.0] * len(products)))
    assert apart in dot(xs, ys)
    assert fused in dot(xs, ys)


@given(number, number)
def test_operations_hold_the_result_of_single_precision(a: float, b: float) -> None:
    x, y = np.float32(a), np.float32(b)
    with np.errstate(all="ignore"):
        assert float(x + y) in lift(a) + lift(b)
        assert float(x - y) in lift(a) - lift(b)
        assert float(x * y) in lift(a) * lift(b)
        assert float(x / y) in lift(a) / lift(b)
        assert float(np.sqrt(x)) in ARITHMETIC.sqrt(lift(a))
        assert float(np.exp(x)) in ARITHMETIC.exp(lift(a))
        assert float(np.log(x)) in ARITHMETIC.log(lift(a))
        assert float(np.tanh(x)) in ARITHMETIC.tanh(lift(a))
        assert float(np.maximum(x, y)) in ARITHMETIC.largest([lift(a), lift(b)])
        assert float(np.maximum(x, np.float32(0.0))) in ARITHMETIC.rectified(lift(a))
        assert float(np.sin(x)) in ARITHMETIC.sin(lift(a))


@given(real, real, number)
def test_an_operation_on_a_set_holds_the_results_for_its_members(a: float, b: float, c: float) -> None:
    between = ARITHMETIC.number(min(a, b), max(a, b))
    members = [a, b, *(x for x in (0.0, 1.0, -LARGEST) if x in between)]
    with np.errstate(all="ignore"):
        for member in members:
            x, z = np.float32(member), np.float32(c)
            assert float(x * z) in between * lift(c)
            assert float(x + z) in between + lift(c)
            assert float(z / x) in lift(c) / between
            assert float(x / z) in between / lift(c)
            assert float(x * x) in between * between


@pytest.mark.parametrize(
    ("outcome", "conforms", "does_not"),
    [
        (lambda: total(math.inf, 1.0), [math.inf], [math.nan, LARGEST]),
        (lambda: total(math.inf, -math.inf), [math.nan], [0.0, math.inf]),
        (lambda: total(LARGEST, 1.0), [LARGEST], [math.inf, math.nan]),
        (lambda: total(LARGEST, LARGEST), [math.inf], [LARGEST, math.nan]),
        (lambda: total(LARGEST, LARGEST, -LARGEST), [math.inf, LARGEST], [-math.inf, math.nan, 0.0]),
        (lambda: total(LARGEST, LARGEST, -LARGEST, -LARGEST), [math.inf, -math.inf, math.nan, 0.0], []),
        (lambda: total(LARGEST, LARGEST, -math.inf), [-math.inf, math.nan], [0.0, math.inf]),
        (lambda: dot([0.0], [math.inf]), [math.nan], [0.0]),
        (lambda: dot([math.inf, 1.0], [2.0, math.nan]), [math.nan], [math.inf]),
        (lambda: ARITHMETIC.exp(lift(-math.inf)), [0.0], [math.nan, 1.0]),
        (lambda: ARITHMETIC.exp(lift(LARGEST)), [math.inf], [math.nan, LARGEST]),
        (lambda: ARITHMETIC.sigmoid(lift(math.inf)), [1.0], [math.nan, 0.0]),
        (lambda: ARITHMETIC.sqrt(lift(-1.0)), [math.nan], [0.0]),
        (lambda: ARITHMETIC.largest([lift(math.nan), lift(1.0)]), [math.nan], [1.0]),
        (lambda: ARITHMETIC.largest([lift(-math.inf), lift(1.0)]), [1.0], [-math.inf, math.nan]),
        (lambda: 1.0 / lift(math.inf), [0.0], [math.nan]),
        (lambda: lift(float32.smallest) * 1.0, [float32.smallest], [0.0]),
    ],
)
def test_special_results_are_those_of_ieee_754(
    outcome: Callable[[], Outcome], conforms: list[float], does_not: list[float]
) -> None:
    found = outcome()
    assert all(x in found for x in conforms)
    assert not any(x in found for x in does_not)


def test_a_zero_that_the_formula_writes_may_be_skipped() -> None:
    zero = ARITHMETIC.constant(0.0)
    for product in (zero * lift(math.inf), ARITHMETIC.dot([zero], [lift(math.nan)])):
        assert 0.0 in product
        assert math.nan in product
        assert math.inf not in product


def test_what_stands_beside_a_number_may_bring_nan_only_if_it_is_not_finite() -> None:
    def beside(others: Sequence[float]) -> Scalar:
        return ARITHMETIC.beside(lift(2.0), lambda: [lift(x) for x in others])

    assert math.nan not in beside([LARGEST, 0.0])
    assert math.nan in beside([1.0, math.inf])
    assert 2.0 in beside([1.0, math.nan])


def test_what_a_number_is_found_through_may_lose_it_only_by_overflow() -> None:
    def found(x: float, step: Scalar) -> Scalar:
        return ARITHMETIC.through(lift(x), lambda: [step])

    doubled = lift(LARGEST) + lift(LARGEST)
    assert repr(found(2.0, lift(LARGEST))) == "2.0"
    assert found(2.0, doubled).anything
    assert repr(found(math.inf, doubled)) == "inf or nan"


def test_a_choice_is_a_copy() -> None:
    one, none, either = (ARITHMETIC.number(low, high) for low, high in ((1.0, 1.0), (0.0, 0.0), (0.0, 1.0)))
    assert ARITHMETIC.chosen([none, one], [lift(math.nan), lift(2.0)]).finite
    unsure = ARITHMETIC.chosen([either, either], [lift(math.inf), lift(2.0)])
    assert 2.0 in unsure
    assert math.inf in unsure
    assert math.nan not in unsure


def test_flushing_permits_zero_for_subnormal_numbers_alone() -> None:
    flushing = Outcomes(float32, flush=True)
    assert 0.0 in flushing.lift(float32.smallest)
    assert 0.0 not in flushing.lift(float32.smallest_normal)
    assert 0.0 not in lift(float32.smallest)


def test_storing_overflows_the_storage_format() -> None:
    narrow = Outcomes(float32, bfloat16)
    found = narrow.stored(narrow.lift(LARGEST))
    assert math.inf in found
    assert bfloat16.largest not in found


def test_that_binary64_overflows_is_not_taken_for_certain() -> None:
    wide = Outcomes(float64)
    found = wide.total([wide.lift(float64.largest)] * 2)
    assert math.inf in found
    assert math.nan not in found
    assert 0.0 not in found


def test_flushing_permits_zero_for_every_subnormal_partial_sum() -> None:
    least = float32.smallest_normal
    with Outcomes(float32, flush=True) as flushing:
        x = flushing.lift(least)
        one, quarter, three = (flushing.exactly(factor) for factor in (1.0, 0.25, 3.0))
        found = flushing.dot([x, x], [quarter, three])
        assert 3.25 * least in found
        assert 3.0 * least in found  # the first product has become zero
        assert 4.5 * least not in found
        positive = flushing.dot([x, x], [quarter, quarter])
        assert 0.0 in positive
        assert -least not in positive
        ordinary = flushing.dot([one, one], [quarter, three])
        assert (ordinary.low, ordinary.high) == (3.25, 3.25)

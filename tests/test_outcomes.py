"""Outcomes hold what IEEE arithmetic may give, in any order, and little more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.accuracy import UNITS
from oracle.formats import bfloat16, float16, float32, float64
from oracle.outcomes import Outcome, Outcomes
from oracle.scalar import Scalar, beside, through

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


def test_a_product_with_what_may_be_infinite_may_be_fused_with_a_sum() -> None:
    arithmetic, largest = Outcomes(float64), float64.largest
    one, three, infinite = (arithmetic.lift(x) for x in (1.0, -3.0, math.inf))
    h = arithmetic.dot([arithmetic.lift(largest)], [one], arithmetic.lift(-1.0))
    assert largest in h
    assert math.inf in h
    found = arithmetic.dot([h, infinite], [three, one])
    assert math.inf in found  # of the largest number: three times it is finite where it is not rounded
    assert math.nan in found
    assert 0.0 not in found


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


def test_what_a_number_is_found_through_may_lose_it_by_overflow() -> None:
    def found(x: float, step: Scalar) -> Scalar:
        return ARITHMETIC.through(lift(x), lambda: [step])

    doubled = lift(LARGEST) + lift(LARGEST)
    assert repr(found(2.0, lift(LARGEST))) == "2.0"
    assert found(2.0, doubled).anything
    assert repr(found(math.inf, doubled)) == "inf or nan"


def test_formulas_say_what_stands_beside_a_number_and_what_it_is_found_through() -> None:
    with ARITHMETIC:
        assert math.nan in beside(lift(1.0), lambda: [lift(math.inf)])
        assert through(lift(1.0), lambda: [lift(math.inf)]).anything


def test_a_number_loses_half_the_least_one_by_every_step_below_the_normal_numbers() -> None:
    def found(*steps: float) -> Scalar:
        return ARITHMETIC.through(lift(0.0), lambda: [lift(step) for step in steps])

    least = float32.smallest
    assert repr(found(1.0, 4.0 * float32.smallest_normal, -4.0 * float32.smallest_normal, 0.0)) == "0.0"
    assert (found(-least, 1.0, 3.0 * least).low, found(least).high) == (-least, least / 2)
    around = ARITHMETIC.number(-1.0, 1.0)
    assert ARITHMETIC.through(lift(0.0), lambda: [around]).high == least / 2


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


@pytest.mark.parametrize("flush", [False, True])
def test_flushing_permits_zero_for_a_quotient_that_is_subnormal(flush: bool) -> None:
    with Outcomes(float32, flush=flush) as arithmetic:
        quotient = arithmetic.lift(float32.smallest_normal) / arithmetic.exactly(2.0)
    assert float32.smallest_normal / 2 in quotient
    assert (0.0 in quotient) == flush


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


# No wider than the roundings make them

UNIT = float32.unit
ordinary = st.builds(math.ldexp, st.integers(-(2**24) + 1, 2**24 - 1).map(float), st.integers(-40, 10))
whole = st.integers(-(2**11), 2**11).map(float)


def close(x: float, y: float) -> bool:
    """Whether two numbers are equal but for roundings in binary64."""
    return x == y or math.isclose(x, y, rel_tol=1e-13)


def check_ends(found: Outcome, low: float, high: float) -> None:
    assert close(found.low, low), (found.low, low)
    assert close(found.high, high), (found.high, high)
    assert not found.nan


@given(ordinary, ordinary)
def test_one_operation_is_rounded_once_unless_it_is_exact(a: float, b: float) -> None:
    x, y = lift(a), lift(b)
    for found, exact in ((x * y, Fraction(a) * Fraction(b)), (x / y, Fraction(a) / Fraction(b) if b else None)):
        if exact is None:
            continue
        off = 0.0 if Fraction(float32.round(float(exact))) == exact else UNIT * abs(float(exact))
        check_ends(found, float(exact) - off, float(exact) + off)
    for found, exact in ((x + y, Fraction(a) + Fraction(b)), (x - y, Fraction(a) - Fraction(b))):
        off = (UNIT + 2.0**-52) * (abs(a) + abs(b))
        assert found.low <= exact <= found.high
        assert found.high - found.low <= (0.0 if float32.round(float(exact)) == exact else 2.0 * off)
        assert not found.nan


@given(st.lists(st.tuples(ordinary, ordinary), min_size=3, max_size=6))
def test_a_sum_of_products_is_rounded_once_for_each_and_for_each_addition(pairs: list[tuple[float, float]]) -> None:
    xs, ys = zip(*pairs, strict=True)
    found, products = dot(xs, ys), [Fraction(x) * Fraction(y) for x, y in pairs]
    size, true = sum(map(abs, products)), sum(products)
    counted = [p for p in products if p]
    inexact = sum(Fraction(float32.round(float(p))) != p for p in products)
    roundings = max(len(counted) - 1 + inexact, 0)
    off = roundings * (UNIT + 2.0**-51) * float(size)
    assert found.low <= true <= found.high
    assert found.high - found.low <= 2.0 * off * (1.0 + 1e-12)
    if len(counted) > 2:
        assert found.high - found.low >= 1.9 * roundings * UNIT * float(size) or found.low == 0.0 or found.high == 0.0


@given(whole, whole)
def test_what_is_not_rounded_has_one_outcome(a: float, b: float) -> None:
    x, y = lift(a), lift(b)
    for found, exact in ((x + y, a + b), (x - y, a - b), (x * y, a * b), (3.0 - x, 3.0 - a), (-x, -a)):
        assert (found.low, found.high, found.nan) == (exact, exact, False)
    if b != 0.0:
        product = lift(a * b) / y
        assert (product.low, product.high) == (a, a)


@pytest.mark.parametrize(
    ("name", "function", "units", "xs"),
    [
        ("exp", math.exp, 6.0, [-20.0, -0.5, 1.0, 3.25]),
        ("log", math.log, 6.0, [0.001, 0.5, 3.25]),
        ("sqrt", math.sqrt, 1.0, [0.25, 3.0, 1e10]),
        ("tanh", math.tanh, 10.0, [-2.0, 0.125, 1.0]),
        ("erf", math.erf, 32.0, [-2.0, 0.125, 1.0]),
        ("sigmoid", lambda x: 1.0 / (1.0 + math.exp(-x)), 8.0, [-2.0, 0.125, 1.0]),
        ("sin", math.sin, 8.0, [-2.0, 0.125, 1.0]),
        ("cos", math.cos, 8.0, [-2.0, 0.125, 1.0]),
        ("power", lambda x: x**0.5, 32.0, [0.25, 3.0, 1e10]),
    ],
)
def test_a_function_is_as_uncertain_as_its_units_say(
    name: str, function: Callable[[float], float], units: float, xs: list[float]
) -> None:
    for x in xs:
        arguments = (Fraction(1, 2),) if name == "power" else ()
        found, true = getattr(ARITHMETIC, name)(lift(float32.round(x)), *arguments), function(float32.round(x))
        off = units * UNIT * abs(true)
        check_ends(found, true - off, true + off)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "erf", "sigmoid"])
def test_a_growing_function_of_a_set_goes_from_one_end_to_the_other(name: str) -> None:
    function, between = getattr(ARITHMETIC, name), ARITHMETIC.number(0.5, 3.0)
    found = function(between)
    assert (found.low, found.high, found.nan) == (function(lift(0.5)).low, function(lift(3.0)).high, False)
    assert function(ARITHMETIC.number(0.5, 3.0, True)).nan


def test_a_wave_moves_no_further_than_its_argument() -> None:
    for name, function in (("sin", math.sin), ("cos", math.cos)):
        found = getattr(ARITHMETIC, name)(ARITHMETIC.number(1.0, 1.25))
        off = 8.0 * UNIT
        low, high = function(1.0) - 0.25, function(1.0) + 0.25
        check_ends(found, low - off * abs(low), high + off * abs(high))
        unbounded = getattr(ARITHMETIC, name)(ARITHMETIC.number(1.0, math.inf))
        assert (unbounded.low, unbounded.high, unbounded.nan) == (-1.0, 1.0, True)
        assert repr(getattr(ARITHMETIC, name)(lift(-math.inf))) == "nan"


def test_an_exponent_that_is_rounded_moves_a_power_as_far_as_the_logarithm_is_large() -> None:
    base, third = math.exp(2.0), Fraction(1, 3)
    base = float32.round(base)
    found = ARITHMETIC.power(lift(base), third)
    true, units = base ** (1 / 3), 32.0 + math.log(base) / 3.0
    check_ends(found, true - units * UNIT * true, true + units * UNIT * true)


A = ARITHMETIC
SOME = A.number(-2.0, 3.0)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: lift(math.nan), "nan"),
        (lambda: lift(2.0), "2.0"),
        (lambda: A.number(1.0, 2.0, True), "1.0 to 2.0 or nan"),
        (lambda: A.constant(math.nan), "nan"),
        (lambda: A.constant(0.5), "0.5"),
        (lambda: -SOME, "-3.0 to 2.0"),
        (lambda: -A.number(1.0, math.inf, True), "-inf to -1.0 or nan"),
        (lambda: A.exp(lift(0.0)), "1.0"),
        (lambda: A.exp(A.number(0.0, 0.0, True)), "1.0 or nan"),
        (lambda: A.log(lift(1.0)), "0.0"),
        (lambda: A.log(A.number(1.0, 1.0, True)), "0.0 or nan"),
        (lambda: A.log(lift(0.0)), "-inf"),
        (lambda: A.log(lift(-1.0)), "nan"),
        (lambda: A.log(lift(math.inf)), "inf"),
        (lambda: A.sqrt(lift(math.inf)), "inf"),
        (lambda: A.sqrt(lift(0.0)), "0.0"),
        (lambda: A.sqrt(lift(math.nan)), "nan"),
        (lambda: A.tanh(lift(math.nan)), "nan"),
        (lambda: A.power(lift(math.nan), 2), "nan"),
        (lambda: A.power(lift(math.inf), 2), "inf"),
        (lambda: A.power(lift(0.0), -1), "inf"),
        (lambda: A.power(lift(math.inf), -1), "0.0"),
        (lambda: A.absolute(SOME), "0.0 to 3.0"),
        (lambda: A.absolute(A.number(-5.0, 3.0, True)), "0.0 to 5.0 or nan"),
        (lambda: A.absolute(A.number(-5.0, -3.0)), "3.0 to 5.0"),
        (lambda: A.absolute(A.number(3.0, 5.0)), "3.0 to 5.0"),
        (lambda: A.absolute(A.number(0.0, 5.0)), "0.0 to 5.0"),
        (lambda: A.absolute(A.number(-5.0, 0.0)), "0.0 to 5.0"),
        (lambda: A.absolute(lift(math.nan)), "nan"),
        (lambda: A.rectified(SOME), "0.0 to 3.0"),
        (lambda: A.rectified(A.number(-2.0, -1.0, True)), "0.0 or nan"),
        (lambda: A.rectified(A.number(1.0, 2.0)), "1.0 to 2.0"),
        (lambda: A.rectified(lift(math.nan)), "nan"),
        (lambda: A.largest([SOME, lift(1.0)]), "-2.0 to 3.0"),
        (lambda: A.largest([A.number(-2.0, 0.5), lift(1.0)]), "1.0"),
        (lambda: A.largest([A.number(-2.0, 1.0), lift(1.0)]), "-2.0 to 1.0"),
        (lambda: A.largest([A.number(-2.0, 0.5, True), lift(1.0)]), "1.0 or nan"),
        (lambda: A.largest([A.constant(0.0), A.number(-2.0, 0.0)]), "0.0"),
        (lambda: A.largest([lift(0.0), A.number(-2.0, 0.0)]), "-2.0 to 0.0"),
        (lambda: A.descending([SOME, lift(1.0)])[0], "1.0 to 3.0"),
        (lambda: A.descending([SOME, lift(1.0)])[1], "-2.0 to 1.0"),
        (lambda: A.descending([A.number(-2.0, 0.5, True), lift(1.0)])[0], "1.0 or nan"),
        (lambda: A.descending([lift(math.nan), lift(1.0)])[1], "nan"),
        (lambda: A.inside(lift(1.0), 1, 2), "1.0"),
        (lambda: A.inside(lift(2.0), 1, 2), "0.0"),
        (lambda: A.inside(lift(0.5), 1, 2), "0.0"),
        (lambda: A.inside(A.number(0.5, 1.0), 1, 2), "0.0 to 1.0"),
        (lambda: A.inside(A.number(1.0, 2.0), 1, 2), "0.0 to 1.0"),
        (lambda: A.inside(A.number(1.0, 1.5, True), 1, 2), "0.0 to 1.0"),
        (lambda: A.inside(A.number(3.0, 4.0, True), 1, 2), "0.0 to 1.0"),
        (lambda: A.chosen([lift(0.0), lift(1.0)], [lift(7.0), SOME]), "-2.0 to 3.0"),
        (lambda: A.chosen([A.number(0.0, 1.0), lift(1.0)], [A.number(-9.0, 7.0, True), SOME]), "-9.0 to 7.0 or nan"),
        (lambda: A.beside(SOME, lambda: [lift(math.inf)]), "-2.0 to 3.0 or nan"),
        (lambda: A.beside(A.number(1.0, 1.0, True), lambda: [lift(2.0)]), "1.0 or nan"),
        (lambda: lift(1.0) / lift(0.0), "-inf to inf"),
        (lambda: lift(0.0) / lift(0.0), "-inf to inf or nan"),
        (lambda: lift(1.0) / A.number(-1.0, 1.0), "-inf to inf"),
        (lambda: lift(math.inf) / lift(-2.0), "-inf"),
        (lambda: lift(math.inf) / lift(math.inf), "nan"),
        (lambda: lift(math.nan) / lift(2.0), "nan"),
        (lambda: lift(2.0) / lift(math.nan), "nan"),
        (lambda: lift(2.0) / lift(-math.inf), "0.0"),
        (lambda: A.number(1.0, math.inf) / lift(2.0), "0.5 to inf"),
        (lambda: A.number(1.0, 2.0, True) / lift(2.0), "0.5 to 1.0 or nan"),
        (lambda: 1.0 / A.number(2.0, math.inf), "0.0 to 0.5"),
        (lambda: lift(math.inf) * lift(0.0), "nan"),
        (lambda: lift(math.inf) * lift(-2.0), "-inf"),
        (lambda: lift(math.nan) * lift(0.0), "nan"),
        (lambda: lift(math.inf) * A.number(0.0, 1.0), "inf or nan"),
        (lambda: lift(0.0) * A.number(1.0, math.inf), "0.0 or nan"),
        (lambda: A.constant(0.0) * lift(math.inf), "0.0 or nan"),
        (lambda: A.constant(0.0) * lift(2.0), "0.0"),
        (lambda: A.total([]), "0.0"),
        (lambda: A.total([lift(math.nan)]), "nan"),
        (lambda: A.total([lift(math.inf), lift(math.nan)]), "nan"),
        (lambda: A.total([lift(math.inf), A.number(1.0, 2.0, True)]), "inf or nan"),
        (lambda: A.total([lift(-math.inf), A.number(1.0, math.inf)]), "-inf or nan"),
        (lambda: A.total([A.number(0.0, math.inf), lift(1.0)]), "1.0 to inf"),
        (lambda: A.total([A.number(-math.inf, 0.0), lift(1.0)]), "-inf to 1.0"),
        (lambda: A.accumulated([SOME]), "-2.0 to 3.0"),
    ],
)
def test_the_outcomes_of_sets_and_special_values_are_these(found: Callable[[], Outcome], expected: str) -> None:
    got, (low, _, high) = found(), expected.removesuffix(" or nan").partition(" to ")
    assert got.nan == expected.endswith("nan")
    if expected == "nan":
        assert got.low > got.high
    else:
        assert math.isclose(got.low, float(low), rel_tol=2.0 * UNIT)  # the ends of a set are rounded outwards
        assert math.isclose(got.high, float(high or low), rel_tol=2.0 * UNIT)


def test_by_default_functions_are_those_of_the_table_and_nothing_is_flushed() -> None:
    fresh = Outcomes(float32)
    assert fresh.name == "outcomes of float32, stored as float32"
    assert Outcomes(float32, bfloat16).name == "outcomes of float32, stored as bfloat16"
    assert repr(fresh.exp(fresh.lift(1.0))) == repr(ARITHMETIC.exp(lift(1.0)))
    assert repr(fresh.lift(float32.smallest)) == repr(float32.smallest)
    assert repr(fresh.lift(3.0) * 2 - 1) == "5.0"
    x = fresh.lift(0.1)
    assert fresh.stored(x) is x


def test_the_ends_are_as_sure_as_binary64_can_know_them() -> None:
    wide = Outcomes(float64)
    product, total = wide.lift(0.1) * 0.1, wide.total([wide.lift(x) for x in (0.1, 0.2, 0.3)])
    assert product.low < Fraction(0.1) * Fraction(0.1) < product.high
    assert 0.1 + 0.2 + 0.3 in total
    assert 0.1 + (0.2 + 0.3) in total
    assert 2.0**-52 < total.high - total.low < 2.0**-50
    third = wide.constant(Fraction(1, 3))
    assert third.low < Fraction(1, 3) < third.high


def test_a_constant_is_rounded_unless_the_format_holds_it() -> None:
    for value in (Fraction(1, 3), 0.1, Fraction(-1, 10)):
        size = abs(float(value))
        check_ends(ARITHMETIC.constant(value), float(value) - UNIT * size, float(value) + UNIT * size)
    assert repr(ARITHMETIC.constant(Fraction(3, 4))) == "0.75"
    assert ARITHMETIC.constant(0.0).idle
    assert not ARITHMETIC.constant(0.75).idle
    assert not lift(0.0).idle


def test_the_value_of_a_set_is_its_middle() -> None:
    value = ARITHMETIC.value
    assert (value(SOME), value(lift(2.0)), value(lift(-math.inf)), value(lift(1.7e308))) == (
        0.5,
        2.0,
        -math.inf,
        1.7e308,
    )
    assert math.isnan(value(lift(math.nan)))


def test_a_zero_of_the_formula_stays_one_through_what_keeps_it() -> None:
    zero, share = ARITHMETIC.constant(0.0), ARITHMETIC.number(0.0, 1.0, False, True)
    bfloat = Outcomes(float32, bfloat16)
    kept = [
        -zero,
        zero * 2.0,
        share * 0.3,
        ARITHMETIC.number(0.3, 0.3, False, True) * 0.3,
        ARITHMETIC.beside(zero, list),
        ARITHMETIC.through(zero, list),
        ARITHMETIC.through(ARITHMETIC.number(0.0, math.inf, False, True), lambda: [lift(math.inf)]),
        ARITHMETIC.largest([zero, lift(-1.0)]),
        bfloat.stored(bfloat.number(0.0, 0.3, False, True)),
    ]
    assert [found.idle for found in kept] == [True] * len(kept)
    assert not ARITHMETIC.largest([lift(0.0), lift(-1.0)]).idle
    assert not (lift(2.0) * 3.0).idle


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_result_overflows_from_where_it_would_be_rounded_to_infinity(sign: float) -> None:
    infinity, largest, scale = sign * math.inf, sign * LARGEST, sign * 2.0**103
    tie = lift(18631.0) * (1801.0 * scale)  # half a step above the largest number
    assert infinity in tie
    below = lift(16777215.0) * (2.0 * scale)
    assert repr(below) == repr(largest)
    loose = Outcomes(float32, units={**UNITS, "power": 2.0})
    assert math.inf in loose.power(loose.lift(2.0**64 * (1.0 - 2.0**-24)), 2)
    assert infinity in lift(LARGEST) * (sign * 1.5)
    assert largest not in lift(LARGEST) * (sign * 1.5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_product_between_the_largest_number_and_the_tie_above_it_is_not_infinite(sign: float) -> None:
    x, y = 2.0**24 - 3000.0, (2.0**24 + 3000.0) * 2.0**80
    assert LARGEST < x * y < float32.overflow
    found = lift(sign * x) * y
    assert sign * math.inf not in found
    assert sign * LARGEST in found


def test_what_is_stored_is_rounded_to_the_storage_format_or_not() -> None:
    narrow = Outcomes(float32, bfloat16)
    unit = bfloat16.unit
    check_ends(narrow.stored(narrow.lift(257.0)), 257.0 * (1.0 - unit), 257.0 * (1.0 + unit))
    check_ends(narrow.stored(narrow.lift(-257.0)), -257.0 * (1.0 + unit), -257.0 * (1.0 - unit))
    found = narrow.stored(narrow.number(1.0, 2.0, True))
    assert found.nan
    check_ends(narrow.number(found.low, found.high), 1.0 - unit, 2.0 * (1.0 + unit))
    for x in (256.0, math.inf, -math.inf, math.nan):
        assert repr(narrow.stored(narrow.lift(x))) == repr(x)
    for sign in (1.0, -1.0):
        lost = narrow.stored(narrow.lift(sign * LARGEST))
        assert sign * math.inf in lost
        assert sign * bfloat16.largest not in lost
        tie = narrow.stored(narrow.lift(sign * bfloat16.overflow))
        assert (sign * math.inf in tie, sign * bfloat16.largest in tie) == (True, False)


def test_operands_are_rounded_to_their_format_or_not() -> None:
    narrow = Outcomes(float32, operands=bfloat16)
    found = narrow.dot([narrow.lift(257.0)], [narrow.lift(1.0)])
    assert 256.0 in found
    assert 257.0 in found
    assert 259.0 not in found
    exact = narrow.dot([narrow.lift(256.0)], [narrow.lift(3.0)])
    assert repr(exact) == "768.0"


def test_what_is_accumulated_may_be_stored_after_every_addition() -> None:
    narrow = Outcomes(float32, bfloat16)
    found = narrow.accumulated([narrow.lift(x) for x in (256.0, 1.0, 1.0)])
    assert 256.0 in found
    assert 258.0 in found
    off = 2.0 * (bfloat16.unit + UNIT + 2.0**-53) * 258.0 + 3.0 * bfloat16.smallest
    check_ends(found, 258.0 - off, 258.0 + off)
    alone = narrow.lift(257.0)
    assert narrow.accumulated([alone]) is alone


def test_that_a_finite_number_is_beyond_binary64_is_not_taken_for_certain() -> None:
    wide = Outcomes(float64)
    lift = wide.lift
    for found in (
        wide.exp(lift(1000.0)),
        lift(1e308) / lift(1e-10),
        lift(1e308) * lift(1e10),
        wide.power(lift(0.5), -2000),
        wide.power(lift(2.0), 2000),
    ):
        assert math.inf in found
        assert float64.largest in found
        assert not found.nan
    for found in (wide.exp(lift(math.inf)), lift(math.inf) / 2.0, lift(math.inf) * 2.0, wide.power(lift(0.0), -1)):
        assert repr(found) == "inf"


def test_logarithms_and_powers_are_known_where_their_argument_is_special() -> None:
    half = ARITHMETIC.log(lift(0.5))
    below_one = ARITHMETIC.log(ARITHMETIC.number(0.5, 1.0))
    assert (below_one.low, below_one.high >= 0.0) == (half.low, True)
    check_ends(ARITHMETIC.log(lift(2.0)), math.log(2.0) * (1 - 6 * UNIT), math.log(2.0) * (1 + 6 * UNIT))
    from_zero = ARITHMETIC.log(ARITHMETIC.number(0.0, 0.5, True))
    assert (from_zero.low, from_zero.high, from_zero.nan) == (-math.inf, half.high, True)
    for x, exponent, units in ((1.25, Fraction(1, 3), math.log(1.25) / 3), (1.0, Fraction(1, 3), 0.0)):
        true, off = x ** float(exponent), (32.0 + units) * UNIT
        check_ends(ARITHMETIC.power(lift(x), exponent), true * (1 - off), true * (1 + off))
    binary = Fraction(0.1)  # a number of binary64 and not of float32
    off = (32.0 + 0.1 * 2.0) * UNIT
    root = float32.round(math.exp(2.0))
    check_ends(ARITHMETIC.power(lift(root), binary), root**0.1 * (1 - off), root**0.1 * (1 + off))
    assert repr(ARITHMETIC.power(lift(math.inf), Fraction(1, 3))) == "inf"
    assert ARITHMETIC.power(ARITHMETIC.number(1.0, math.inf), Fraction(1, 3)).low > 0.999


def test_where_the_exponential_overflows_a_sigmoid_may_be_zero() -> None:
    assert ARITHMETIC.sigmoid(lift(-100.0)).low == 0.0
    assert ARITHMETIC.sigmoid(lift(-100.0)).high > 0.0
    assert ARITHMETIC.sigmoid(lift(-86.4)).low > 2.0 * float32.smallest_normal
    assert ARITHMETIC.sigmoid(lift(-86.4)).low < 3.0 * float32.smallest_normal


def test_nan_stays_possible_through_every_operation() -> None:
    maybe, x = ARITHMETIC.number(1.0, 2.0, True), lift(0.3)
    results = [maybe * x, x * maybe, maybe + x, maybe / x, x / maybe, -maybe, maybe * maybe, ARITHMETIC.stored(maybe)]
    results += [ARITHMETIC.power(maybe, 2), ARITHMETIC.sqrt(maybe), ARITHMETIC.sin(maybe), ARITHMETIC.absolute(maybe)]
    assert [found.nan for found in results] == [True] * len(results)
    assert repr(ARITHMETIC.absolute(ARITHMETIC.number(-0.5, 0.25))) == "0.0 to 0.5"
    assert repr(ARITHMETIC.absolute(ARITHMETIC.number(0.5, 0.75))) == "0.5 to 0.75"


# Near zero


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_product_near_zero_is_off_by_a_step_at_most_and_keeps_its_sign(sign: float) -> None:
    least, normal = float32.smallest, float32.smallest_normal
    share = float32.round(0.3)
    found, true = lift(sign * normal) * share, sign * normal * share
    assert 1.1 * least < true - found.low < 1.2 * least
    assert 1.1 * least < found.high - true < 1.2 * least
    beyond = float32.round(1.1)
    larger, true = lift(sign * 2.5 * normal) * beyond, sign * 2.5 * normal * beyond
    check_ends(larger, true - UNIT * abs(true), true + UNIT * abs(true))
    for arithmetic, step in ((ARITHMETIC, least), (Outcomes(float64), float64.smallest)):
        lost = arithmetic.lift(sign * step) * arithmetic.lift(0.25)
        for x, conforms in ((0.0, True), (sign * step, True), (4.0 * sign * step, False), (-sign * step, False)):
            assert (x in lost) == conforms
    flushed = Outcomes(float32, flush=True)
    for x, zero in ((1.5 * normal, True), (3.0 * normal, False)):
        product = flushed.lift(sign * x) * flushed.lift(0.5)
        assert (0.0 in product) == zero
        assert sign * x / 2 in product
        assert sign * 3.0 * normal not in product
    assert repr(flushed.lift(3.0) * 5) == "15.0"


def test_a_partial_sum_becomes_zero_only_where_it_may_be_subnormal() -> None:
    flushed = Outcomes(float32, flush=True)
    for exponent, lost in ((-101, False), (-103, True)):
        x = 2.0**exponent
        left = x * UNIT  # between x and the number before it
        found = flushed.total([flushed.lift(x), flushed.lift(left - x)])
        assert left in found
        assert (0.0 in found) == lost
        assert found.high <= left + (float32.smallest_normal if lost else 0.0)
        opposite = flushed.total([flushed.lift(-x), flushed.lift(x - left)])
        assert (opposite.low, opposite.high) == (-found.high, -found.low)
    assert repr(flushed.total([flushed.lift(0.0)] * 3)) == "0.0"
    least = lift(2.0 * float32.smallest) - lift(float32.smallest)
    assert repr(least) == repr(float32.smallest)


def test_a_sum_of_numbers_of_one_sign_has_it_however_many_they_are() -> None:
    short = Outcomes(bfloat16)
    for term in (short.lift(0.5), short.number(0.0, 0.5)):
        found = short.total([term] * 600)
        assert found.low == 0.0
        assert found.high > 300.0
        assert short.total([-term] * 600).high == 0.0


def test_products_of_sets_with_zeros_and_infinities_are_what_their_members_give() -> None:
    everything, zero = ARITHMETIC.number(-math.inf, math.inf), ARITHMETIC.constant(0.0)
    for found, expected in (
        (lift(0.0) * everything, "0.0 or nan"),
        (everything * lift(0.0), "0.0 or nan"),
        (everything / lift(math.inf), "0.0 or nan"),
        (lift(-2.0) * lift(math.inf), "-inf"),
        (lift(math.inf) * lift(math.inf), "inf"),
        (dot([0.0, 3.0], [2.0, 5.0]), "15.0"),
        (Outcomes(float64).lift(3.0) * 5, "15.0"),
        (lift(2.0) * 0.0, "0.0"),
    ):
        assert repr(found) == expected
    assert (zero * ARITHMETIC.number(1.0, 2.0)).idle
    assert not (zero * lift(math.inf)).idle
    assert ARITHMETIC.dot([ARITHMETIC.number(1.0, 2.0, True)], [lift(0.3)]).nan


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_result_just_below_the_largest_number_may_be_rounded_to_it(sign: float) -> None:
    x, y = 2.0**24 - 4098.0, (2.0**24 + 4098.0) * 2.0**80
    assert float32.round(x * y) == LARGEST > x * y
    found = lift(sign * x) * y
    assert sign * LARGEST in found
    assert sign * math.inf not in found


def test_zero_is_an_end_that_rounding_does_not_pass() -> None:
    least = float32.smallest
    flushed = Outcomes(float32, flush=True)
    assert repr(flushed.lift(-least)) == f"{-least!r} to 0.0"
    share = ARITHMETIC.number(0.0, 1.0) * 0.3
    assert (share.low, (-ARITHMETIC.number(0.0, 1.0) * 0.3).high) == (0.0, 0.0)
    assert -least not in dot([least], [0.25])
    assert least not in dot([-least], [0.25])
    assert repr(flushed.dot([flushed.lift(0.0), flushed.lift(3.0)], [flushed.lift(1.0), flushed.lift(5.0)])) == "15.0"
    x, quarter = flushed.lift(-float32.smallest_normal), flushed.lift(0.25)
    for negative in (flushed.dot([x, x], [quarter, quarter]), flushed.total([flushed.number(-least, 0.0)] * 2)):
        assert negative.high == 0.0


def test_a_number_that_may_be_nan_is_multiplied_like_one_that_may_not() -> None:
    tenth = float32.round(0.1)
    for x, y in ((1.0, 2.0), (0.0, 3.0), (tenth, tenth)):
        sure, unsure = lift(x) * lift(y), ARITHMETIC.number(x, x, True) * lift(y)
        assert unsure.nan
        assert math.isclose(unsure.low, sure.low, rel_tol=2.0 * UNIT)
        assert math.isclose(unsure.high, sure.high, rel_tol=2.0 * UNIT)
    assert unsure.low < tenth * tenth < unsure.high


def test_zeros_add_nothing_to_a_sum_and_factors_come_in_pairs() -> None:
    assert repr(total(0.0, 3.0, 0.0)) == "3.0"
    assert repr(ARITHMETIC.total([lift(0.0), SOME])) == "-2.0 to 3.0"
    with pytest.raises(ValueError, match="zip"):
        dot([1.0, 2.0], [3.0])
    with pytest.raises(ValueError, match="zip"):
        ARITHMETIC.chosen([lift(1.0)], [lift(2.0), lift(3.0)])


def test_a_sum_overflows_by_the_roundings_on_the_way() -> None:
    terms = (2.0**127, 2.0**127 - 2.0**104, 1.5 * 2.0**102)
    assert sum(terms) < float32.overflow
    with np.errstate(over="ignore"):
        assert float(summed(in_single((terms[1], terms[2], terms[0])), [0.0] * 3)) == math.inf
    assert math.inf in total(*terms)
    assert -math.inf in total(*(-term for term in terms))
    assert math.inf in total(2.0**127, 2.0**127 - 2.0**103)  # the tie above the largest number
    half = Outcomes(float16)
    assert math.inf in half.total([half.lift(1.0)] * 2**16)


@pytest.mark.parametrize("place", range(4))
def test_a_sum_that_overflows_to_one_side_and_is_infinite_on_the_other_may_be_nan(place: int) -> None:
    for sign in (1.0, -1.0):
        terms = [sign * LARGEST] * 3
        terms.insert(place, -sign * math.inf)
        assert math.nan in total(*terms)
        assert math.nan not in total(sign * math.inf, *terms[:place], sign)


def test_a_sum_that_overflows_binary64_on_the_way_has_its_lower_end() -> None:
    wide = Outcomes(float64)
    found = wide.total([wide.lift(x) for x in (1.7e308, 1.7e308, -1.7e308)])
    assert (found.low, found.high) == (pytest.approx(1.7e308, rel=1e-12, abs=0.0), math.inf)


def test_a_product_that_overflows_binary64_may_be_added_before_it_is_rounded() -> None:
    wide = Outcomes(float64)
    large, three = wide.lift(1.7e308), (wide.lift(3.0), wide.lift(-3.0))
    opposed = wide.dot([large, large], three)
    for fused in (math.inf, -math.inf, math.nan):  # fma(-3, large, inf) is inf
        assert fused in opposed
    assert math.nan not in wide.dot([large, large], [three[0], three[0]])
    infinite = wide.dot([wide.lift(math.inf), wide.lift(-math.inf)], [three[0], three[0]])
    assert math.inf not in infinite
    assert math.nan in infinite


def test_what_is_accumulated_near_zero_is_off_by_the_steps_of_the_storage_format() -> None:
    half = Outcomes(float32, float16)
    for sign in (1.0, -1.0):
        found = half.accumulated([half.lift(sign * 1.25 * float16.smallest)] * 2)
        assert sign * 2.0 * float16.smallest in found
        assert sign * 3.0 * float16.smallest in found
        assert sign * 5.0 * float16.smallest not in found


@pytest.mark.parametrize("infinity", [math.inf, -math.inf])
def test_a_product_that_overflows_may_be_fused_with_the_infinity_that_it_is_added_to(infinity: float) -> None:
    """fma(-3, 1e308, inf) is inf; rounded before it is added, the product is -inf, and the sum NaN."""
    with Outcomes(float64) as arithmetic:
        factor = arithmetic.lift(math.copysign(3.0, -infinity))
        found = arithmetic.dot([factor], [arithmetic.lift(1e308)], arithmetic.lift(infinity))
    assert infinity in found
    assert math.nan in found


def test_a_step_that_may_be_zero_may_lose_what_underflows() -> None:
    with Outcomes(float32) as arithmetic:
        x = arithmetic.lift(float32.smallest_normal)
        found = arithmetic.through(x, lambda: [arithmetic.number(0.0, 1.0)])
        exactly = arithmetic.through(x, lambda: [arithmetic.lift(0.0)])
    assert found.low < x.low == x.high < found.high
    assert (exactly.low, exactly.high) == (x.low, x.high)


def test_one_infinity_of_either_sign_is_no_difference_of_two() -> None:
    with Outcomes(float32) as arithmetic:
        either = arithmetic.number(-math.inf, math.inf)
        found = arithmetic.total([either, arithmetic.lift(1.0)])
        both = arithmetic.total([either, arithmetic.number(-math.inf, math.inf)])
    assert (math.nan in found, math.nan in both) == (False, True)

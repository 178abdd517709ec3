"""Exact balls hold the truth: of rational arithmetic to the last bit, of everything else at any precision."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import KINKED, OPERATIONS, RATIONAL, STEPS, Program, programs

from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import float32, float64
from oracle.scalar import Scalar, total

many = settings(max_examples=200, deadline=None)
CONTINUOUS = tuple(name for name in OPERATIONS if name not in STEPS)


class Fractions(Fast):
    """Rational numbers: what the vocabulary means without roundings, as far as it is rational."""

    def lift(self, value: float) -> Scalar:
        return Fraction(value)

    def constant(self, value: float | Fraction) -> Scalar:
        return Fraction(value)

    def total(self, terms: Any) -> Scalar:
        return sum(terms, Fraction(0))

    def dot(self, xs: Any, ys: Any, *rest: Scalar) -> Scalar:
        return sum((x * y for x, y in zip(xs, ys, strict=True)), sum(rest, Fraction(0)))

    def absolute(self, x: Scalar) -> Scalar:
        return abs(x)

    def largest(self, xs: Any) -> Scalar:
        return max(xs)

    def rectified(self, x: Scalar) -> Scalar:
        return max(x, Fraction(0))


def ball(value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


@many
@given(programs(float32, (*RATIONAL, *KINKED), steps=6))
def test_balls_hold_the_results_of_rational_arithmetic(program: Program) -> None:
    with Fractions():
        _, true = program.run()
    with Exact():
        _, found = program.run()
    with Exact(4000):  # the fraction itself, as far as anyone can tell
        assert all(x.overlaps(ball(value)) for x, value in zip(found, true, strict=True))


@many
@given(programs(float32, ("plus", "minus", "times", "negative", "thrice", "total", "dot"), steps=2))
def test_integers_and_their_kin_are_exact_to_the_last_bit(program: Program) -> None:
    with Fractions():
        _, true = program.run()
    with Exact(4000):
        _, found = program.run()
        assert all(x.is_exact() and x == ball(value) for x, value in zip(found, true, strict=True))


@many
@given(programs(float64, CONTINUOUS))
def test_balls_of_twice_the_precision_lie_in_the_same_place(program: Program) -> None:
    with Exact(128):
        _, coarse = program.run()
    with Exact(256):
        _, fine = program.run()
        for x, y in zip(coarse, fine, strict=True):
            assert x.overlaps(y) or not (x.is_finite() and y.is_finite())


def test_twice_the_precision_makes_a_ball_that_much_smaller() -> None:
    radii = []
    for bits in (64, 128, 256):
        with Exact(bits) as exact:
            third = exact.lift(1.0) / 3
            radii.append(exact.tanh(total([third, exact.exp(third)])).rad())
    assert radii[0] > radii[1] * 2.0**50 > radii[2] * 2.0**150


@many
@given(programs(float64, CONTINUOUS, ranges=["near one", "moderate", "wide", "tiny"]))
def test_a_value_is_split_into_two_floats_within_the_radius(program: Program) -> None:
    with Exact() as exact:
        _, found = program.run()
        parts = [exact.split(x) for x in found]
    with Exact(4000):
        for x, (high, low, radius) in zip(found, parts, strict=True):
            if x.is_finite() and abs(x) < float64.largest:
                claimed = flint.arb(flint.arb(high) + low, flint.arb(radius))
                assert claimed.contains(x)


def test_a_float_is_split_into_itself() -> None:
    with Exact() as exact:
        for value in (0.0, 0.1, -3.0, float64.largest, float64.smallest):
            assert exact.split(exact.lift(value)) == (value, 0.0, 0.0)


def test_the_second_float_holds_the_next_53_bits() -> None:
    third = Fraction(1, 3)
    with Exact() as exact:
        high, low, radius = exact.split(exact.constant(third))
    assert high == 1 / 3
    assert low == float(third - Fraction(high))
    assert 0.0 < radius < math.ulp(low)


def test_nothing_finite_is_claimed_of_what_is_not_finite() -> None:
    with Exact() as exact:
        for x in (exact.lift(1.0) / 0, exact.log(exact.lift(-1.0)), exact.lift(math.nan)):
            assert not math.isfinite(exact.split(x)[2])


@many
@given(st.fractions(max_denominator=10**9))
def test_the_value_is_the_nearest_float(value: Fraction) -> None:
    with Exact() as exact:
        assert exact.value(exact.constant(value)) == float(value)


@pytest.mark.parametrize(
    ("name", "function", "xs"),
    [
        ("exp", math.exp, [-700.0, -1.5, 0.0, 2.0, 700.0]),
        ("log", math.log, [1e-300, 0.5, 1.0, 3.0, 1e300]),
        ("sqrt", math.sqrt, [0.0, 2.0, 1e-300]),
        ("tanh", math.tanh, [-30.0, -0.5, 0.0, 1e-9]),
        ("sigmoid", scipy.special.expit, [-700.0, -1.5, 0.0, 40.0]),
        ("erf", math.erf, [-3.0, 0.0, 0.7]),
        ("sin", math.sin, [-1.0, 0.0, 1e9]),
        ("cos", math.cos, [-1.0, 0.0, 1e9]),
    ],
)
def test_elementary_functions_are_those_of_the_library_next_to_them(
    name: str, function: Callable[[float], float], xs: list[float]
) -> None:
    with Exact() as exact:
        for x in xs:
            true, found = getattr(exact, name)(exact.lift(x)), float(function(x))
            assert math.nextafter(found, -math.inf) <= true <= math.nextafter(found, math.inf)


@pytest.mark.parametrize("x", [-1e308, -5000.0, 5000.0, 1e308])
def test_the_sigmoid_is_known_however_far_its_argument(x: float) -> None:
    with Exact() as exact:
        assert exact.value(exact.sigmoid(exact.lift(x))) == float(x > 0.0)


def test_the_sigmoid_of_a_ball_around_zero_holds_values_on_both_sides() -> None:
    with Exact() as exact:
        found = exact.sigmoid(flint.arb(0, 2.0**-20))
        assert all(found.contains(exact.sigmoid(exact.lift(x))) for x in (-(2.0**-20), 0.0, 2.0**-20))


@pytest.mark.parametrize("exponent", [Fraction(1, 2), Fraction(-3, 4), 2, 0, -1])
def test_powers_are_those_of_exp_and_log(exponent: Fraction | int) -> None:
    with Exact() as exact:
        for x in (0.3, 1.0, 17.0):
            base = exact.lift(x)
            assert exact.power(base, exponent).overlaps(exact.exp(exact.constant(Fraction(exponent)) * exact.log(base)))


def test_a_coordinate_that_rounding_puts_beside_a_border_is_on_it() -> None:
    with Exact() as exact:
        third = exact.lift(1.0) / 3
        assert exact.inside(third, Fraction(1, 3), 1) == 1
        assert exact.inside(third, 0, Fraction(1, 3)) == 0
        assert exact.inside(third * 3, 0, 1) == 0
        assert exact.inside(exact.lift(-1.0), -1, Fraction(5, 2)) == 1


def test_all_numbers_that_may_be_the_largest_are_candidates() -> None:
    with Exact() as exact:
        third = exact.lift(1.0) / 3
        values = [exact.lift(0.25), third, exact.constant(Fraction(1, 3)), exact.lift(-1.0)]
        assert exact.candidates(values) == [1, 2]
        assert exact.largest(values).overlaps(third)


def test_an_order_that_is_not_known_leaves_every_place_to_all_that_may_have_it() -> None:
    with Exact() as exact:
        third = exact.lift(1.0) / 3
        first, second, last = exact.descending([exact.lift(-1.0), third * flint.arb(1, 1e-9), third])
        assert first.contains(third)
        assert second.contains(third)
        assert second.contains(third - 1e-10)
        assert not second.contains(third + 1e-10)
        assert last == -1


def test_unless_more_is_asked_for_128_bits_are_kept() -> None:
    assert Exact().bits == 128
    assert Exact().name == "exact, 128 bits"


@pytest.mark.parametrize("value", [0.1, -3.0, Fraction(1, 3), Fraction(-5, 4)])
def test_a_constant_is_the_number_that_is_written(value: float | Fraction) -> None:
    with Exact() as exact:
        assert exact.constant(value).overlaps(ball(Fraction(value)))


def test_a_sum_of_nothing_is_a_number_of_the_arithmetic() -> None:
    with Exact() as exact:
        assert exact.exp(exact.total([])) == exact.exp(exact.dot([], [])) == 1


def test_of_a_number_known_by_its_range_the_middle_stands() -> None:
    with Exact() as exact:
        assert exact.between(-1, 1) == 0
        assert exact.between(0, 1) == exact.constant(Fraction(1, 2))


def test_precision_is_that_of_the_arithmetic_in_force_and_of_none_afterwards() -> None:
    outside = flint.ctx.prec
    with Exact(100):
        assert flint.ctx.prec == 100
        with Exact(300):
            assert flint.ctx.prec == 300
        assert flint.ctx.prec == 100
    assert flint.ctx.prec == outside

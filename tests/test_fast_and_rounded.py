"""Fast is binary64 with IEEE 754's special values; Rounded does every operation as hardware of its format would."""

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import OPERATIONS, programs

from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import Format, bfloat16, float16, float32, float64
from oracle.rounded import Rounded
from oracle.scalar import Scalar

SPECIAL = [0.0, -0.0, 1.0, -1.5, math.inf, -math.inf, math.nan, 5e-324, 1.7e308, -1.7e308, 710.0, -750.0]
FOUR = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
many = settings(max_examples=200, deadline=None)


def bits(value: float) -> int:
    """The encoding of a number, which tells the zeros apart; one for all NaNs."""
    return int(np.float64(math.nan if math.isnan(value) else value).view(np.int64))


@pytest.mark.parametrize("symbol", FOUR)
def test_the_four_operations_give_the_special_results_of_ieee_754(symbol: str) -> None:
    lift, apply = Fast().lift, FOUR[symbol]
    for a, b in product(SPECIAL, SPECIAL):
        with np.errstate(all="ignore"):
            expected = bits(float(apply(np.float64(a), np.float64(b))))
        found = (apply(lift(a), lift(b)), apply(lift(a), b), apply(a, lift(b)))
        assert set(map(bits, found)) == {expected}, (a, b)


ELEMENTARY: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "erf": scipy.special.erf,
    "sigmoid": scipy.special.expit,
    "absolute": np.abs,
    "rectified": lambda x: np.maximum(x, 0.0),
}


@pytest.mark.parametrize("name", ELEMENTARY)
@pytest.mark.parametrize("x", [0.0, -0.0, math.inf, -math.inf, math.nan])
def test_elementary_functions_give_the_special_results_of_ieee_754(name: str, x: float) -> None:
    fast = Fast()
    with np.errstate(all="ignore"):
        expected = float(ELEMENTARY[name](np.float64(x)))
    found = float(getattr(fast, name)(fast.lift(x)))
    assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", 710.0, math.inf),
        ("exp", -750.0, 0.0),
        ("log", -1.0, math.nan),
        ("sqrt", -1.0, math.nan),
        ("sigmoid", 1e308, 1.0),
        ("sigmoid", -1e308, 0.0),
        ("tanh", -1e308, -1.0),
        ("erf", 1e308, 1.0),
    ],
)
def test_results_beyond_binary64_and_outside_a_domain_raise_nothing(name: str, x: float, expected: float) -> None:
    fast = Fast()
    assert bits(getattr(fast, name)(fast.lift(x))) == bits(expected)


@pytest.mark.parametrize("x", [-745.0, -40.0, -2.5, -0.125, 0.0, 0.5, 3.0, 40.0])
def test_the_sigmoid_is_that_of_scipy_on_both_sides_of_zero(x: float) -> None:
    fast = Fast()
    assert fast.sigmoid(fast.lift(x)) == pytest.approx(scipy.special.expit(x), rel=1e-15)


@pytest.mark.parametrize("exponent", [Fraction(1, 2), 2, -1, 0, Fraction(-3, 2)])
@pytest.mark.parametrize("x", [0.0, 1.0, 2.25, math.inf, 1e300])
def test_powers_give_the_special_results_of_ieee_754(x: float, exponent: Fraction | int) -> None:
    fast = Fast()
    with np.errstate(all="ignore"):
        expected = float(np.power(np.float64(x), float(exponent)))
    assert fast.power(fast.lift(x), exponent) == expected


@given(st.permutations([math.nan, 1.0, -math.inf, math.inf, 2.0]))
def test_the_largest_of_numbers_with_a_nan_is_nan(xs: list[float]) -> None:
    fast = Fast()
    assert math.isnan(fast.largest(list(map(fast.lift, xs))))
    assert fast.largest([fast.lift(x) for x in xs if not math.isnan(x)]) == math.inf


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([], 0.0),
        ([2.5], 2.5),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
        ([1.7e308, 1.7e308, -1.7e308], math.inf),
    ],
)
def test_sums_give_special_values_where_they_arise(terms: list[float], expected: float) -> None:
    fast = Fast()
    numbers = list(map(fast.lift, terms))
    assert bits(fast.total(numbers)) == bits(expected)
    assert bits(fast.dot(numbers, [fast.lift(1.0)] * len(terms))) == bits(expected)
    assert bits(fast.dot([], [], *numbers)) == bits(expected)


@pytest.mark.parametrize(
    ("x", "inside"), [(-1.0, True), (-1.0000000000000002, False), (2.5, False), (2.4999999999999996, True)]
)
def test_a_cell_holds_its_lower_border_only(x: float, inside: bool) -> None:
    fast = Fast()
    assert fast.inside(fast.lift(x), -1, Fraction(5, 2)) == inside


def test_every_result_is_a_number_of_the_arithmetic_and_never_raises() -> None:
    names = tuple(OPERATIONS)

    @many
    @given(programs(float64, names))
    def check(program: Any) -> None:
        with Fast() as fast:
            _, results = program.run()
        assert all(isinstance(result, fast.number) for result in results)

    check()


def test_fast_gives_what_exact_rounds_to_where_no_step_rounds() -> None:
    names = ("plus", "minus", "times", "negative", "total", "dot", "dot and rest", "common factor", "largest")

    @many
    @given(programs(float64, names, ranges=("small integers", "quarters"), steps=3))
    def check(program: Any) -> None:
        with Fast():
            _, fast = program.run()
        with Exact() as exact:
            _, balls = program.run()
            expected = [exact.value(ball) for ball in balls]
        assert list(map(float, fast)) == expected

    check()


def test_the_number_whose_weight_is_one_is_chosen_or_else_the_first() -> None:
    fast = Fast()
    zero, one, *xs = map(fast.lift, (0.0, 1.0, 5.0, 6.0, 7.0))
    assert fast.chosen([zero, one, zero], xs) == 6.0
    assert fast.chosen([zero, zero, one], xs) == 7.0
    assert fast.chosen([zero, zero, zero], xs) == 5.0


def test_candidates_for_the_largest_are_all_that_equal_it_and_every_nan() -> None:
    fast = Fast()
    assert fast.candidates(list(map(fast.lift, (1.0, 3.0, -2.0, 3.0)))) == [1, 3]
    assert fast.candidates(list(map(fast.lift, (1.0, math.nan, 2.0)))) == [1]


def test_of_a_number_known_by_its_range_the_middle_stands() -> None:
    assert Fast().between(0, 1) == 0.5
    assert Fast().between(-1, 1) == 0.0


# Rounded


def by_numpy(dtype: type) -> Callable[[str, float, float], float]:
    def result(symbol: str, a: float, b: float) -> float:
        with np.errstate(all="ignore"):
            return float(FOUR[symbol](dtype(a), dtype(b)))

    return result


def by_torch(symbol: str, a: float, b: float) -> float:
    x, y = (torch.tensor(value, dtype=torch.bfloat16) for value in (a, b))
    return float(FOUR[symbol](x, y))


HARDWARE = [(float32, by_numpy(np.float32)), (float16, by_numpy(np.float16)), (bfloat16, by_torch)]


def drawn(kind: Format) -> st.SearchStrategy[float]:
    wide = st.builds(math.ldexp, st.floats(-2.0, 2.0), st.integers(kind.emin - kind.precision, kind.emax - 1))
    return (wide | st.sampled_from(SPECIAL)).map(kind.round)


@pytest.mark.parametrize(("kind", "hardware"), HARDWARE, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("symbol", FOUR)
@many
@given(data=st.data())
def test_the_four_operations_round_as_hardware_does(
    symbol: str, kind: Format, hardware: Callable[[str, float, float], float], data: st.DataObject
) -> None:
    a, b = data.draw(drawn(kind)), data.draw(drawn(kind))
    lift = Rounded(kind, kind).lift
    assert bits(FOUR[symbol](lift(a), lift(b))) == bits(hardware(symbol, a, b))


@many
@given(drawn(float32))
def test_square_roots_round_as_hardware_does(x: float) -> None:
    rounded = Rounded(float32, float32)
    with np.errstate(invalid="ignore"):
        assert bits(rounded.sqrt(rounded.lift(x))) == bits(float(np.sqrt(np.float32(x))))


@many
@given(st.lists(st.floats(-1e6, 1e6).map(float32.round), min_size=1, max_size=30))
def test_without_a_seed_terms_are_added_in_their_order(terms: list[float]) -> None:
    rounded = Rounded(float32, float32)
    expected = np.cumsum(np.array(terms, dtype=np.float32), dtype=np.float32)[-1]
    assert rounded.total(list(map(rounded.lift, terms))) == float(expected)


def test_a_seed_draws_an_order_and_draws_it_again() -> None:
    terms = [2.0**24, -(2.0**24), *[1.0] * 10]

    def sums(seed: int) -> list[Scalar]:
        rounded = Rounded(float32, float32, seed)
        return [rounded.total(list(map(rounded.lift, terms))) for _ in range(20)]

    assert sums(1) == sums(1)
    assert len(set(sums(1))) > 1


def test_what_is_stored_is_rounded_to_the_storage_format_and_nothing_else_is() -> None:
    rounded = Rounded(float32, bfloat16)
    third = rounded.lift(1.0) / 3
    assert third == float(np.float32(1.0) / np.float32(3.0))
    assert rounded.stored(third) == by_torch("/", 1.0, 3.0)


def test_what_is_accumulated_is_stored_after_every_addition() -> None:
    rounded = Rounded(float32, bfloat16)
    terms = [rounded.lift(256.0), *[rounded.lift(1.0)] * 4]
    assert rounded.total(terms) == 260.0
    assert rounded.accumulated(terms) == 256.0


@many
@given(drawn(float64), drawn(float64))
def test_binary64_is_not_rounded_once_more(a: float, b: float) -> None:
    rounded, fast = Rounded(float64, float64), Fast()
    for symbol, apply in FOUR.items():
        assert bits(apply(rounded.lift(a), rounded.lift(b))) == bits(apply(fast.lift(a), fast.lift(b))), symbol


def test_a_sum_of_nothing_is_zero_and_one_of_a_few_small_numbers_theirs() -> None:
    rounded = Rounded(float32, bfloat16)
    assert rounded.total([]) == rounded.accumulated([]) == rounded.dot([], []) == 0.0
    assert rounded.accumulated([rounded.lift(0.25), rounded.lift(0.5)]) == 0.75


def test_a_dot_product_rounds_every_product_and_every_sum_beginning_with_the_rest() -> None:
    xs, ys, rest = [1.1, -2.3, 1e-3], [0.7, 1.9, 5.0], 3.3
    rounded = Rounded(float32, float32)
    numbers = [[rounded.lift(float32.round(x)) for x in values] for values in (xs, ys, [rest])]
    expected = np.float32(rest)
    for term in np.array(xs, dtype=np.float32) * np.array(ys, dtype=np.float32):
        expected = expected + term
    assert rounded.dot(numbers[0], numbers[1], *numbers[2]) == float(expected)
    with pytest.raises(ValueError, match="zip"):
        rounded.dot(numbers[0], numbers[1][:2])


def test_an_arithmetic_says_what_it_is_and_gives_the_value_of_its_numbers() -> None:
    assert Fast().name == "fast"
    assert Rounded(float16, bfloat16).name == "rounded to float16"
    assert Fast().value(Fast().lift(2.5)) == 2.5

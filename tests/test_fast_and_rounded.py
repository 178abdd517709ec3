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

from oracle import scalar
from oracle.envelope import EnvelopeArithmetic
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import Format, bfloat16, float16, float32, float64
from oracle.outcomes import Outcomes
from oracle.rounded import Rounded
from oracle.scalar import Differentiable, Scalar
from oracle.terms import Sum, Terms, depths
from oracle.work import Work

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


@pytest.mark.parametrize("x", [-700.0, -40.0, -2.5, -0.125, 0.0, 0.5, 3.0, 40.0])
def test_the_sigmoid_is_that_of_scipy_on_both_sides_of_zero(x: float) -> None:
    fast = Fast()
    assert fast.sigmoid(fast.lift(x)) == pytest.approx(scipy.special.expit(x), rel=1e-15, abs=0.0)


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


@given(st.permutations([1.0, -math.inf, 2.0, math.inf, 2.0]), st.booleans())
def test_the_order_descends_from_the_largest_and_nan_is_that(xs: list[float], lost: bool) -> None:
    fast = Fast()
    found = fast.descending([fast.lift(x) for x in [*xs, *[math.nan] * lost]])
    assert math.isnan(found[0]) == lost
    assert found[lost:] == [math.inf, 2.0, 2.0, 1.0, -math.inf]


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
    with pytest.raises(ValueError, match="zip"):
        fast.chosen([zero, zero], xs)


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


# The vocabulary without an arithmetic, and where an arithmetic says nothing of its own


def test_outside_every_arithmetic_there_is_none_in_force() -> None:
    with pytest.raises(RuntimeError, match=r"^no arithmetic is in force: evaluate formulas inside 'with arithmetic:'$"):
        scalar.current()
    with Fast() as outer:
        with Rounded(float32, float32) as inner:
            assert scalar.current() is inner
        assert scalar.current() is outer


@pytest.mark.parametrize("arithmetic", [Fast(), Exact(), Rounded(float32, bfloat16)], ids=lambda value: value.name)
def test_remarks_on_how_a_number_is_found_change_no_plain_number(arithmetic: Differentiable) -> None:
    def unasked() -> Any:
        raise AssertionError("the other way is not computed")

    with arithmetic:
        x = arithmetic.lift(3.0)
        remarks = [scalar.detached(x), scalar.reused(x), scalar.beside(x, unasked), scalar.through(x, unasked)]
        assert all(remark is x for remark in [*remarks, scalar.with_derivative_of(x, unasked)])
        assert scalar.differential(x) == 0.0
        assert scalar.accumulated([x, x]) == 6.0
        assert arithmetic.value(scalar.stored(x)) == 3.0


@pytest.mark.parametrize("arithmetic", [Fast(), Exact(), EnvelopeArithmetic(float32)], ids=lambda value: value.name)
def test_a_choice_is_a_copy_in_every_arithmetic(arithmetic: Differentiable) -> None:
    with arithmetic:
        zero, one, *xs = map(arithmetic.lift, (0.0, 1.0, 5.0, 6.5, 7.0))
        for place, x in enumerate(xs):
            weights = [one if k == place else zero for k in range(3)]
            assert arithmetic.value(scalar.chosen(weights, xs)) == arithmetic.value(x)


def test_a_copy_of_either_of_two_numbers_carries_their_difference_as_error() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        either = [envelope.make(1.0, 1.0), envelope.make(0.0, 1.0)]
        found = scalar.chosen(either, [envelope.lift(5.0), envelope.lift(6.5)])
        assert float(found) == 5.0
        assert 1.5 <= found.bound < 1.5 + 1e-6
        certain = scalar.chosen(
            [envelope.lift(1.0), envelope.lift(0.0)], [envelope.make(5.0, 0.25), envelope.lift(6.5)]
        )
        assert (float(certain), 0.25 <= certain.bound < 0.2501) == (5.0, True)


@pytest.mark.parametrize(("x", "nan", "forbids"), [(math.nan, True, False), (-math.inf, False, True)])
def test_an_input_may_be_asked_whether_it_is_nan_or_minus_infinity(x: float, nan: bool, forbids: bool) -> None:
    for arithmetic in (Fast(), Exact(), EnvelopeArithmetic(float32), Outcomes(float32)):
        with arithmetic:
            found = arithmetic.lift(x)
            assert (scalar.undefined(found), scalar.minus_infinite(found)) == (nan, forbids)
            for other in (0.0, math.inf, -1.0):
                number = arithmetic.lift(other)
                assert (scalar.undefined(number), scalar.minus_infinite(number)) == (False, False)


# Terms, which are not added up, and the work of judging


def test_terms_are_kept_with_what_each_is_multiplied_by() -> None:
    terms = Terms()
    assert terms.name == "terms"
    xs, ys = map(terms.lift, (2.0, 3.0)), (5.0, 7.0)
    found = terms.dot(list(xs), list(ys), 11.0)
    assert (found.xs, found.ys, found.kept) == ([2.0, 3.0, 11.0], [5.0, 7.0, 1.0], 0.0)
    assert found.square == 10.0**2 + 21.0**2 + 11.0**2
    plain = terms.total([2.0, 3.0])
    assert (plain.xs, plain.ys, plain.kept) == ([2.0, 3.0], [1.0, 1.0], 0.0)
    with pytest.raises(ValueError, match="zip"):
        _ = terms.dot([2.0], [3.0, 4.0]).square


def test_a_sum_of_terms_has_a_negative_and_a_half_and_no_third() -> None:
    found = Sum([2.0, 3.0], [5.0, 7.0], 100.0)
    opposite = -found
    assert (opposite.xs, opposite.ys, opposite.kept) == ([2.0, 3.0], [-5.0, -7.0], 100.0)
    for divisor in (2.0, -2.0):
        half = found / divisor
        assert (half.xs, half.ys, half.kept) == ([2.0, 3.0], [5.0 / divisor, 7.0 / divisor], 25.0)
    with pytest.raises(ValueError, match=r"a sum is divided by 3.0: only a division by a power of two rounds nothing"):
        _ = found / 3.0


def test_a_term_that_is_added_finds_the_sum_before_it_stored() -> None:
    found = Sum([2.0, 3.0], [5.0, 7.0], 100.0)
    more = found + 4.0
    assert (more.xs, more.ys, more.kept) == ([2.0, 3.0, 4.0], [5.0, 7.0, 1.0], 100.0 + 10.0**2 + 21.0**2)
    assert found + 0.0 is found


def test_what_is_accumulated_stores_all_terms_and_all_partial_sums_but_the_last() -> None:
    assert [depths(count) for count in (1, 2, 3, 4)] == [[0], [1, 1], [1, 2, 2], [1, 2, 3, 3]]
    found = Terms().accumulated([3.0, Sum([2.0, 2.0], [1.0, 0.5], 7.0), 1.0])
    assert (found.xs, found.ys) == ([3.0, 2.0, 2.0, 1.0], [1.0, 1.0, 0.5, 1.0])
    assert found.kept == 1 * 1.0 + 2 * 5.0 + 2 * 9.0 + 7.0


def test_work_counts_the_terms_of_sums_and_eight_for_a_function() -> None:
    with Work() as work:
        x, y = work.lift(2.0), work.lift(0.5)
        results = {
            1: lambda: work.largest([x]),
            2: lambda: work.dot([x, y], [y, y], x),
            3: lambda: work.total([x, y, y]),
        }
        assert work.spent == 0
        for cost, apply in [*results.items()] * 2:
            before = work.spent
            assert apply() == {3: 3.0, 2: 3.25, 1: 2.0}[cost]
            assert work.spent - before == cost
        for name, value in (("exp", math.exp(2.0)), ("tanh", math.tanh(2.0)), ("sigmoid", 1 / (1 + math.exp(-2.0)))):
            before = work.spent
            assert getattr(work, name)(x) == value
            assert work.spent - before == 8

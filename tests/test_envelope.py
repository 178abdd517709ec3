"""No honest implementation leaves the envelope, and the envelope is no wider than implementations need."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from itertools import product
from operator import add, mul, truediv
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import KINKED, OPERATIONS, Honest, Program, nearest, numbers, programs, true_value, within

from oracle import scalar
from oracle.accuracy import UNITS
from oracle.envelope import Envelope, EnvelopeArithmetic, bound
from oracle.exact import Exact
from oracle.formats import Format, bfloat16, float16, float32, float64, tf32

IMPLEMENTATIONS = 3  # of each program


@dataclass(frozen=True)
class Promise:
    """An arithmetic that a target may declare."""

    compute: Format
    storage: Format
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = (f"{name}={getattr(value, 'name', value)}" for name, value in self.options.items())
        return " ".join([self.compute.name, self.storage.name, *options])

    def envelope(self) -> EnvelopeArithmetic:
        return EnvelopeArithmetic(self.compute, self.storage, **self.options)

    def honest(self, seed: int) -> Honest:
        return Honest(self.compute, self.storage, seed, **self.options)


PROMISES = [
    Promise(float32, float32),
    Promise(bfloat16, bfloat16),
    Promise(float16, float16),
    Promise(float64, float64),
    Promise(float32, bfloat16),
    Promise(float32, float16),
    Promise(float64, float32),
    Promise(float32, float32, {"operands": tf32}),
    Promise(float32, bfloat16, {"operands": bfloat16}),
    Promise(float32, float32, {"operands": float16}),
    Promise(float32, float32, {"flush": True}),
    Promise(float32, float16, {"flush": True}),
    Promise(float32, float32, {"units": {**UNITS, "exp": 40.0, "sqrt": 5.0}}),
]
promised = pytest.mark.parametrize("promise", PROMISES, ids=str)


def outside(promise: Promise, got: float, bounded: Envelope, true: Any) -> bool:
    """Whether a result is further than permitted from the truth, or from the centre, which must stand for it.

    A binary64 centre does not: there the exact arithmetic gives the truth.
    """
    centre = promise.compute.precision == 53 or within(got, float(bounded), bounded.bound)
    return not (centre and within(got, true, bounded.bound))


def check_program(promise: Promise, program: Program, seed: int, tally: Counter[str]) -> None:
    """All results of some honest implementations are within the bounds, as far as there is one."""
    with promise.envelope():
        _, bounds = program.run()
    implementations = []
    for k in range(IMPLEMENTATIONS):
        with promise.honest(seed + k):
            implementations.append(program.run()[1])
    with Exact(400):
        _, truths = program.run()
        for step, bounded, true, *found in zip(program.steps, bounds, truths, *implementations, strict=True):
            tally["bounded" if bounded.bound < math.inf else "unbounded"] += 1
            if bounded.bound < math.inf:
                for got in found:
                    assert not outside(promise, got, bounded, true), f"{step}: {got!r} is not {bounded}, truth {true}"


@promised
def test_no_honest_implementation_of_a_program_leaves_its_bounds(promise: Promise) -> None:
    tally: Counter[str] = Counter()

    @settings(max_examples=120, deadline=None)
    @given(programs(promise.storage), st.integers(0, 2**32))
    def check(program: Program, seed: int) -> None:
        check_program(promise, program, seed, tally)

    check()
    assert tally["unbounded"] < tally["bounded"]


SUMS = ("total", "dot", "dot and rest", "common factor", "accumulated", "stored", "a third")


@promised
def test_no_order_of_a_sum_fused_or_not_leaves_its_bounds(promise: Promise) -> None:
    tally: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(programs(promise.storage, SUMS), st.integers(0, 2**32))
    def check(program: Program, seed: int) -> None:
        check_program(promise, program, seed, tally)

    check()
    assert tally["unbounded"] < tally["bounded"]


def test_the_orders_of_numpy_and_torch_stay_within_the_bounds_of_long_sums() -> None:
    random = np.random.RandomState(7)
    for size in (2, 17, 300):
        for spread in (0, 12):
            xs, ys = (random.standard_normal((2, size)) * 2.0 ** random.randint(-spread, spread + 1, size)).astype(
                np.float32
            )
            a, b = torch.tensor(xs), torch.tensor(ys)
            with EnvelopeArithmetic(float32) as envelope:
                left, right = ([envelope.lift(float(x)) for x in values] for values in (xs, ys))
                total, dot = envelope.total(left), envelope.dot(left, right)
            sums = [xs.sum(), np.cumsum(xs)[-1], xs[::-1].cumsum()[-1], np.sort(xs).sum(), float(a.sum())]
            dots = [np.dot(xs, ys), (xs * ys).sum(), np.einsum("i,i", xs, ys), float(a @ b), float((a * b).sum())]
            with Exact():
                assert all(within(float(got), float(total), total.bound) for got in sums)
                assert all(within(float(got), float(dot), dot.bound) for got in dots)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid", "erf", "sin", "cos"])
def test_the_functions_of_torch_are_as_accurate_as_the_table_permits(name: str) -> None:
    random = np.random.RandomState(3)
    xs = np.concatenate([random.standard_normal(500) * 5, 2.0 ** random.uniform(-30, 6, 500)]).astype(np.float32)
    xs = np.abs(xs) if name in ("log", "sqrt") else xs
    found = getattr(torch, name)(torch.tensor(xs)).tolist()
    # torch takes the roots of a long array from a vector library that promises an ulp, not a correct rounding
    with EnvelopeArithmetic(float32, units={**UNITS, "sqrt": 2.0}) as envelope:
        bounds = [getattr(envelope, name)(envelope.lift(float(x))) for x in xs]
    with Exact():
        assert all(within(got, float(bounded), bounded.bound) for got, bounded in zip(found, bounds, strict=True))


def test_the_roots_of_numpy_are_correctly_rounded() -> None:
    xs = np.random.RandomState(3).uniform(0.0, 10.0, 1000).astype(np.float32)
    with EnvelopeArithmetic(float32) as envelope:
        bounds = [envelope.sqrt(envelope.lift(float(x))) for x in xs]
    assert all(abs(float(got) - bounded) <= bounded.bound for got, bounded in zip(np.sqrt(xs), bounds, strict=True))


# Errors of operands, large ones included: what is of second order counts

OF_NUMBERS = [name for name in OPERATIONS if name not in ("stored", "accumulated")]
OF_POSITIVE = {"root": scalar.sqrt, "log": scalar.log, "power": lambda x: scalar.power(x, Fraction(2, 3))}
OF_POSITIVE["inverse power"] = lambda x: scalar.power(x, Fraction(-3, 2))


def check_image(function: Callable[[list[Any]], Any], centres: list[float], reaches: list[float], ends: str) -> None:
    """The results for numbers at these ends of the operands' ranges are within the bound of the result."""
    with EnvelopeArithmetic(float32) as envelope:
        bounded = function(list(map(envelope.make, centres, reaches)))
    with Exact(300) as exact:
        points = [
            exact.lift(x) + {"<": -1, "=": 0, ">": 1}[end] * exact.lift(e)
            for x, e, end in zip(centres, reaches, ends, strict=True)
        ]
        assert bounded.bound == math.inf or within(float(bounded), function(points), bounded.bound)


centres = st.floats(-4.0, 4.0).map(float32.round)
reaches = st.floats(0.0, 3.0).map(float32.round)


@pytest.mark.parametrize("name", OF_NUMBERS)
@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(centres, reaches, st.sampled_from("<=>")), min_size=1, max_size=3))
def test_the_image_of_a_range_is_within_the_bound(name: str, operands: list[tuple[float, float, str]]) -> None:
    points, errors, ends = zip(*operands, strict=True)
    check_image(OPERATIONS[name], list(points), list(errors), "".join(ends))


@pytest.mark.parametrize("name", OF_POSITIVE)
@settings(max_examples=50, deadline=None)
@given(st.floats(2.0**-10, 16.0).map(float32.round), st.floats(0.0, 1.0), st.sampled_from("<=>"))
def test_the_image_of_a_positive_range_is_within_the_bound(name: str, x: float, share: float, end: str) -> None:
    check_image(lambda xs: OF_POSITIVE[name](xs[0]), [x], [float32.round(x * share)], end)


@given(centres, reaches, st.sampled_from([-1.0, 1.0]))
def test_what_is_stored_is_rounded_as_large_as_its_error_makes_it(x: float, reach: float, side: float) -> None:
    with EnvelopeArithmetic(float32, bfloat16) as envelope:
        stored = envelope.stored(envelope.make(x, reach))
    with Exact():
        assert within(bfloat16.round(x + side * reach), float(stored), stored.bound)


def test_the_errors_of_the_steps_of_a_sigmoid_multiply() -> None:
    """1 / (1 + exp(-x)) where exp is as wrong as permitted: by 40 u, which in bfloat16 is more than a seventh."""
    units, unit = 40, Fraction(bfloat16.unit)
    envelope = EnvelopeArithmetic(bfloat16, units={**UNITS, "exp": units})
    worst = Fraction(0)
    for k in range(128, 512):
        x = envelope.lift(-k / 32)
        power = nearest(true_value("exp", -x) * (1 - units * unit), bfloat16, math.ceil)
        got = bfloat16.round(1.0 / bfloat16.round(1.0 + power))
        true, bounded = true_value("sigmoid", x), envelope.sigmoid(x)
        with Exact(300):
            assert within(got, float(bounded), bounded.bound)
        worst = max(worst, abs(Fraction(got) - true) / true)
    assert worst > (units + 2) * unit


# Nothing is charged where nothing is rounded

wide = st.floats(allow_nan=False, allow_infinity=False)
short = st.builds(math.ldexp, st.integers(-(2**27), 2**27).map(float), st.integers(-900, 900))


@settings(max_examples=500)
@given(wide | short, wide | short)
def test_a_binary64_product_is_charged_exactly_where_it_is_rounded(x: float, y: float) -> None:
    with EnvelopeArithmetic(float64) as envelope:
        product = envelope.lift(x) * envelope.lift(y)
    exact = math.isfinite(product) and Fraction(x) * Fraction(y) == Fraction(float(product))
    assert (product.bound == 0.0) == exact


# Of integers up to 8, two of these steps make integers up to 7 (7 8^2)^2 = 1404928, which float32 holds.
INTEGER = ("plus", "minus", "times", "negative", "one less", "thrice", "total", "dot", "dot and rest", "common factor")


@pytest.mark.parametrize("promise", [Promise(float32, float32), Promise(float64, float64)], ids=str)
def test_on_small_integers_the_bound_is_zero_and_every_order_gives_the_centre(promise: Promise) -> None:
    @settings(max_examples=150, deadline=None)
    @given(programs(promise.storage, (*INTEGER, *KINKED), ranges=["small integers"], steps=2), st.integers(0, 2**32))
    def check(program: Program, seed: int) -> None:
        with promise.envelope():
            _, bounds = program.run()
        with promise.honest(seed):
            _, found = program.run()
        for bounded, got in zip(bounds, found, strict=True):
            assert (bounded.bound, float(got)) == (0.0, float(bounded))

    check()


@given(st.lists(st.tuples(st.integers(-8, 8), st.integers(-8, 8)), min_size=1, max_size=200))
def test_the_sums_of_numpy_and_torch_over_small_integers_are_the_centre(pairs: list[tuple[int, int]]) -> None:
    xs, ys = np.array(pairs, dtype=np.float32).T
    with EnvelopeArithmetic(float32) as envelope:
        left, right = ([envelope.lift(float(x)) for x in values] for values in (xs, ys))
        total, dot = envelope.total(left), envelope.dot(left, right)
    assert (total.bound, dot.bound) == (0.0, 0.0)
    assert {float(xs.sum()), float(np.cumsum(xs)[-1]), float(torch.tensor(xs).sum())} == {float(total)}
    assert {float(np.dot(xs, ys)), float((xs * ys).sum()), float(torch.tensor(xs) @ torch.tensor(ys))} == {float(dot)}


@pytest.mark.parametrize("kind", [float32, bfloat16, float16, float64], ids=lambda kind: kind.name)
def test_a_sum_is_exact_up_to_the_last_integer_that_the_format_counts_to(kind: Format) -> None:
    most = 2.0**kind.precision
    with EnvelopeArithmetic(kind) as envelope:
        assert envelope.total([envelope.lift(most - 2.0), envelope.lift(1.0)]).bound == 0.0
        assert envelope.total([envelope.lift(most - 1.0), envelope.lift(1.0)]).bound == 0.0
        assert envelope.total([envelope.lift(most), envelope.lift(1.0)]).bound >= 1.0
        assert envelope.total([envelope.lift(most), envelope.lift(1.0), envelope.lift(-1.0)]).bound >= 1.0


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [("exp", 0.0, 1.0), ("log", 1.0, 0.0), ("tanh", 0.0, 0.0), ("erf", 0.0, 0.0), ("sin", 0.0, 0.0), ("cos", 0.0, 1.0)],
)
def test_functions_are_exact_where_every_library_is(name: str, x: float, y: float) -> None:
    with EnvelopeArithmetic(float32) as envelope:
        found = getattr(envelope, name)(envelope.lift(x))
    assert (float(found), found.bound) == (y, 0.0)


def test_a_root_is_exact_if_it_is_a_number_of_the_format() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        roots = [envelope.sqrt(envelope.lift(x)) for x in (0.0, 9.0, 2.25)]
        assert [(float(root), root.bound) for root in roots] == [(0.0, 0.0), (3.0, 0.0), (1.5, 0.0)]
        assert envelope.sqrt(envelope.lift(2.0)).bound > 0.0


# The bound is attained


def ratio(got: float, true: Fraction, bounded: Envelope) -> Fraction:
    """The error as a share of the bound."""
    return abs(Fraction(got) - true) / Fraction(bounded.bound)


@pytest.mark.parametrize("terms", range(2, 17))
def test_an_order_of_a_sum_attains_nearly_all_of_its_bound(terms: int) -> None:
    """1 + u + … + u, each of which is a tie and rounded away: (n-1) u of the permitted (n-1) u (1 + (n-1) u)."""
    unit = bfloat16.unit
    values = [1.0, *[unit] * (terms - 1)]
    with EnvelopeArithmetic(bfloat16) as envelope:
        bounded = envelope.total(list(map(envelope.lift, values)))
    got = reduce(lambda a, b: bfloat16.round(a + b), values)
    assert ratio(got, sum(map(Fraction, values)), bounded) > 1 - terms * Fraction(unit)


@pytest.mark.parametrize("terms", range(2, 17))
def test_an_order_of_a_dot_product_attains_all_of_its_bound_but_the_rounding_of_one_product(terms: int) -> None:
    """The same sum of products with 1, which are exact: (n-1) u of the permitted n u (1 + (n-1) u)."""
    unit = bfloat16.unit
    values = [1.0, *[unit] * (terms - 1)]
    with EnvelopeArithmetic(bfloat16) as envelope:
        bounded = envelope.dot(list(map(envelope.lift, values)), [envelope.lift(1.0)] * terms)
    got = reduce(lambda a, b: bfloat16.round(a + b), values)
    share = Fraction(terms - 1, terms)
    assert ratio(got, sum(map(Fraction, values)), bounded) > share * (1 - terms * Fraction(unit))


@pytest.mark.parametrize("apply", [add, mul, truediv], ids=["+", "*", "/"])
def test_one_rounding_attains_nearly_all_of_its_bound(apply: Callable[[Any, Any], Any]) -> None:
    worst = Fraction(0)
    with EnvelopeArithmetic(bfloat16) as envelope:
        for a, b in product(range(128, 256), [1, 3, 127, 129, 131, 133, 191, 255]):
            bounded = apply(envelope.lift(float(a)), envelope.lift(float(b)))
            if bounded.bound > 0.0:
                got = bfloat16.round(apply(float(a), float(b)))
                worst = max(worst, ratio(got, apply(Fraction(a), Fraction(b)), bounded))
    assert worst > Fraction(9, 10)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sin", "cos"])
def test_a_function_at_the_limit_of_its_accuracy_attains_nearly_all_of_its_bound(name: str) -> None:
    worst = Fraction(0)
    with EnvelopeArithmetic(float32) as envelope:
        for k in range(1, 40):
            x = 0.37 + k / 16
            bounded = getattr(envelope, name)(envelope.lift(x))
            honest = Honest(float32, float32, k)
            got = getattr(honest, name)(honest.lift(x))
            worst = max(worst, ratio(got, true_value(name, x), bounded))
    assert worst > Fraction(3, 4)


def test_the_order_that_the_formula_writes_does_not_bound_the_others() -> None:
    terms = [2.0**24, -(2.0**24), *[1.0] * 10]
    lost = reduce(add, map(np.float32, [2.0**24, *[1.0] * 10, -(2.0**24)]))
    assert lost == 0.0  # each one is added to 2^24 and vanishes
    with EnvelopeArithmetic(float32) as envelope:
        numbers = list(map(envelope.lift, terms))
        any_order, one_order = envelope.total(numbers), reduce(add, numbers)
    assert float(any_order) == float(one_order) == 10.0
    assert one_order.bound < 10.0 - lost <= any_order.bound


def test_the_error_of_a_common_factor_meets_the_sum_of_the_others() -> None:
    xs = [1.0, 2.0**-20, -1.0, 2.0**-12, -(2.0**-20), -(2.0**-12)]  # their sum is 0
    with EnvelopeArithmetic(float32) as envelope:
        numbers = list(map(envelope.lift, xs))
        factor, *others = [envelope.lift(1.0) / 3 for _ in [None, *xs]]
        assert envelope.dot(numbers, [factor] * len(xs)).bound < envelope.dot(numbers, others).bound


def test_products_with_a_common_factor_are_rounded_as_large_as_its_error_makes_them() -> None:
    """A factor that is 0, or −1 where an order of its sum loses a one; then another one is lost."""
    xs = [2.0**24, 1.0, -(2.0**24), -1.0]
    got = reduce(add, map(np.float32, xs))
    assert got == -1.0
    with EnvelopeArithmetic(float32) as envelope:
        numbers = list(map(envelope.lift, xs))
        factor = envelope.total(numbers)
        product = envelope.dot(numbers, [factor] * len(xs))
    assert (float(factor), float(product)) == (0.0, 0.0)
    assert reduce(add, [np.float32(x) * got for x in xs]) == 1.0
    assert product.bound >= 1.0


# Overflow, special values and subnormal numbers


def test_a_bound_is_infinite_where_a_value_may_overflow() -> None:
    with EnvelopeArithmetic(float16) as envelope:
        most = envelope.lift(float16.largest)
        some = envelope.lift(float16.largest / 2.0)
        results = {
            "a sum": most + most,
            "a sum that some order exceeds": envelope.total([some, some, some, -some]),
            "a product": most * most,
            "a dot product": envelope.dot([some, some], [some, -some]),
            "a quotient": most / envelope.lift(0.5),
            "a power of e": envelope.exp(envelope.lift(12.0)),
            "a rounding that reaches infinity": most + envelope.lift(16.0),
            "zero times such a sum": envelope.lift(0.0) * (most + envelope.lift(16.0)),
            "such a sum times zero": (most + envelope.lift(16.0)) * envelope.lift(0.0),
        }
        assert {name: result.bound for name, result in results.items()} == dict.fromkeys(results, math.inf)
        assert most.bound == (most * 1).bound == (some + some).bound == 0.0


def test_a_bound_is_infinite_where_only_the_storage_format_may_overflow() -> None:
    with EnvelopeArithmetic(float32, float16) as envelope:
        large = envelope.lift(40000.0) + envelope.lift(40000.0)
        assert (large.bound, envelope.stored(large).bound) == (0.0, math.inf)
        assert envelope.accumulated([envelope.lift(40000.0)] * 3).bound == math.inf


def test_a_bound_is_infinite_where_there_is_no_finite_value() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        zero, one, minus = map(envelope.lift, (0.0, 1.0, -1.0))
        about_zero = one / 3 - one / 3
        infinite = one / zero
        results = [
            infinite,
            zero / zero,
            one / about_zero,
            zero * infinite,
            envelope.dot([zero, one], [infinite, one]),
            envelope.total([infinite, -infinite]),
            envelope.log(zero),
            envelope.log(minus),
            envelope.log(about_zero),
            envelope.sqrt(minus),
            envelope.power(zero, -1),
            envelope.power(about_zero, Fraction(-1, 2)),
            envelope.sin(infinite),
            envelope.exp(infinite),
            envelope.rectified(envelope.log(zero)),
            envelope.largest([one, infinite - infinite]),
            envelope.largest([infinite - infinite, one]),
            envelope.absolute(-infinite),
        ]
    assert [result.bound for result in results] == [math.inf] * len(results)


def test_a_number_that_cannot_be_the_largest_adds_nothing_to_its_bound() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        small, large = envelope.lift(1.0) / 3, envelope.lift(2.0)
        assert envelope.largest([small, large]).bound == 0.0
        assert envelope.largest([small, small * 1.0]).bound == (small * 1.0).bound
        assert envelope.rectified(-small).bound == 0.0
        assert envelope.rectified(small).bound == small.bound


@given(st.lists(st.tuples(st.integers(-8, 8), st.sampled_from([0.0, 0.5, 3.0]), st.floats(-1, 1)), min_size=1))
def test_a_place_in_an_order_holds_whatever_may_stand_there(numbers: list[tuple[int, float, float]]) -> None:
    with EnvelopeArithmetic(float32) as envelope:
        found = envelope.descending([envelope.make(centre, reach) for centre, reach, _ in numbers])
    true = sorted((centre for centre, _, _ in numbers), reverse=True)
    moved = sorted((centre + reach * share for centre, reach, share in numbers), reverse=True)
    assert [float(place) for place in found] == true
    assert all(abs(x - place) <= place.bound for x, place in zip(moved, found, strict=True))
    if not any(reach for _, reach, _ in numbers):
        assert not any(place.bound for place in found)


def test_an_order_with_nan_among_its_numbers_is_none() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        found = envelope.descending([envelope.lift(1.0), envelope.lift(math.nan)])
    assert all(math.isnan(place) and place.bound == math.inf for place in found)


def test_a_coordinate_that_may_cross_a_border_is_inside_or_not() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        third = envelope.lift(1.0) / 3
        assert envelope.inside(third, 0, 1).bound == 0.0
        assert envelope.inside(third, Fraction(1, 3), 1).bound == 1.0
        assert envelope.inside(envelope.lift(0.5), Fraction(1, 2), 1).bound == 0.0


def test_subnormal_results_are_charged_half_a_step_or_all_of_it_where_they_may_become_zero() -> None:
    x = 1.5 * float32.smallest_normal
    for flush, least in ((False, float32.smallest / 2.0), (True, float32.smallest_normal)):
        with EnvelopeArithmetic(float32, flush=flush) as envelope:
            assert (envelope.lift(x) / 7).bound >= least
    with EnvelopeArithmetic(float32, flush=True) as envelope:
        number, normal = envelope.lift(x), envelope.lift(float32.smallest_normal)
        for subnormal in (number - normal, number / 2, envelope.total([number, -normal]), number * 0.5):
            assert abs(subnormal) <= subnormal.bound  # zero is permitted
        assert (number + number).bound == 0.0


@pytest.mark.parametrize("operands", [tf32, bfloat16, float16], ids=lambda kind: kind.name)
def test_operands_lose_what_their_format_cannot_hold(operands: Format) -> None:
    with EnvelopeArithmetic(float32, operands=operands) as envelope:
        for x in (1.0 + 2.0**-20, 2.0**-20 / 3, float32.smallest, 5 * operands.smallest / 4):
            number = envelope.lift(float32.round(x))
            bounded = envelope.dot([number], [envelope.lift(1.0)])
            assert abs(operands.round(number) - number) <= bounded.bound
        kept = envelope.dot([envelope.lift(1.5)], [envelope.lift(3.0)])
        assert (float(kept), kept.bound) == (4.5, 0.0)


def test_operands_may_overflow_in_their_format() -> None:
    with EnvelopeArithmetic(float32, operands=float16) as envelope:
        assert envelope.dot([envelope.lift(1e5)], [envelope.lift(1.0)]).bound == math.inf


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_tried_with_and_without_errors_in_its_operands(name: str) -> None:
    """The programs above draw operations at random; here each is reached from the start and from rounded results."""
    promise = Promise(float32, float32)
    tally: Counter[str] = Counter()

    @settings(max_examples=15, deadline=None)
    @given(st.lists(numbers(float32)["near one"], min_size=1, max_size=4), st.integers(0, 2**32))
    def check(inputs: list[float], seed: int) -> None:
        places = tuple(range(len(inputs)))
        rounded = tuple(("a third", (place,)) for place in places)
        later = tuple(len(inputs) + place for place in places)
        check_program(promise, Program(tuple(inputs), (*rounded, (name, places), (name, later))), seed, tally)

    check()
    assert tally["bounded"] > 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_infinity_of_the_formulas_own_is_exact(sign: float) -> None:
    with EnvelopeArithmetic(float32) as envelope:
        rounded = envelope.constant(Fraction(1, 3))
        found = envelope.lift(sign * math.inf) + rounded
        assert (float(found), found.bound) == (sign * math.inf, 0.0)
        power = envelope.exp(envelope.lift(-math.inf) - rounded)
        assert (float(power), power.bound) == (0.0, 0.0)
        overflowed = envelope.lift(float32.largest) + envelope.lift(float32.largest)
        assert (overflowed - rounded).bound == math.inf


# What is charged, by the standard model fl(a op b) = (a op b)(1 + d) + f, second order included

UNIT = float32.unit + float64.unit  # of an operation, and of its centre
LEAST = float32.smallest / 2.0  # of an operation whose result may be subnormal


def check_bounds(found: dict[str, tuple[Any, float, float, float]]) -> None:
    """Each value has a bound of its operands' error and of what this many roundings make of the sum of two sizes."""
    for name, (bounded, spread, rounded, tiny) in found.items():
        assert bounded.bound == pytest.approx(spread + UNIT * rounded + tiny, rel=1e-12, abs=0.0), name


def test_the_four_operations_charge_the_errors_of_their_operands_and_one_rounding() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        a, b, c = envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5), envelope.lift(7.0)
        both, quotient = 3 * 0.5 + 5 * 0.25 + 0.25 * 0.5, (0.25 + 0.6 * 0.5) / (5 - 0.5)
        check_bounds(
            {
                "a + b": (a + b, 0.75, 2 + 0.75, 0),
                "a - b": (a - b, 0.75, 8 + 0.75, 0),
                "a + 1": (a + 1, 0.25, 4 + 0.25, 0),
                "1 - a": (1 - a, 0.25, 2 + 0.25, 0),
                "a b": (a * b, both, 15 + both, LEAST),
                "a c": (a * c, 1.75, 21 + 1.75, LEAST),
                "c a": (c * a, 1.75, 21 + 1.75, LEAST),
                "2 a": (2 * a, 0.5, 6 + 0.5, LEAST),
                "a / b": (a / b, quotient, 0.6 + quotient, LEAST),
                "a / c": (a / c, 0.25 / 7, 3 / 7 + 0.25 / 7, LEAST),
                "c / a": (c / a, 7 / 3 * 0.25 / 2.75, 7 / 3 * (1 + 0.25 / 2.75), LEAST),
                "1 / a": (1.0 / a, 0.25 / 3 / 2.75, (1 + 0.25 / 2.75) / 3, LEAST),
                "c / 3": (c / 3, 0, 7 / 3, LEAST),
                "0.1 c": (c * 0.1, 0, 0.7, LEAST),
                "1 / 3": (envelope.constant(Fraction(-1, 3)), 0, 1 / 3, LEAST),
            }
        )
        assert (-a).bound == 0.25
        assert (envelope.lift(0.0) * a).bound == (a * envelope.lift(0.0)).bound == (a * 0.0).bound == 0.0
        assert envelope.constant(0.5).bound == envelope.constant(Fraction(3, 4)).bound == 0.0


def test_a_quotient_by_what_may_be_zero_is_anything() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        for divisor in (envelope.make(0.5, 0.5), envelope.make(0.5, 0.75), envelope.lift(0.0)):
            assert (envelope.lift(1.0) / divisor).bound == math.inf
        assert (envelope.lift(1.0) / envelope.make(0.5, 0.25)).bound < math.inf


def test_a_sum_charges_one_rounding_less_than_it_has_terms_and_a_dot_product_one_for_each() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        a, b, c, zero = envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5), envelope.lift(7.0), envelope.lift(0.0)
        fine = [envelope.lift(x) for x in (1.0, 2.0**-30, 0.0, -(2.0**-31))]
        size, one, minus = 1.0 + 2.0**-30 + 2.0**-31, envelope.lift(1.0), envelope.lift(-5.0)
        both = 3 * 0.5 + 5 * 0.25 + 0.25 * 0.5
        check_bounds(
            {
                "a + b + c": (envelope.total([a, b, c]), 0.75, 2 * 15.75, 0),
                "of exact terms, zero does not count": (envelope.total(fine), 0, 2 * size, 0),
                "of others it does": (envelope.total([a, zero]), 0.25, 3.25, 0),
                "a b + c c": (envelope.dot([a, c], [b, c]), both, 2 * (15 + 49 + both), 2 * LEAST),
                "a b + c": (envelope.dot([a], [b], c), both, 2 * (15 + 7 + both), 2 * LEAST),
                "c c + a": (envelope.dot([c, zero], [c, c], a), 0.25, 2 * (49 + 3 + 0.25), 2 * LEAST),
                "products with zero are none": (envelope.dot(fine, [one] * 4), 0, 3 * size, 3 * LEAST),
                "7 a − 5 a": (envelope.dot([c, minus], [a, a]), 0.25 * 2, 2 * (36 + 3), 2 * LEAST),
                "a a + b a": (
                    envelope.dot([a, b], [a, a]),
                    3 * 0.75 + 0.25 * (2 + 0.75),
                    2 * (9 + 15 + (2 * 3 * 0.25 + 0.0625) + (3 * 0.5 + 5 * 0.25 + 0.125)),
                    2 * LEAST,
                ),
            }
        )
        assert envelope.total([]).bound == envelope.dot([], []).bound == 0.0
        with pytest.raises(ValueError, match="dot product of 1 and 2 numbers"):
            envelope.dot([a], [b, c])


def test_what_is_accumulated_charges_a_rounding_to_the_storage_format_for_every_addition() -> None:
    unit, least = bfloat16.unit + float64.unit, bfloat16.smallest / 2.0
    with EnvelopeArithmetic(float32, bfloat16) as envelope:
        a, b, c = envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5), envelope.lift(7.0)
        for terms, bound in (
            ((256.0, 1.0), unit * 257.0 + least),
            ((256.0, 1.0, 1.0), 2.0 * (unit * 258.0 + least)),
            ((128.0, 1.0, 1.0), 0.0),
            ((0.7,), 0.0),
        ):
            assert envelope.accumulated(list(map(envelope.lift, terms))).bound == pytest.approx(
                bound, rel=1e-12, abs=0.0
            )
        found = envelope.accumulated([a, b, c])
        assert found.bound == pytest.approx(
            0.75 + 2.0 * UNIT * 15.75 + 2.0 * (unit * 15.75 + least), rel=1e-12, abs=0.0
        )
        assert float(found) == 5.0
        assert envelope.stored(c).bound == 0.0
        assert envelope.stored(a).bound == pytest.approx(0.25 + unit * 3.25 + least, rel=1e-12, abs=0.0)
        assert envelope.stored(envelope.lift(257.0)).bound == pytest.approx(unit * 257.0 + least, rel=1e-12, abs=0.0)
        tiny = envelope.stored(envelope.lift(float32.smallest))
        assert tiny.bound == pytest.approx(unit * float32.smallest + least, rel=1e-12, abs=0.0)
    with EnvelopeArithmetic(float32) as envelope:
        assert envelope.stored(a) is a


@pytest.mark.parametrize(
    ("name", "units", "function", "spread"),
    [
        ("exp", 6, math.exp, math.exp(3.25) - math.exp(3.0)),
        ("log", 6, math.log, math.log(3.0) - math.log(2.75)),
        ("sqrt", 1, math.sqrt, math.sqrt(3.0) - math.sqrt(2.75)),
        ("tanh", 10, math.tanh, 0.25 * (1 - math.tanh(2.75) ** 2)),
        ("erf", 32, math.erf, 0.25 * 2 / math.sqrt(math.pi) * math.exp(-(2.75**2))),
        ("sin", 8, math.sin, 0.25),
        ("cos", 8, math.cos, 0.25),
    ],
)
def test_a_function_charges_its_steepest_slope_and_its_units(
    name: str, units: float, function: Callable[[float], float], spread: float
) -> None:
    with EnvelopeArithmetic(float32) as envelope:
        unsure, sure = (getattr(envelope, name)(x) for x in (envelope.make(3.0, 0.25), envelope.lift(3.0)))
    value = function(3.0)
    assert float(unsure) == float(sure) == value
    check_bounds(
        {
            "unsure": (unsure, spread, units * (abs(value) + spread), LEAST),
            "sure": (sure, 0, units * abs(value), LEAST),
        }
    )


def test_the_sigmoid_charges_an_exponential_an_addition_and_a_division() -> None:
    value, steepest = 1 / (1 + math.exp(3.0)), 1 / (1 + math.exp(2.75))
    spread, units = steepest * (1 - steepest) * 0.25, 6 + 2 + 6 * 8 * UNIT
    with EnvelopeArithmetic(float32) as envelope:
        for sign in (-1.0, 1.0):
            centre = value if sign < 0 else 1 - value
            unsure, sure = (
                envelope.sigmoid(envelope.make(3.0 * sign, 0.25)),
                envelope.sigmoid(envelope.lift(3.0 * sign)),
            )
            assert sure.bound == pytest.approx(units * UNIT * centre, rel=1e-5, abs=0.0)
            assert unsure.bound == pytest.approx(spread + units * UNIT * (centre + spread), rel=1e-9, abs=0.0)


def test_a_power_charges_how_far_its_logarithm_moves() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        for x, reach in ((3.0, 0.25), (0.25, 0.125)):
            base = envelope.make(x, reach)
            square, inverse = x**2 * ((x / (x - reach)) ** 2 - 1), (x / (x - reach) - 1) / x
            root, error = x ** (1 / 3), UNIT / 3 + LEAST
            change = (1 / 3 + error) * -math.log(1 - reach / x) + error * abs(math.log(x))
            cubic = root * math.expm1(change)
            check_bounds(
                {
                    "x²": (envelope.power(base, 2), square, 32 * (x**2 + square), LEAST),
                    "1/x": (envelope.power(base, -1), inverse, 32 * (1 / x + inverse), LEAST),
                    "∛x": (envelope.power(base, Fraction(1, 3)), cubic, 32 * (root + cubic), LEAST),
                }
            )
        wide = envelope.power(envelope.make(1.0, 2.0), 2)
        check_bounds({"from below zero": (wide, 9, 32 * (1 + 9), LEAST)})
        assert envelope.power(envelope.make(1.0, 1.0), -1).bound == math.inf
        assert envelope.power(envelope.lift(0.0), 2).bound == envelope.power(envelope.lift(1.0), -3).bound == 0.0


def test_where_subnormal_results_may_become_zero_an_operation_may_lose_one() -> None:
    least = float32.smallest_normal
    with EnvelopeArithmetic(float32, flush=True) as envelope:
        a, b, c = envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5), envelope.lift(7.0)
        x = envelope.lift(1.5 * least)
        one, third = envelope.lift(1.0), envelope.lift(float32.round(1 / 3))
        for found, lost in (
            (x * 0.1, 1.0 * least),
            (x / 3, 1.0 * least),
            (x - envelope.lift(least), 1.0 * least),
            (envelope.total([envelope.lift(2.0 * least)] * 3), 0.0),
            (envelope.total([x, -envelope.lift(least), envelope.lift(least)]), 2.0 * least),
            (envelope.dot([x, x], [third, third]), 3.0 * least),
            (envelope.stored(x), 0.0),
            (envelope.dot([one, one], [one, one]), 0.0),
        ):
            assert lost <= found.bound <= lost * (1.0 + 1e-6)
        assert (a + b).bound == pytest.approx(0.75 + UNIT * 2.75 + least, rel=1e-12, abs=0.0)
        assert envelope.total([a, b, c]).bound == pytest.approx(0.75 + 2 * UNIT * 15.75, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("operands", [tf32, bfloat16, float16], ids=lambda kind: kind.name)
def test_operands_charge_a_rounding_of_their_own_each(operands: Format) -> None:
    x, least = 1.0 + 2.0**-20, operands.smallest / 2.0
    with EnvelopeArithmetic(float32, operands=operands) as envelope:
        fine, finest, one, two = map(envelope.lift, (x, 1.0 + 2.0**-23, 1.0, 2.0))
        off = operands.unit * x + least
        check_bounds(
            {
                "x 1": (envelope.dot([fine], [one]), off, x + off, LEAST),
                "2 x": (envelope.dot([two], [fine]), 2 * off, 2 * (x + off), LEAST),
                "x x": (envelope.dot([fine], [fine]), x * off + off * (x + off), (x + off) ** 2, LEAST),
                "the rest is no operand": (envelope.dot([one], [one], finest), 0, 2 * (2 + 2.0**-23), 2 * LEAST),
            }
        )


def test_a_coordinate_beside_a_border_is_certain_up_to_the_border_itself() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        for x, reach, centre, bound in (
            (1.0, 0.0, 1.0, 0.0),
            (2.0, 0.0, 0.0, 0.0),
            (1.25, 0.25, 1.0, 0.0),
            (1.75, 0.25, 1.0, 1.0),
            (0.75, 0.25, 0.0, 1.0),
            (0.5, 0.25, 0.0, 0.0),
            (2.25, 0.25, 0.0, 0.0),
            (2.0, 0.25, 0.0, 1.0),
            (1.0, 0.25, 1.0, 1.0),
        ):
            found = envelope.inside(envelope.make(x, reach), 1, 2)
            assert (float(found), found.bound) == (centre, bound), (x, reach)


def test_the_operations_that_round_nothing_keep_the_error_of_their_argument() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        a, b = envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5)
        assert [(float(x), x.bound) for x in (envelope.absolute(a), envelope.absolute(b))] == [(3.0, 0.25), (5.0, 0.5)]
        wide = envelope.largest([a, envelope.make(2.0, 1.5), b])
        assert (float(wide), wide.bound) == (3.0, 1.5)
        assert envelope.candidates([a, envelope.make(2.5, 0.25), b]) == [0, 1]
        assert envelope.rectified(envelope.make(-1.0, 1.0)).bound == 0.0
        assert envelope.rectified(envelope.make(-1.0, 1.5)).bound == 1.5
        assert envelope.undecided is False
        middle = envelope.between(-1, 1)
        assert (float(middle), middle.bound, envelope.undecided) == (0.0, 1.0, True)
        middle = envelope.between(0, 1)
        assert (float(middle), middle.bound) == (0.5, 0.5)


def test_a_number_shows_its_value_and_its_error_and_an_arithmetic_its_formats() -> None:
    envelope = EnvelopeArithmetic(float32, bfloat16)
    assert envelope.name == "float32 computed, bfloat16 stored"
    assert EnvelopeArithmetic(float16).name == "float16 computed, float16 stored"
    assert repr(envelope.make(3.0, 0.12345)) == "3.0 ± 0.123"
    assert envelope.value(envelope.make(3.0, 0.25)) == 3.0
    assert (bound(envelope.make(3.0, 0.25)), bound(3.0)) == (0.25, 0.0)


def test_a_number_that_may_have_overflowed_keeps_the_error_it_has_if_it_has_not() -> None:
    with EnvelopeArithmetic(float16) as envelope:
        assert envelope.overflowed is False
        found = envelope.make(65504.0, 8.0)
        assert (found.bound, found.reach, envelope.overflowed) == (math.inf, 8.0, True)
    with EnvelopeArithmetic(float32, float16) as envelope:
        found = envelope.stored(envelope.make(65504.0, 8.0))
        assert found.bound == math.inf
        assert found.reach == pytest.approx(8.0 + float16.unit * 65512.0, rel=1e-9, abs=0.0)
        assert envelope.overflowed is True
    with EnvelopeArithmetic(float64) as envelope:
        for sign in (1.0, -1.0):
            found = envelope.lift(sign * 1.7e308) * 10
            assert (float(found), found.bound) == (sign * float64.largest, math.inf)


@pytest.mark.parametrize(("x", "y"), [(2.0**100, 1.0), (1.0, 2.0**100), (-(2.0**60), 2.0**-1), (3.0, -(2.0**54))])
def test_a_sum_that_binary64_does_not_hold_is_charged_in_both_orders(x: float, y: float) -> None:
    with EnvelopeArithmetic(float32) as envelope:
        assert (envelope.lift(x) + envelope.lift(y)).bound >= abs(min(x, y, key=abs))
        assert (envelope.lift(x) + y).bound >= abs(min(x, y, key=abs))


@settings(max_examples=200)
@given(wide | short, (wide | short).filter(bool), st.integers(1, 2**20))
def test_a_binary64_quotient_is_charged_exactly_where_it_is_rounded(x: float, y: float, n: int) -> None:
    with EnvelopeArithmetic(float64) as envelope:
        for numerator, divisor in ((x, y), (y * n, y)):
            if math.isfinite(numerator):
                found = envelope.lift(numerator) / divisor
                held = math.isfinite(found) and Fraction(float(found)) * Fraction(divisor) == Fraction(numerator)
                assert (found.bound == 0.0) == held
        assert (envelope.lift(1.0) / 3).bound > 0.0
        odd = envelope.lift(2.0**26 + 1.0)
        assert (odd * odd).bound == 0.0  # of 53 bits


def test_a_sum_is_exact_only_if_every_partial_sum_is() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        assert envelope.total(list(map(envelope.lift, (0.5, 0.5 - 2.0**-25, 2.0**-25)))).bound > 0.0  # 1 in all
        assert envelope.total([envelope.lift(float32.smallest)] * 2).bound == 0.0
        largest, one, zero = map(envelope.lift, (float32.largest, 1.0, 0.0))
        assert envelope.dot([largest, zero], [one, one]).bound == 0.0
    with EnvelopeArithmetic(bfloat16) as envelope:
        assert envelope.total(list(map(envelope.lift, (127.5, 127.5, 1.0)))).bound > 0.0  # 128.5 has 9 bits
    with EnvelopeArithmetic(float32, flush=True) as envelope:
        assert envelope.total([envelope.lift(0.0)] * 3).bound == 0.0


def test_a_sum_of_binary64_is_exact_only_if_binary64_holds_its_products_and_their_sum() -> None:
    with EnvelopeArithmetic(float64) as envelope:
        tenth, zero, one = map(envelope.lift, (0.1, 0.0, 1.0))
        assert envelope.dot([tenth], [tenth], zero).bound > 0.0
        assert envelope.dot([tenth], [one], zero).bound == 0.0
        assert envelope.dot([tenth, zero], [one, tenth]).bound == 0.0
        assert envelope.total([envelope.lift(1e300), envelope.lift(1e-300)]).bound > 0.0
        least = envelope.total([envelope.lift(float64.smallest)] * 2)
        assert 0.0 <= least.bound <= 4.0 * float64.smallest


def test_a_constant_is_exact_only_if_the_compute_format_holds_it() -> None:
    for kind, value, exact in (
        (float32, 0.5, True),
        (float32, 0.1, False),
        (float64, 0.1, True),
        (float64, Fraction(1, 3), False),
        (float32, Fraction(3, 4), True),
        (float32, math.inf, True),
    ):
        with EnvelopeArithmetic(kind) as envelope:
            found = envelope.constant(value)
            assert float(found) == float(value)
            assert (found.bound == 0.0) == exact


def test_a_sum_is_lost_where_an_order_of_it_overflows_whatever_it_comes_to() -> None:
    with EnvelopeArithmetic(float16) as envelope:
        for terms in ((65504.0, 65504.0, -65504.0, -65504.0), (32752.0, 16.0, -32720.0)):
            found = envelope.total(list(map(envelope.lift, terms)))
            assert (float(found), found.bound) == (sum(terms), math.inf)
    with EnvelopeArithmetic(float64) as envelope:
        large = envelope.lift(1.7e308)
        for found in (envelope.total([large, large, -large]), envelope.dot([large, large], [large, -large])):
            assert (float(found), found.bound) == (0.0, math.inf)
        lost = envelope.total([envelope.lift(math.inf), envelope.lift(-math.inf)])
        assert (math.isnan(lost), lost.bound) == (True, math.inf)


def test_what_is_stored_is_kept_up_to_the_largest_number_of_the_storage_format() -> None:
    with EnvelopeArithmetic(float32, float16) as envelope:
        assert envelope.stored(envelope.make(65503.0, 1.0)).bound < math.inf
        assert envelope.stored(envelope.make(65503.0, 1.5)).bound == math.inf


def test_a_root_that_is_not_correctly_rounded_is_never_exact() -> None:
    with EnvelopeArithmetic(float32, units={**UNITS, "sqrt": 2.0}) as envelope:
        assert envelope.sqrt(envelope.lift(9.0)).bound == pytest.approx(2.0 * UNIT * 3.0 + LEAST, rel=1e-12, abs=0.0)


def test_where_the_exponential_overflows_a_sigmoid_may_be_zero() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        found = envelope.sigmoid(envelope.lift(-100.0))
        assert 0.0 < found < float32.smallest_normal
        assert found.bound == pytest.approx(float32.smallest_normal + LEAST + 8 * UNIT * found, rel=1e-12, abs=0.0)
        assert envelope.sigmoid(envelope.lift(-86.4)).bound < 1e-3 * float32.smallest_normal


def test_near_zero_an_operation_charges_half_a_step_beside_its_rounding() -> None:
    small, share = 2.0**-100, float32.round(0.1 * 2.0**-30)
    with EnvelopeArithmetic(float32) as envelope:
        x, y = envelope.lift(small), envelope.lift(share)
        product, power = small * share, math.exp(-100.0)
        unsure = envelope.make(small, small / 4)
        check_bounds(
            {
                "x y": (x * y, 0, product, LEAST),
                "x / y": (y / envelope.lift(float32.round(1e30)), 0, share / float32.round(1e30), LEAST),
                "(x ± e) y": (unsure * y, product / 4, 1.25 * product, LEAST),
                "x y + x y": (envelope.dot([x, x], [y, y]), 0, 2 * (2 * product + 2 * LEAST), 2 * LEAST),
                "exp": (envelope.exp(envelope.lift(-100.0)), 0, 6 * power, LEAST),
                "constant": (envelope.constant(Fraction(1, 3) / 2**130), 0, 2.0**-130 / 3, LEAST),
            }
        )
    with EnvelopeArithmetic(float32, bfloat16) as envelope:
        unit, least, term = bfloat16.unit + float64.unit, bfloat16.smallest / 2, 1.25 * bfloat16.smallest
        found = envelope.accumulated([envelope.lift(term)] * 2)
        assert found.bound == pytest.approx(unit * 2 * term + least, rel=1e-9, abs=0.0)
        assert envelope.stored(envelope.lift(term)).bound == pytest.approx(unit * term + least, rel=1e-9, abs=0.0)


def test_the_roundings_of_the_centre_are_charged_except_in_binary64_whose_truth_is_another() -> None:
    with EnvelopeArithmetic(float32, bfloat16) as envelope:
        stored = envelope.stored(envelope.lift(257.0))
        assert stored.bound == pytest.approx(257.0 * (bfloat16.unit + float64.unit), rel=4e-16, abs=0.0)
    with EnvelopeArithmetic(float64) as envelope:
        assert (envelope.lift(0.1) * 3).bound == pytest.approx(0.1 * 3 * 2.0**-53, rel=1e-12, abs=0.0)


def test_an_infinity_is_exact_only_if_the_other_number_is_finite() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        infinite, third = envelope.lift(math.inf), envelope.constant(Fraction(1, 3))
        overflowed = envelope.lift(float32.largest) + envelope.lift(float32.largest)
        assert (third + infinite).bound == (infinite + third).bound == 0.0
        for found in (infinite + overflowed, overflowed + infinite, infinite + envelope.lift(-math.inf)):
            assert found.bound == math.inf
    with EnvelopeArithmetic(float64) as envelope:
        assert (envelope.lift(1.7e308) + envelope.lift(1.7e308)).bound == math.inf


def test_what_is_accumulated_in_the_compute_format_is_a_total_and_overflows_as_the_storage_format_does() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        terms = [envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5), envelope.lift(7.0)]
        assert envelope.accumulated(terms).bound == envelope.total(terms).bound
    with EnvelopeArithmetic(float32, float16) as envelope:
        for terms, lost in (((32752.0, 16.0, -32720.0), True), ((32000.0, 16.0, -32720.0), False)):
            assert (envelope.accumulated(list(map(envelope.lift, terms))).bound == math.inf) == lost


def test_errors_of_factors_and_of_the_rest_of_a_dot_product_add_up() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        a, b = envelope.make(3.0, 0.25), envelope.make(-5.0, 0.5)
        both = 3 * 0.5 + 5 * 0.25 + 0.25 * 0.5 + 0.5
        check_bounds({"a b + b": (envelope.dot([a], [b], b), both, 2 * (15 + 5 + both), 2 * LEAST)})
    with EnvelopeArithmetic(float32, operands=tf32) as envelope:
        off = 0.25 + tf32.unit * 1.25 + tf32.smallest / 2
        check_bounds(
            {"1 a": (envelope.dot([envelope.make(1.0, 0.25)], [envelope.lift(1.0)]), off, 1 + off, LEAST)},
        )
    with EnvelopeArithmetic(float32, operands=float16) as envelope:
        assert envelope.dot([envelope.lift(float16.largest)], [envelope.lift(1.0)]).bound == 0.0


def test_functions_of_a_range_that_reaches_zero_are_bounded_where_the_function_is() -> None:
    with EnvelopeArithmetic(float32) as envelope:
        for reach in (1.0, 1.5):
            assert envelope.log(envelope.make(1.0, reach)).bound == math.inf
        root = math.sqrt(0.5)
        check_bounds(
            {
                "beside zero": (envelope.sqrt(envelope.make(0.5, 0.25)), root - 0.5, 2 * root - 0.5, LEAST),
                "down to zero": (envelope.sqrt(envelope.make(0.5, 0.5)), root, 2 * root, LEAST),
                "around zero": (envelope.sqrt(envelope.make(0.0, 0.25)), 0.5, 0.5, LEAST),
                "a power": (
                    envelope.power(envelope.make(0.25, 0.5), Fraction(1, 2)),
                    0.75**0.5,
                    32 * (0.5 + 0.75**0.5),
                    LEAST,
                ),
                "tanh": (
                    envelope.tanh(envelope.make(0.5, 0.25)),
                    0.25 * (1 - math.tanh(0.25) ** 2),
                    10 * (math.tanh(0.5) + 0.25 * (1 - math.tanh(0.25) ** 2)),
                    LEAST,
                ),
                "erf": (
                    envelope.erf(envelope.make(0.5, 0.25)),
                    0.5 / math.sqrt(math.pi) * math.exp(-(0.25**2)),
                    32 * (math.erf(0.5) + 0.5 / math.sqrt(math.pi) * math.exp(-(0.25**2))),
                    LEAST,
                ),
            }
        )
        error = UNIT / 3 + LEAST  # of the exponent
        cubic = 3 ** (1 / 3) * math.exp(error * math.log(3.0))
        check_bounds({"∛": (envelope.power(envelope.make(1.0, 2.0), Fraction(1, 3)), cubic, 32 * (1 + cubic), LEAST)})
        assert envelope.candidates([envelope.make(1.0, math.inf), envelope.lift(2.0)]) == [0, 1]
        assert envelope.candidates([envelope.make(math.inf, math.inf), *map(envelope.lift, (1.0, 2.0))]) == [0, 2]


def test_a_sigmoid_multiplies_the_errors_of_its_steps_and_is_as_steep_as_anywhere_in_its_range() -> None:
    unit, units = bfloat16.unit + float64.unit, 40
    relative = (1 + unit) / ((1 - units * unit) * (1 - unit)) - 1
    with EnvelopeArithmetic(bfloat16, units={**UNITS, "exp": units}) as envelope:
        assert envelope.sigmoid(envelope.lift(0.0)).bound == pytest.approx(relative / 2, rel=1e-12, abs=0.0)
    with EnvelopeArithmetic(float32) as envelope:
        relative = (1 + UNIT) / ((1 - 6 * UNIT) * (1 - UNIT)) - 1
        for x, reach in ((0.5, 0.25), (-80.0, 10.0)):
            steepest = 1 / (1 + math.exp(abs(x) - reach))
            spread, value = steepest * (1 - steepest) * reach, 1 / (1 + math.exp(-x))
            lost = float32.smallest_normal if x < -1.0 else 0.0
            found = envelope.sigmoid(envelope.make(x, reach))
            assert found.bound == pytest.approx(spread + relative * (value + spread) + lost, rel=1e-10, abs=0.0)
    with EnvelopeArithmetic(float64) as envelope:
        more = envelope.sigmoid(envelope.make(40.0, 1.0)).bound - envelope.sigmoid(envelope.lift(40.0)).bound
        assert more == pytest.approx(math.exp(-39.0), rel=0.02, abs=0.0)


def test_the_smallest_number_that_an_implementation_keeps_is_exact() -> None:
    for flush, least in ((False, float32.smallest), (True, float32.smallest_normal)):
        with EnvelopeArithmetic(float32, flush=flush) as envelope:
            assert (envelope.lift(least) * 1.0).bound == (envelope.lift(2.0 * least) / 2).bound == 0.0
            assert (envelope.lift(least) / 2).bound > 0.0


@pytest.mark.parametrize("divisor", [3.0, 49.0])
def test_a_quotient_of_float64_that_is_rounded_has_an_error(divisor: float) -> None:
    """3 (1/3) is 1 in float64 too, 49 (1/49) is not."""
    with EnvelopeArithmetic(float64) as arithmetic:
        quotient = arithmetic.lift(1.0) / divisor
    assert abs(Fraction(float(quotient)) - 1 / Fraction(divisor)) <= quotient.bound

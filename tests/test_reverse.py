"""Derivatives are those of the expression, and no honest way to compute them leaves their bounds."""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import KINKED, OPERATIONS, QUOTIENTS, RATIONAL, SMOOTH, STEPS, Honest, Program, programs, within

from oracle.envelope import EnvelopeArithmetic
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import Format, bfloat16, float16, float32, float64
from oracle.reverse import Node, Reverse
from oracle.scalar import (
    Arithmetic,
    Differentiable,
    Scalar,
    absolute,
    current,
    descending,
    differential,
    largest,
    rectified,
    stored,
    total,
    with_derivative_of,
)

CALM = ("near one", "small integers", "quarters")  # ranges without overflow and underflow


def gradient(base: Differentiable, program: Program) -> tuple[list[Scalar], list[Scalar]]:
    """The results of a program, and the derivatives of their sum with the weights 1, 2, … towards its inputs."""
    with Reverse(base) as reverse:
        inputs, results = program.run()
        seeds = [(result, base.lift(float(k))) for k, result in enumerate(results, 1)]
        return [result.value for result in results], reverse.gradient(seeds, inputs)


def test_formulas_may_take_the_derivative_of_a_number_from_another() -> None:
    with Reverse(Fast()) as reverse:
        x, y = reverse.lift(2.0), reverse.lift(3.0)
        alone = differential(x)
        found = with_derivative_of(x * y, lambda: 5.0 * y)
        assert (alone.value, found.value) == (0.0, 6.0)
        assert reverse.gradient([(alone, 7.0), (found, 1.0)], [x, y]) == [7.0, 5.0]


def test_what_is_made_of_numbers_belongs_to_their_arithmetic() -> None:
    with Reverse(Fast()) as reverse:
        x, y = reverse.lift(2.0), reverse.lift(3.0)
        sums = [x + y, x + 1.0, 1.0 + x, x - y, x - 1.0, 1.0 - x, -x]
        assert all(made.rules is reverse for made in [*sums, x * y, x * 2.0, 2.0 * x, x / y, x / 2.0, 2.0 / x])


# Against the derivatives of rational functions, exactly


class Dual:
    """A rational number and its derivative towards one input."""

    def __init__(self, value: Fraction, slope: Fraction) -> None:
        self.value, self.slope = value, slope

    @classmethod
    def of(cls, x: Any) -> "Dual":
        return x if isinstance(x, Dual) else cls(Fraction(x), Fraction(0))

    def __add__(self, other: Any) -> "Dual":
        other = Dual.of(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    __radd__ = __add__

    def __neg__(self) -> "Dual":
        return Dual(-self.value, -self.slope)

    def __sub__(self, other: Any) -> "Dual":
        return self + -Dual.of(other)

    def __rsub__(self, other: Any) -> "Dual":
        return Dual.of(other) + -self

    def __mul__(self, other: Any) -> "Dual":
        other = Dual.of(other)
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Dual":
        other = Dual.of(other)
        slope = (self.slope * other.value - self.value * other.slope) / other.value**2
        return Dual(self.value / other.value, slope)


class Duals(Fast):
    """Forward differentiation of rational functions towards the input number ``place``."""

    def __init__(self, place: int) -> None:
        self.places = iter(range(-place, 100))

    def lift(self, value: float) -> Scalar:
        return Dual(Fraction(value), Fraction(next(self.places) == 0))

    def constant(self, value: float | Fraction) -> Scalar:
        return Dual.of(value)

    def total(self, terms: Sequence[Scalar]) -> Scalar:
        return sum(terms, Dual.of(0))

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
        return self.total([*(x * y for x, y in zip(xs, ys, strict=True)), *rest])


@settings(max_examples=200, deadline=None)
@given(programs(float32, tuple(RATIONAL), ranges=CALM, steps=6))
def test_derivatives_of_rational_functions_are_exact(program: Program) -> None:
    _, found = gradient(Exact(), program)
    for place, derivative in enumerate(found):
        with Duals(place):
            _, results = program.run()
        true = sum((k * result.slope for k, result in enumerate(results, 1)), Fraction(0))
        with Exact(4000):
            assert derivative.overlaps(flint.arb(flint.fmpq(true.numerator, true.denominator)))


@given(st.lists(st.integers(-9, 9), min_size=3, max_size=3), st.fractions(-5, 5), st.fractions(Fraction(1, 8), 8))
def test_derivatives_of_parabolas_are_their_symmetric_difference_quotients(
    coefficients: list[int], x: Fraction, h: Fraction
) -> None:
    a, b, c = coefficients

    def parabola(t: Scalar) -> Scalar:
        return (a * t + b) * t + c

    base = Exact(400)
    with Reverse(base) as reverse:
        place = reverse.constant(x)
        [found] = reverse.gradient([(parabola(place), base.lift(1.0))], [place])
        assert found.overlaps(base.constant((parabola(x + h) - parabola(x - h)) / (2 * h)))


# Against difference quotients of everything that has a derivative


def quotient(program: Program, place: int, step: Fraction) -> Any:
    """[f(x + h) - f(x - h)] / 2h of the weighted sum of a program's results, h a step of one input."""
    exact = Exact(600)

    def value(shift: Fraction) -> Any:
        class Shifted(Exact):
            def __init__(self) -> None:
                super().__init__(600)
                self.places = iter(range(-place, 100))

            def lift(self, value: float) -> Scalar:
                return self.constant(Fraction(value) + (shift if next(self.places) == 0 else 0))

        with Shifted():
            _, results = program.run()
            return sum((k * result for k, result in enumerate(results, 1)), flint.arb(0))

    with exact:
        return (value(step) - value(-step)) / exact.constant(2 * step)


# The inputs are far larger than the step, or 0, where a root has no derivative.
DIFFERENTIABLE = tuple(name for name in OPERATIONS if name not in (*KINKED, *STEPS))


@settings(max_examples=150, deadline=None)
@given(programs(float32, DIFFERENTIABLE, ranges=["near one", "quarters"], steps=5))
def test_derivatives_are_the_limits_of_difference_quotients(program: Program) -> None:
    """A quotient is off by h² f‴/6 + O(h⁴), at 2h by four times that: the one at h is nearer to f′ than to the other.

    Where f‴ is 0 all three are one number.
    """
    _, found = gradient(Exact(600), program)
    step = Fraction(1, 2**100)
    for place, derivative in enumerate(found):
        if derivative.is_finite():
            near, far = quotient(program, place, step), quotient(program, place, 2 * step)
            with Exact(600):
                assert not abs(derivative - near) > abs(far - near)


# Against honest implementations


@pytest.mark.parametrize(
    ("compute", "storage", "options"),
    [
        (float32, float32, {}),
        (bfloat16, bfloat16, {}),
        (float64, float64, {}),
        (float32, bfloat16, {}),
        (float32, float16, {}),
        (float32, float32, {"operands": bfloat16}),
        (float32, float32, {"flush": True}),
    ],
    ids=lambda value: getattr(value, "name", None) or ",".join(value),
)
def test_no_honest_implementation_of_the_derivatives_leaves_their_bounds(
    compute: Format, storage: Format, options: dict[str, Any]
) -> None:
    tally: Counter[str] = Counter()

    @settings(max_examples=100, deadline=None)
    @given(programs(storage), st.integers(0, 2**32))
    def check(program: Program, seed: int) -> None:
        envelope = EnvelopeArithmetic(compute, storage, **options)
        _, bounds = gradient(envelope, program)
        _, truths = gradient(Exact(400), program)
        for k in range(3):
            _, found = gradient(Honest(compute, storage, seed + k, **options), program)
            with Exact(400):
                for got, bounded, true in zip(found, bounds, truths, strict=True):
                    tally["bounded" if bounded.bound < math.inf else "unbounded"] += 1
                    if bounded.bound < math.inf and not envelope.undecided:
                        assert within(got, true, bounded.bound)
                    if bounded.bound < math.inf and compute != float64:
                        assert within(got, float(bounded), bounded.bound)

    check()
    assert tally["unbounded"] < tally["bounded"]


class Torch(Arithmetic):
    """The functions of torch, in which torch.autograd takes derivatives."""

    name = "torch"

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def lift(self, value: float) -> torch.Tensor:
        return torch.tensor(value, dtype=self.dtype, requires_grad=True)

    def constant(self, value: float | Fraction) -> torch.Tensor:
        return torch.tensor(float(value), dtype=self.dtype)

    def total(self, terms: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack(list(terms)).sum()

    def dot(self, xs: Sequence[torch.Tensor], ys: Sequence[torch.Tensor], *rest: torch.Tensor) -> torch.Tensor:
        products = [torch.stack(list(xs)) @ torch.stack(list(ys))] if xs else []
        return self.total([*products, *rest]) if products or rest else self.constant(0.0)

    def exp(self, x: torch.Tensor) -> torch.Tensor:
        return x.exp()

    def log(self, x: torch.Tensor) -> torch.Tensor:
        return x.log()

    def sqrt(self, x: torch.Tensor) -> torch.Tensor:
        return x.sqrt()

    def power(self, x: torch.Tensor, exponent: Fraction | int) -> torch.Tensor:
        return x.pow(float(exponent))

    def tanh(self, x: torch.Tensor) -> torch.Tensor:
        return x.tanh()

    def sigmoid(self, x: torch.Tensor) -> torch.Tensor:
        return x.sigmoid()

    def erf(self, x: torch.Tensor) -> torch.Tensor:
        return x.erf()

    def sin(self, x: torch.Tensor) -> torch.Tensor:
        return x.sin()

    def cos(self, x: torch.Tensor) -> torch.Tensor:
        return x.cos()

    def absolute(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs()

    def descending(self, xs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return list(torch.stack(list(xs)).sort(descending=True).values)

    def largest(self, xs: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack(list(xs)).amax()

    def rectified(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu()

    def inside(self, x: torch.Tensor, low: Fraction | int, high: Fraction | int) -> torch.Tensor:
        return ((x >= float(low)) & (x < float(high))).to(self.dtype)

    def stored(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def value(self, x: torch.Tensor) -> float:
        return float(x)


# torch's vector library promises its square roots, and so what follows from them, to an ulp
UNITS = {**EnvelopeArithmetic(float32).units, "sqrt": 2.0}


@pytest.mark.parametrize(
    ("kind", "dtype"), [(float64, torch.float64), (float32, torch.float32)], ids=["float64", "float32"]
)
@pytest.mark.parametrize(
    "names",
    [
        ("plus", "times", "exp", "tanh", "total"),
        (*RATIONAL, *QUOTIENTS),
        tuple(SMOOTH),
        tuple(OPERATIONS),
    ],
    ids=["plain", "rational", "smooth", "all"],
)
def test_the_derivatives_of_torch_are_within_the_bounds(
    kind: Format, dtype: torch.dtype, names: tuple[str, ...]
) -> None:
    tally: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(programs(kind, names, ranges=CALM, steps=5))
    def check(program: Program) -> None:
        envelope = EnvelopeArithmetic(kind, units=UNITS)
        _, bounds = gradient(envelope, program)
        _, truths = gradient(Exact(400), program)
        with Torch(dtype):
            inputs, results = program.run()
        loss = sum(k * result for k, result in enumerate(results, 1))
        torch.autograd.backward(loss, inputs=inputs) if loss.requires_grad else None
        with Exact(400):
            for x, bounded, true in zip(inputs, bounds, truths, strict=True):
                got = 0.0 if x.grad is None else float(x.grad)
                tally["bounded" if bounded.bound < math.inf else "unbounded"] += 1
                if bounded.bound < math.inf:
                    reached = float(bounded) if envelope.undecided else true
                    assert within(got, reached, bounded.bound), f"{got!r} is not {bounded}, truth {true}"

    check()
    assert tally["unbounded"] < tally["bounded"]


# Graphs


def test_a_chain_of_a_hundred_thousand_nodes_is_followed_and_forgotten() -> None:
    with Reverse(Fast()) as reverse:
        x = reverse.lift(3.0)
        y = x
        for _ in range(10**5):
            y = y + 1
        assert reverse.gradient([(y * y, reverse.base.lift(1.0))], [x]) == [2.0 * (3.0 + 10**5)]
        del y


def test_a_shared_subexpression_is_counted_once() -> None:
    """y + y sixty times over has 2^60 paths to its beginning, and sixty nodes."""
    with Reverse(Exact()) as reverse:
        x = reverse.lift(1.0)
        y = x
        for _ in range(60):
            y = y + y
        assert reverse.gradient([(y, reverse.base.lift(1.0))], [x]) == [2**60]


def test_outputs_that_share_all_or_are_given_twice_add_up() -> None:
    with Reverse(Exact()) as reverse:
        x, one = reverse.lift(3.0), reverse.base.lift(1.0)
        square = x * x
        assert reverse.gradient([(square, one), (square * x, one), (square, one), (x, one)], [x]) == [6 + 27 + 6 + 1]


def test_a_derivative_towards_a_result_on_the_way_stops_there() -> None:
    with Reverse(Exact()) as reverse:
        x = reverse.lift(3.0)
        square = x * x
        assert reverse.gradient([(square * square, reverse.base.lift(1.0))], [square, x]) == [18, 108]


def test_the_derivative_towards_an_unused_input_is_zero() -> None:
    for base in (Fast(), Exact(), EnvelopeArithmetic(float32)):
        with Reverse(base) as reverse:
            used, unused = reverse.lift(2.0), reverse.lift(5.0)
            _, found = reverse.gradient([(used * used, base.lift(1.0))], [used, unused])
            assert found == 0
    assert found.bound == 0.0


def test_no_derivative_is_taken_towards_what_is_detached() -> None:
    with Reverse(Exact()) as reverse:
        x = reverse.lift(3.0)
        assert reverse.gradient([(x * reverse.detached(x), reverse.base.lift(1.0))], [x]) == [3]


def test_a_number_may_have_the_derivative_of_another_way_to_find_it() -> None:
    with Reverse(Exact()) as reverse:
        x = reverse.lift(3.0)
        found = reverse.with_derivative_of(x * 5, lambda: x * 7)
        assert found.value == 15
        assert reverse.gradient([(found, reverse.base.lift(1.0))], [x]) == [7]


# Storage, kinks and ties


def slope(base: Differentiable, function: Any, *at: float) -> list[Scalar]:
    with Reverse(base) as reverse:
        inputs = list(map(reverse.lift, at))
        return reverse.gradient([(function(*inputs), base.lift(1.0))], inputs)


def test_a_derivative_may_be_rounded_where_its_value_is_stored() -> None:
    def function(x: Node) -> Node:
        return stored(x) * 3

    [exact] = slope(EnvelopeArithmetic(float32, bfloat16), function, 1.0)
    assert (float(exact), exact.bound) == (3.0, 0.0)  # which bfloat16 holds
    [rounded] = slope(EnvelopeArithmetic(float32, bfloat16), lambda x: stored(x) * 259, 1.0)
    assert abs(bfloat16.round(259.0) - 259.0) <= rounded.bound < 2.0 * bfloat16.unit * 259.0
    [never] = slope(EnvelopeArithmetic(float32, bfloat16), lambda x: x * 259, 1.0)
    assert (float(never), never.bound) == (259.0, 0.0)


def test_contributions_to_a_scattered_input_are_added_up_in_the_storage_format() -> None:
    envelope = EnvelopeArithmetic(float32, bfloat16)
    with Reverse(envelope) as reverse:
        x = reverse.lift(1.0)
        seeds = [(total([x, x, x]), envelope.lift(cotangent)) for cotangent in (256.0, 1.0)]
        [together] = reverse.gradient(seeds, [x])
        [scattered] = reverse.gradient(seeds, [x], [x])
    assert float(together) == float(scattered) == 771.0
    assert together.bound == 0.0
    assert scattered.bound >= 3.0  # 256 + 1 is 256 in bfloat16


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [(rectified, 0, 1), (absolute, -1, 1)],
    ids=["rectified", "absolute"],
)
def test_at_a_kink_any_slope_between_those_of_its_sides_conforms(function: Any, low: int, high: int) -> None:
    middle, reach = (low + high) / 2, (high - low) / 2
    envelope = EnvelopeArithmetic(float32)
    [at_kink] = slope(envelope, function, 0.0)
    assert float(at_kink) == middle
    assert reach <= at_kink.bound < reach * (1.0 + 4.0 * float32.unit)  # the product with it is rounded once
    assert envelope.undecided
    assert slope(Exact(), function, 0.0) == slope(Fast(), function, 0.0) == [middle]
    for x, side in ((-2.0, low), (2.0, high)):
        envelope = EnvelopeArithmetic(float32)
        [beside] = slope(envelope, function, x)
        assert (float(beside), beside.bound, envelope.undecided) == (side, 0.0, False)
        assert slope(Exact(), function, x) == slope(Fast(), function, x) == [side]


def test_where_rounding_hides_the_sign_any_slope_conforms() -> None:
    [hidden] = slope(EnvelopeArithmetic(float32), lambda x: rectified(x / 3 - x / 3 + x * 2.0**-30), 1.0)
    assert abs(hidden) + hidden.bound >= 2.0**-30  # that of the positive side
    assert abs(hidden) <= hidden.bound  # that of the other


def test_the_derivative_of_a_place_in_an_order_is_that_of_the_number_there() -> None:
    for base in (Exact(), Fast(), EnvelopeArithmetic(float32)):
        assert slope(base, lambda *xs: descending(xs)[0], 4.0, 1.0, 5.0) == [0, 0, 1]
        assert slope(base, lambda *xs: descending(xs)[1], 4.0, 1.0, 5.0) == [1, 0, 0]


def test_of_equal_largest_numbers_each_may_receive_any_share() -> None:
    [first, second, third] = slope(EnvelopeArithmetic(float32), lambda *xs: largest(xs), 4.0, 1.0, 4.0)
    assert (float(first), float(second), float(third)) == (0.5, 0.0, 0.5)
    assert (first.bound, second.bound) == (third.bound, 0.0)
    assert 0.5 <= first.bound < 0.5 + 2.0 * float32.unit  # the product with a share is rounded once
    for base in (Exact(), Fast()):
        assert slope(base, lambda *xs: largest(xs), 4.0, 1.0, 4.0) == [0.5, 0, 0.5]
        assert slope(base, lambda *xs: largest(xs), 4.0, 1.0, 5.0) == [0, 0, 1]


@pytest.mark.parametrize("base", [Fast(), Exact(), EnvelopeArithmetic(float16)], ids=lambda base: base.name)
def test_steps_are_flat(base: Differentiable) -> None:
    assert slope(base, lambda x: OPERATIONS["inside"]([x]), 1.0) == [0]


# Values and remarks


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_values_on_the_way_are_those_of_the_arithmetic_below(name: str) -> None:
    program = Program((0.75, -1.5, 2.5), ((name, (0, 1, 2)), (name, (3, 2)), ("plus", (3, 4)), ("reciprocal", (5,))))
    for base in (Fast(), EnvelopeArithmetic(float32)):
        with base:
            _, expected = program.run()
        with Reverse(base) as reverse:
            _, found = program.run()
            assert [node.rules is reverse for node in found] == [True] * len(found)
            assert repr([node.value for node in found]) == repr(expected)
            assert [reverse.value(node) for node in found if node.value == node.value] == [
                base.value(x) for x in expected if x == x
            ]


def test_a_differential_is_zero_and_has_the_derivative_of_its_number() -> None:
    with Reverse(Exact()) as reverse:
        x = reverse.lift(3.0)
        found = reverse.differential(x * x)
        assert found.value == 0
        assert reverse.gradient([(found, reverse.base.lift(1.0))], [x]) == [6]


def test_derivatives_towards_a_number_that_is_reused_are_added_one_by_one_to_a_stored_one() -> None:
    envelope = EnvelopeArithmetic(float32, bfloat16)
    with Reverse(envelope) as reverse:
        x = reverse.lift(1.0)
        again = reverse.reused(x)
        assert (again.value, again.rules) == (x.value, reverse)
        for factor in (x, again):
            seeds = [(total([factor * 256, factor * 1, factor * 1]), envelope.lift(1.0))]
            [found] = reverse.gradient(seeds, [x])
            assert float(found) == 258.0
            assert (found.bound >= 2.0) == (factor is again)
        twice = [(total([again, again * 257]), envelope.lift(1.0))]
        [found] = reverse.gradient(twice, [x])
        assert (float(found), found.bound >= 2.0) == (258.0, True)  # 257 is stored before it is added


def test_factors_of_a_dot_product_come_in_pairs() -> None:
    with Reverse(Exact()) as reverse:
        x = reverse.lift(3.0)
        with pytest.raises(ValueError, match="zip"):
            reverse.dot([x, x], [x])


def test_the_arithmetic_below_is_in_force_beside_its_derivatives_and_both_are_left() -> None:
    base = Exact(100)
    outside = flint.ctx.prec
    reverse = Reverse(base)
    assert reverse.name == "derivatives, exact, 100 bits"
    with reverse as entered:
        assert entered is reverse
        assert current() is reverse
        assert flint.ctx.prec == 100
    assert flint.ctx.prec == outside
    with pytest.raises(RuntimeError, match="no arithmetic is in force"):
        current()

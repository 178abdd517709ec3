"""Random programs in the vocabulary, and honest implementations of them: what the arithmetics are tried on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias, cast

import flint
from hypothesis import strategies as st

from oracle import scalar
from oracle.accuracy import UNITS
from oracle.exact import Exact
from oracle.fast import Fast, Float
from oracle.formats import Format
from oracle.scalar import Scalar

# Programs

Operation: TypeAlias = Callable[[Sequence[Scalar]], Scalar]

RATIONAL: dict[str, Operation] = {
    "plus": lambda xs: xs[0] + xs[-1],
    "minus": lambda xs: xs[0] - xs[-1],
    "times": lambda xs: xs[0] * xs[-1],
    "negative": lambda xs: -xs[0],
    "one less": lambda xs: xs[0] - 1,
    "from two": lambda xs: 2 - xs[0],
    "thrice": lambda xs: 3 * xs[0],
    "a third": lambda xs: xs[0] / 3,
    "a tenth": lambda xs: xs[0] * scalar.constant(Fraction(1, 10)),
    "share": lambda xs: xs[0] / (xs[-1] * xs[-1] + 1),
    "total": lambda xs: scalar.total(xs),
    "dot": lambda xs: scalar.dot(xs[: len(xs) // 2], xs[len(xs) // 2 : len(xs) // 2 * 2]),
    "dot and rest": lambda xs: scalar.dot(xs[:2], xs[-2:], *xs[2:]),
    "common factor": lambda xs: scalar.dot(xs, [xs[-1]] * len(xs)),
    "stored": lambda xs: scalar.stored(xs[0]),
    "accumulated": lambda xs: scalar.accumulated([scalar.stored(x) for x in xs]),
}
QUOTIENTS: dict[str, Operation] = {
    "over": lambda xs: xs[0] / xs[-1],
    "reciprocal": lambda xs: 1.0 / xs[0],
}
KINKED: dict[str, Operation] = {
    "absolute": lambda xs: scalar.absolute(xs[0]),
    "largest": lambda xs: scalar.largest(xs),
    "rectified": lambda xs: scalar.rectified(xs[0]),
}
STEPS: dict[str, Operation] = {
    "inside": lambda xs: scalar.inside(xs[0], -1, Fraction(5, 2)),
}
SMOOTH: dict[str, Operation] = {
    "norm": lambda xs: scalar.sqrt(scalar.dot(xs, xs)),
    "exp": lambda xs: scalar.exp(xs[0]),
    "log": lambda xs: scalar.log(xs[0]),
    "tanh": lambda xs: scalar.tanh(xs[0]),
    "sigmoid": lambda xs: scalar.sigmoid(xs[0]),
    "erf": lambda xs: scalar.erf(xs[0]),
    "sin": lambda xs: scalar.sin(xs[0]),
    "cos": lambda xs: scalar.cos(xs[0]),
    "power": lambda xs: scalar.power(scalar.dot(xs, xs), Fraction(2, 3)),
    "inverse norm": lambda xs: scalar.power(scalar.dot(xs, xs), Fraction(-1, 2)),
}
OPERATIONS = {**RATIONAL, **QUOTIENTS, **KINKED, **STEPS, **SMOOTH}


@dataclass(frozen=True)
class Program:
    """Numbers to begin with, and steps: an operation, and the places of its operands among all results before it."""

    inputs: tuple[float, ...]
    steps: tuple[tuple[str, tuple[int, ...]], ...]

    def run(self) -> tuple[list[Scalar], list[Scalar]]:
        """The inputs as scalars of the arithmetic in force, and the results of the steps."""
        lift = scalar.current().lift
        inputs = [lift(x) for x in self.inputs]
        results = list(inputs)
        for name, places in self.steps:
            results.append(OPERATIONS[name]([results[place % len(results)] for place in places]))
        return inputs, results[len(inputs) :]


def numbers(kind: Format) -> dict[str, st.SearchStrategy[float]]:
    """Numbers of the format, by the range from which they are drawn."""
    return {
        "small integers": st.integers(-8, 8).map(float),
        "quarters": st.integers(-64, 64).map(lambda x: x / 4),
        "near one": st.floats(0.25, 4.0).map(kind.round),
        "moderate": st.floats(-30.0, 30.0).map(kind.round),
        "wide": st.builds(math.ldexp, st.floats(-2.0, 2.0), st.integers(-12, 8)).map(kind.round),
        "any": st.floats(-kind.largest, kind.largest).map(kind.round),
        "tiny": st.builds(math.ldexp, st.floats(-2.0, 2.0), st.integers(kind.emin - 6, kind.emin + 6)).map(kind.round),
    }


@st.composite
def programs(
    draw: st.DrawFn,
    kind: Format,
    names: Sequence[str] = tuple(OPERATIONS),
    *,
    ranges: Sequence[str] = ("small integers", "quarters", "near one", "moderate", "wide", "any", "tiny"),
    steps: int = 10,
) -> Program:
    """Programs of these operations whose inputs are numbers of the format, mostly from one range."""
    kinds = numbers(kind)
    found = kinds[draw(st.sampled_from(ranges))]
    places = st.lists(st.integers(0, 40), min_size=1, max_size=7).map(tuple)
    step = st.tuples(st.sampled_from(tuple(names)), places)
    return Program(
        tuple(draw(st.lists(found, min_size=1, max_size=6))),
        tuple(draw(st.lists(step, min_size=1, max_size=steps))),
    )


# Honest implementations

_EXTREME = 1.0 - 2.0**-40  # of the permitted error: the true value is known to 200 bits only


def nearest(x: Fraction, kind: Format, to_integer: Callable[[Fraction], int] = round) -> float:
    """The number of the format nearest to an exact one, ties to even; or another, as ``to_integer`` rounds."""
    if x == 0:
        return 0.0
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()  # 2^(exponent - 1) < |x| < 2^(exponent + 1)
    if abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    step = Fraction(2) ** (max(exponent, kind.emin) + 1 - kind.precision)
    found = to_integer(x / step) * step
    if abs(found) > kind.largest:
        return math.inf if found > 0 else -math.inf
    return float(found)


def true_value(name: str, x: float, exponent: Fraction = Fraction(1)) -> Fraction:
    """An elementary function of a finite number, to 200 bits."""
    if name == "exp" and abs(x) > 2000.0:  # a number that no format holds
        return Fraction(2) ** (3000 if x > 0.0 else -3000)
    with Exact(200) as exact:
        found = exact.power(exact.lift(x), exponent) if name == "power" else getattr(exact, name)(exact.lift(x))
        mantissa, place = found.mid().man_exp()
    return int(mantissa) * Fraction(2) ** int(place)


class Honest(Fast):
    """An implementation that a formula permits: it rounds each operation and chooses at random what it is free in.

    Free are the order of a sum, fused multiply-adds, whether what is stored is rounded to the storage format and
    operands to theirs, the error of an elementary function within its units, and whether a subnormal result becomes
    zero. Errors of elementary functions are extreme more often than not.
    """

    def __init__(
        self,
        compute: Format,
        storage: Format,
        seed: int,
        *,
        operands: Format | None = None,
        units: Mapping[str, float] = UNITS,
        flush: bool = False,
    ) -> None:
        self.name = f"honest {compute.name}"
        self.compute = compute
        self.storage = storage
        self.operands = operands
        self.units = units
        self.flush = flush
        self.random = random.Random(seed)

        def of(cls: type[Float], value: float) -> Float:
            return cls(self._landed(compute.round(value), compute))

        members = {"of": classmethod(of), "__neg__": lambda x: type(x)(-float(x)), "__slots__": ()}
        self.number = cast("type[Float]", type("Honest", (Float,), members))

    def _landed(self, value: float, kind: Format) -> float:
        if self.flush and 0.0 < abs(value) < self.compute.smallest_normal and self.random.random() < 0.5:
            return 0.0
        return value

    def _exactly(self, value: Fraction) -> Float:
        return self.number(self._landed(nearest(value, self.compute), self.compute))

    def constant(self, value: float | Fraction) -> Float:
        return self.number(nearest(Fraction(value), self.compute))

    # Sums: items are numbers, or pairs of factors whose product is still to be rounded or fused

    def total(self, terms: Sequence[Scalar]) -> Scalar:
        return self._sum([(term,) for term in terms])

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
        if self.operands and self.random.random() < 0.5:
            xs, ys = ([self.number(self.operands.round(x)) for x in factors] for factors in (xs, ys))
        return self._sum([*zip(xs, ys, strict=True), *((term,) for term in rest)])

    def _sum(self, items: list[tuple[Scalar, ...]]) -> Scalar:
        if not items:
            return self.number(0.0)
        fused = self.random.random() < 0.5
        order = self.random.choice(["shuffled", "tree", "lanes", "rising", "falling"])

        def merged(a: tuple[Scalar, ...], b: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
            if fused and len(b) == 2:
                return (self._fused(*b, _value(a)),)
            return (_value(a) + _value(b),)

        self.random.shuffle(items)
        if order == "tree":
            while len(items) > 1:
                a, b = items.pop(self.random.randrange(len(items))), items.pop(self.random.randrange(len(items)))
                items.append(merged(a, b))
        elif order == "lanes":
            lanes = self.random.choice([2, 4, 8])
            items = [reduce(merged, items[lane::lanes]) for lane in range(min(lanes, len(items)))]
        elif order in ("rising", "falling"):
            items.sort(key=lambda item: math.prod(map(float, item)), reverse=order == "falling")
        return _value(reduce(merged, items))

    def _fused(self, x: Scalar, y: Scalar, term: Scalar) -> Scalar:
        if not all(map(math.isfinite, (x, y, term))):
            return x * y + term
        return self._exactly(Fraction(x) * Fraction(y) + Fraction(term))

    def accumulated(self, terms: Sequence[Scalar]) -> Scalar:
        terms = list(terms)
        self.random.shuffle(terms)
        return reduce(lambda a, b: self.stored(a + b), terms)

    def stored(self, x: Scalar) -> Scalar:
        if self.storage == self.compute or self.random.random() < 0.5:
            return x
        return self.number(self._landed(self.storage.round(x), self.storage))

    # Elementary functions

    def _perturbed(self, name: str, x: float, special: float, exponent: Fraction = Fraction(1)) -> Scalar:
        if not math.isfinite(x) or math.isnan(special) or (special == -math.inf and name == "log"):
            return self.number(special)
        true = true_value(name, x, exponent)
        share = _EXTREME * self.random.choice([-1.0, 1.0, 0.0, self.random.uniform(-1.0, 1.0)])
        off = true * (1 + Fraction(share * self.units[name] * self.compute.unit))
        found = nearest(off, self.compute, math.floor if off > true else math.ceil)
        if math.isfinite(found) and abs(Fraction(found) - true) > abs(off - true):
            return self._exactly(true)
        return self.number(self._landed(found, self.compute))

    def exp(self, x: Scalar) -> Scalar:
        return self.number(1.0) if x == 0.0 else self._perturbed("exp", x, super().exp(x))

    def log(self, x: Scalar) -> Scalar:
        return self.number(0.0) if x == 1.0 else self._perturbed("log", x, super().log(x))

    def sqrt(self, x: Scalar) -> Scalar:
        return super().sqrt(x) if self.units["sqrt"] <= 1.0 else self._perturbed("sqrt", x, super().sqrt(x))

    def power(self, x: Scalar, exponent: Fraction | int) -> Scalar:
        rounded = self.constant(exponent)
        if x in (0.0, 1.0):
            return super().power(x, exponent)
        return self._perturbed("power", x, super().power(x, Fraction(rounded)), Fraction(rounded))

    def tanh(self, x: Scalar) -> Scalar:
        return x if x == 0.0 else self._perturbed("tanh", x, super().tanh(x))

    def sigmoid(self, x: Scalar) -> Scalar:
        return 1.0 / (1.0 + self.exp(-x))

    def erf(self, x: Scalar) -> Scalar:
        return x if x == 0.0 else self._perturbed("erf", x, super().erf(x))

    def sin(self, x: Scalar) -> Scalar:
        return x if x == 0.0 else self._perturbed("sin", x, super().sin(x))

    def cos(self, x: Scalar) -> Scalar:
        return self.number(1.0) if x == 0.0 else self._perturbed("cos", x, super().cos(x))


def _value(item: tuple[Scalar, ...]) -> Scalar:
    return item[0] if len(item) == 1 else item[0] * item[1]


def within(got: float, true: Any, bound: float) -> bool:
    """Whether a number is certainly no further than ``bound`` from a ball or float."""
    return bool(abs(flint.arb(got) - true) <= bound)

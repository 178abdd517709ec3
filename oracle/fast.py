"""The fast arithmetic: floats, with IEEE 754 special values where Python would raise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Self

from oracle.scalar import Differentiable, Scalar


class Float(float):
    """A float whose arithmetic stays a ``Float`` and never raises: 1/0 is inf, 0/0 is NaN."""

    __slots__ = ()

    @classmethod
    def of(cls, value: float) -> Self:
        """The number for the unrounded result of an operation."""
        return cls(value)

    def __add__(self, other: float) -> Self:
        return self.of(float.__add__(self, other))

    __radd__ = __add__

    def __sub__(self, other: float) -> Self:
        return self.of(float.__sub__(self, other))

    def __rsub__(self, other: float) -> Self:
        return self.of(float.__rsub__(self, other))

    def __mul__(self, other: float) -> Self:
        return self.of(float.__mul__(self, other))

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Self:
        return self.of(divide(float(self), float(other)))

    def __rtruediv__(self, other: float) -> Self:
        return self.of(divide(float(other), float(self)))

    def __neg__(self) -> Self:
        return self.of(float.__neg__(self))


def divide(a: float, b: float) -> float:
    """a / b as IEEE 754 has it."""
    if b != 0.0:
        return a / b
    return math.nan if a == 0.0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def ieee(function: Callable[[float], float], x: float) -> float:
    """``function(x)`` with the special results of IEEE 754-2019 table 9.1 where Python's ``math`` raises."""
    try:
        return function(x)
    except OverflowError:
        return math.inf  # exp of a large number or a power of one: all that overflows here
    except ValueError:
        return -math.inf if function is math.log and x == 0.0 else math.nan


def power(x: float, exponent: float) -> float:
    """x^exponent, x not negative, as IEEE 754 has it."""
    if x == 0.0 and exponent < 0.0:
        return math.inf
    return ieee(lambda base: math.pow(base, exponent), x)


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = ieee(math.exp, x)
    return e / (1.0 + e)


class Fast(Differentiable):
    """Binary64 throughout: a quick reference value, and the pattern of special values."""

    name = "fast"
    number: type[Float] = Float

    def lift(self, value: float) -> Scalar:
        return self.number(value)

    def constant(self, value: float | Fraction) -> Scalar:
        return self.number.of(float(value))

    def total(self, terms: Sequence[Scalar]) -> Scalar:
        return self.number(sum(map(float, terms)))

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
        return self.number(sum(map(_product, xs, ys), sum(map(float, rest))))

    def exp(self, x: Scalar) -> Scalar:
        return self.number.of(ieee(math.exp, x))

    def log(self, x: Scalar) -> Scalar:
        return self.number.of(ieee(math.log, x))

    def sqrt(self, x: Scalar) -> Scalar:
        return self.number.of(ieee(math.sqrt, x))

    def power(self, x: Scalar, exponent: Fraction | int) -> Scalar:
        return self.number.of(power(x, float(exponent)))

    def tanh(self, x: Scalar) -> Scalar:
        return self.number.of(math.tanh(x))

    def sigmoid(self, x: Scalar) -> Scalar:
        return self.number.of(sigmoid(x))

    def erf(self, x: Scalar) -> Scalar:
        return self.number.of(math.erf(x))

    def sin(self, x: Scalar) -> Scalar:
        return self.number.of(ieee(math.sin, x))

    def cos(self, x: Scalar) -> Scalar:
        return self.number.of(ieee(math.cos, x))

    def absolute(self, x: Scalar) -> Scalar:
        return self.number(abs(x))

    def largest(self, xs: Sequence[Scalar]) -> Scalar:
        return next((x for x in xs if x != x), None) or max(xs)

    def descending(self, xs: Sequence[Scalar]) -> list[Scalar]:
        return sorted(xs, key=lambda x: (x != x, x), reverse=True)  # NaN first, as it is the largest

    def rectified(self, x: Scalar) -> Scalar:
        return self.number(max(x, 0.0))  # in this order NaN stays

    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Scalar:
        return self.number(low <= x < high)

    def chosen(self, weights: Sequence[Scalar], xs: Sequence[Scalar]) -> Scalar:
        return next((x for weight, x in zip(weights, xs, strict=True) if weight == 1.0), xs[0])

    def stored(self, x: Scalar) -> Scalar:
        return x

    def candidates(self, xs: Sequence[Scalar]) -> list[int]:
        """The places of the largest values."""
        top = self.largest(xs)
        return [k for k, x in enumerate(xs) if x == top or x != x]

    def between(self, low: int, high: int) -> Scalar:
        return self.number((low + high) / 2)

    def value(self, x: Scalar) -> float:
        return float(x)


_product = float.__mul__

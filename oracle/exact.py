"""The exact arithmetic: balls (midpoint and radius) of any precision, so a value comes with a proof of its accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from operator import mul
from types import TracebackType
from typing import Self

import flint

from oracle.scalar import Differentiable, Scalar

# Two distinct coordinates with numerators and denominators below 2^50 differ by more than this; a ball of 128 bits
# around one of them that touches a cell border is on that border.
_SAME = 2.0**-100


class Exact(Differentiable):
    """Ball arithmetic (Johansson, Arb, IEEE Transactions on Computers 66, 2017) with ``bits`` of working precision."""

    def __init__(self, bits: int = 128) -> None:
        self.name = f"exact, {bits} bits"
        self.bits = bits
        self._outer: list[int] = []

    def __enter__(self) -> Self:
        self._outer.append(flint.ctx.prec)
        flint.ctx.prec = self.bits
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        flint.ctx.prec = self._outer.pop()

    def lift(self, value: float) -> Scalar:
        return flint.arb(value)

    def constant(self, value: float | Fraction) -> Scalar:
        if isinstance(value, Fraction):
            return flint.arb(flint.fmpq(value.numerator, value.denominator))
        return flint.arb(value)

    def total(self, terms: Sequence[Scalar]) -> Scalar:
        return sum(terms, flint.arb(0))

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
        return sum(map(mul, xs, ys), sum(rest, flint.arb(0)))

    def exp(self, x: Scalar) -> Scalar:
        return x.exp()

    def log(self, x: Scalar) -> Scalar:
        return x.log()

    def sqrt(self, x: Scalar) -> Scalar:
        return x.sqrt()

    def power(self, x: Scalar, exponent: Fraction | int) -> Scalar:
        return x ** self.constant(Fraction(exponent))

    def tanh(self, x: Scalar) -> Scalar:
        return x.tanh()

    def sigmoid(self, x: Scalar) -> Scalar:
        if x < 0:  # exp(-x) may be beyond all balls
            power = x.exp()
            return power / (1 + power)
        return 1 / (1 + (-x).exp())

    def erf(self, x: Scalar) -> Scalar:
        return x.erf()

    def sin(self, x: Scalar) -> Scalar:
        return x.sin()

    def cos(self, x: Scalar) -> Scalar:
        return x.cos()

    def absolute(self, x: Scalar) -> Scalar:
        return abs(x)

    def largest(self, xs: Sequence[Scalar]) -> Scalar:
        result = xs[0]
        for x in xs[1:]:
            result = result.max(x)
        return result

    def descending(self, xs: Sequence[Scalar]) -> list[Scalar]:
        ends = (sorted((end(x) for x in xs), reverse=True) for end in (flint.arb.lower, flint.arb.upper))
        return [low.union(high) for low, high in zip(*ends, strict=True)]

    def rectified(self, x: Scalar) -> Scalar:
        return self.largest([flint.arb(0), x])

    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Scalar:
        above = x - self.constant(Fraction(low))
        below = self.constant(Fraction(high)) - x
        return flint.arb(bool(above > -_SAME and below > _SAME))

    def stored(self, x: Scalar) -> Scalar:
        return x

    def candidates(self, xs: Sequence[Scalar]) -> list[int]:
        """The places of the values that may be the largest: those whose balls reach the largest ball."""
        top = self.largest(xs)
        return [k for k, x in enumerate(xs) if x.overlaps(top)]

    def between(self, low: int, high: int) -> Scalar:
        return flint.arb(low + high) / 2

    def value(self, x: Scalar) -> float:
        return float(x)

    def split(self, x: Scalar) -> tuple[float, float, float]:
        """``(high, low, radius)`` with the value within ``radius`` of high + low, two floats."""
        middle = x.mid()
        high = float(middle)
        low = float(middle - high)
        radius = (x - high - low).abs_upper()
        return high, low, 0.0 if radius == 0 else math.nextafter(float(radius), math.inf)

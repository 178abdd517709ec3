"""The outcomes arithmetic: all results, special values included, that IEEE 754 arithmetic may give for a formula.

An ``Outcome`` is a set: the extended reals from ``low`` to ``high``, and NaN where ``nan`` says so. It holds the result
of every implementation that evaluates the formula in the declared formats, in any order, fused or in wider formats.
Where such implementations differ, the set is as large as they do:

* a sum may overflow on the way if the terms of one sign together do, and is NaN if it may have overflowed to both;
* what overflows on the way is infinite or, in a wider format, not;
* a zero that the formula writes may stand for nothing: the product of padding and an infinite weight is NaN or absent.

Special results follow IEEE 754-2019, sections 6.1, 6.2, 7.2, 7.3 and 9.2.1. Zeros have no sign here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import ClassVar, cast

from oracle.accuracy import UNITS
from oracle.fast import divide, ieee, power, sigmoid
from oracle.formats import Format, float64
from oracle.scalar import Arithmetic, Scalar

_INF = math.inf


class Outcome:
    """The extended reals from ``low`` to ``high``, none where ``low`` is above ``high``, and NaN where ``nan``.

    An ``idle`` one may be a zero of the formula, with which nothing need be multiplied.
    """

    __slots__ = ("high", "idle", "low", "nan")
    rules: ClassVar[Outcomes]

    def __init__(self, low: float, high: float, nan: bool = False, idle: bool = False) -> None:
        self.low = low
        self.high = high
        self.nan = nan
        self.idle = idle

    def __add__(self, other: Outcome | float) -> Outcome:
        return self.rules.total([self, self.rules.exactly(other)])

    __radd__ = __add__

    def __sub__(self, other: Outcome | float) -> Outcome:
        return self + -other

    def __rsub__(self, other: Outcome | float) -> Outcome:
        return -self + other

    def __mul__(self, other: Outcome | float) -> Outcome:
        return self.rules.multiply(self, self.rules.exactly(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Outcome | float) -> Outcome:
        return self.rules.divide(self, self.rules.exactly(other))

    def __rtruediv__(self, other: Outcome | float) -> Outcome:
        return self.rules.divide(self.rules.exactly(other), self)

    def __neg__(self) -> Outcome:
        return type(self)(-self.high, -self.low, self.nan, self.idle)

    def __repr__(self) -> str:
        reals = (
            ""
            if self.low > self.high
            else f"{self.low!r}"
            if self.low == self.high
            else f"{self.low!r} to {self.high!r}"
        )
        return " or ".join(part for part in (reals, "nan" * self.nan) if part)

    def __contains__(self, x: float) -> bool:
        return self.nan if math.isnan(x) else self.low <= x <= self.high

    @property
    def finite(self) -> bool:
        """Whether neither NaN nor an infinity is among the results."""
        return not self.nan and self.low > -_INF and self.high < _INF

    @property
    def anything(self) -> bool:
        """Whether every number and NaN may be the result."""
        return self.nan and self.low == -_INF and self.high == _INF


class Outcomes(Arithmetic):
    """Outcomes of an implementation that computes in ``compute`` and rounds to ``storage`` at what is ``stored``.

    ``operands``, ``units`` and ``flush`` as in ``EnvelopeArithmetic``; with ``flush`` subnormal inputs may be zero too.
    """

    def __init__(
        self,
        compute: Format,
        storage: Format | None = None,
        *,
        operands: Format | None = None,
        units: Mapping[str, float] = UNITS,
        flush: bool = False,
    ) -> None:
        self.compute = compute
        self.storage = storage or compute
        self.operands = operands or compute
        self.units = units
        self.flush = flush
        self.name = f"outcomes of {compute.name}, stored as {self.storage.name}"
        self._unit = compute.unit + float64.unit  # an end of the set is itself computed in binary64
        self.number = cast("type[Outcome]", type("Outcome", (Outcome,), {"rules": self, "__slots__": ()}))

    # Making numbers

    def lift(self, value: float) -> Outcome:
        if math.isnan(value):
            return self._nan()
        if self._flushes(value):
            return self.number(min(value, 0.0), max(value, 0.0))
        return self.number(value, value)

    def exactly(self, value: Outcome | float) -> Outcome:
        """An operand as it stands: a small whole number of a formula."""
        return value if isinstance(value, Outcome) else self.number(float(value), float(value))

    def constant(self, value: float | Fraction) -> Outcome:
        centre = float(value)
        if math.isnan(centre):
            return self._nan()
        if centre == value and self.compute.represents(centre):
            return self.number(centre, centre, idle=centre == 0.0)
        return self._function(centre, centre, 1.0)

    def value(self, x: Scalar) -> float:
        return (x.low + x.high) / 2 if x.low < x.high else x.low if x.low == x.high else math.nan

    def _nan(self) -> Outcome:
        return self.number(_INF, -_INF, True)

    # Rounding

    def _below(self, x: float, units: float, kind: Format | None = None) -> float:
        """The least that a real number becomes with an error of so many units, one of them that of rounding."""
        kind = kind or self.compute
        if math.isinf(x):
            return x
        low = x - units * (kind.unit + float64.unit) * abs(x) - self._tiny(x, kind)
        if low < -kind.largest:
            return -_INF if units > 1.0 or x <= -_overflow(kind) else min(-kind.largest, x)
        return max(low, 0.0) if x >= 0.0 else low  # rounding keeps the sign

    def _above(self, x: float, units: float, kind: Format | None = None) -> float:
        return -self._below(-x, units, kind)

    def _tiny(self, x: float, kind: Format) -> float:
        """The absolute error of a result near zero."""
        if abs(x) >= 2.0 * max(kind.smallest_normal, self.compute.smallest_normal):
            return 0.0
        flushed = self.compute.smallest_normal if self.flush else 0.0
        return max(flushed, kind.smallest / 2, float64.smallest)

    def _function(self, low: float, high: float, units: float, nan: bool = False, finite: bool = True) -> Outcome:
        """A result between two real ones, with an error in units; ``finite``: of finite operands."""
        if finite:
            low, high = _real(low, high)
        return self.number(self._below(low, units), self._above(high, units), nan)

    def stored(self, x: Scalar) -> Outcome:
        kind = self.storage
        return cast("Outcome", x) if kind == self.compute else self._narrowed(x, kind)

    def _narrowed(self, x: Outcome, kind: Format) -> Outcome:
        """The number, and what it is rounded to."""
        if x.low > x.high or (x.low == x.high and kind.represents(x.low)):
            return x
        low = x.low if x.low >= kind.overflow else self._below(x.low, 1.0, kind)
        high = x.high if x.high <= -kind.overflow else self._above(x.high, 1.0, kind)
        return self.number(low, high, x.nan, x.idle)

    # Products and quotients

    def multiply(self, a: Outcome, b: Outcome) -> Outcome:
        product, exact = self._times(a, b)
        if exact or product.low > product.high:
            return product
        rounded = self._function(product.low, product.high, 1.0, product.nan)
        rounded.idle = product.idle
        return rounded

    def _underflown(self, low: float, high: float) -> tuple[float, float]:
        """The range of a product near zero, where rounding errors are not relative to it."""
        below, above = low - self._tiny(low, self.compute), high + self._tiny(high, self.compute)
        return max(below, 0.0) if low >= 0.0 else below, min(above, 0.0) if high <= 0.0 else above

    def _times(self, a: Outcome, b: Outcome) -> tuple[Outcome, bool]:
        """The product before it is rounded, and whether it need not be."""
        if a.low == a.high and b.low == b.high and not (a.nan or b.nan):
            x, y = a.low, b.low
            product = _product(x, y)
            if math.isfinite(product):
                idle = a.idle or b.idle
                if self._is_product(product, x, y) and not self._flushes(product):
                    return self.number(product, product, idle=idle), True
                return self.number(*self._underflown(product, product), idle=idle), False
        nan = a.nan or b.nan or (_holds_zero(a) and _holds_infinity(b)) or (_holds_zero(b) and _holds_infinity(a))
        ends = [end for x in (a.low, a.high) for y in (b.low, b.high) for end in _reached(x, y)]
        if (_holds_zero(a) and _holds_real(b)) or (_holds_zero(b) and _holds_real(a)):
            ends.append(0.0)
        low, high = _hull(ends)
        if a.low > a.high or b.low > b.high:
            low, high = _INF, -_INF
        if a is b:  # a square
            low, nan = max(low, 0.0), a.nan
        idle = a.idle or b.idle
        if idle and not (a.finite and b.finite):
            low, high, idle = min(low, 0.0), max(high, 0.0), False
        if low >= high and (math.isinf(low) or low == 0.0):
            return self.number(low, high, nan, idle), True
        return self.number(*self._underflown(low, high), nan, idle), False

    def _flushes(self, x: float) -> bool:
        """Whether a result may become zero instead."""
        return self.flush and 0.0 < abs(x) < self.compute.smallest_normal

    def _is_product(self, product: float, x: float, y: float) -> bool:
        if not self.compute.represents(product):
            return False
        if self.compute.precision <= 26:
            return True
        return Fraction(x) * Fraction(y) == Fraction(product)

    def divide(self, a: Outcome, b: Outcome) -> Outcome:
        if a.low > a.high or b.low > b.high:
            return self._nan()
        nan = a.nan or b.nan or (_holds_zero(a) and _holds_zero(b)) or (_holds_infinity(a) and _holds_infinity(b))
        if _holds_zero(b):  # of either sign
            return self.number(-_INF, _INF, nan)
        ends = [divide(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
        if _holds_real(a) and _holds_infinity(b):
            ends.append(0.0)
        low, high = _hull(ends)
        if low == high and self._is_quotient(low, a, b) and not self._flushes(low):
            return self.number(low, low, nan)
        return self._function(low, high, 1.0, nan)

    def _is_quotient(self, quotient: float, a: Outcome, b: Outcome) -> bool:
        if not math.isfinite(quotient) or math.isinf(b.low):
            return not (a.finite and b.finite)
        if a.low != a.high or b.low != b.high or not self.compute.represents(quotient):
            return False
        return Fraction(quotient) * Fraction(b.low) == Fraction(a.low)

    # Sums

    def total(self, terms: Sequence[Scalar]) -> Outcome:
        if len(terms) == 1:
            return cast("Outcome", terms[0])
        return self._summed(terms, 0, self.compute)

    def accumulated(self, terms: Sequence[Scalar]) -> Outcome:
        """The roundings of ``total``, in the storage format too."""
        return self.total(terms) if len(terms) == 1 else self._summed(terms, 0, self.storage)

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Outcome:
        if self.operands != self.compute:
            xs, ys = ([self._narrowed(x, self.operands) for x in factors] for factors in (xs, ys))
        products = [self._times(x, y) for x, y in zip(xs, ys, strict=True)]
        terms = [product for product, _ in products]
        return self._summed([*terms, *rest], sum(not exact for _, exact in products), self.compute)

    def _summed(self, terms: Sequence[Outcome], inexact: int, kind: Format) -> Outcome:
        """The sum of terms, of which ``inexact`` are still to be rounded, in any order, its parts kept in a format."""
        if any(term.low > term.high for term in terms):
            return self._nan()
        terms = [term for term in terms if term.low != 0.0 or term.high != 0.0 or term.nan]  # adding zero does nothing
        lows, highs = [term.low for term in terms], [term.high for term in terms]
        # the errors grow with the terms: no further than the terms themselves, so the ends decide
        unit = self._unit if kind == self.compute else self._unit + kind.unit
        share = max(len(terms) - 1 + inexact, 0) * unit
        if inexact == 0 and _exact(lows, highs) and kind.represents(sum(lows)):
            share = 0.0
        overflow = _overflow(kind) / (1.0 + max(share - unit, 0.0))  # all roundings but the last
        more = [k for k, x in enumerate(highs) if x == _INF] + [-1] * _overflows(highs, inexact, overflow)
        less = [k for k, x in enumerate(lows) if x == -_INF] + [-2] * _overflows([-x for x in lows], inexact, overflow)
        nan = any(term.nan for term in terms) or any(i != j for i in more for j in less)
        if _INF in lows or -_INF in highs:  # certainly infinite, if not NaN
            if _INF in lows and -_INF in highs:
                return self._nan()
            return self.number(_INF, _INF, nan) if _INF in lows else self.number(-_INF, -_INF, nan)
        low = -_INF if less else _least(lows, share)
        high = _INF if more else -_least([-x for x in highs], share)
        if kind != self.compute:  # the terms are not numbers of the format
            tiny = len(terms) * kind.smallest
            low, high = low - tiny, high + tiny
        lost = self._lost(lows, highs)
        if max(highs, default=0.0) > 0.0:
            low = max(low - lost, 0.0) if min(lows) >= 0.0 else low - lost
        if min(lows, default=0.0) < 0.0:
            high = min(high + lost, 0.0) if max(highs) <= 0.0 else high + lost
        return self.number(low, high, nan)

    def _lost(self, lows: Sequence[float], highs: Sequence[float]) -> float:
        """What partial sums that become zero may take from a sum of such terms: nothing if none can be so small."""
        if not self.flush:
            return 0.0
        least = min((abs(x) for x in (*lows, *highs) if x != 0.0), default=_INF)
        safe = 2.0**self.compute.precision * self.compute.smallest_normal  # of this, the last bit is not subnormal
        return (len(lows) - 1) * self.compute.smallest_normal if least < safe else 0.0

    # Elementary functions, all but the last two growing with their argument

    def _growing(self, function: Callable[[float], float], x: Outcome, units: float, low: float = -_INF) -> Outcome:
        """``function`` of the arguments from ``low`` on; NaN of those below."""
        if x.high < low or x.low > x.high:
            return self._nan()
        nan = x.nan or x.low < low
        return self._function(function(max(x.low, low)), function(x.high), units, nan, math.isfinite(x.high))

    def exp(self, x: Scalar) -> Outcome:
        if x.low == x.high == 0.0:
            return self.number(1.0, 1.0, x.nan)
        return self._growing(lambda v: ieee(math.exp, v), x, self.units["exp"])

    def log(self, x: Scalar) -> Outcome:
        if x.low == x.high == 1.0:
            return self.number(0.0, 0.0, x.nan)
        found = self._growing(lambda v: ieee(math.log, v), x, self.units["log"], 0.0)
        if x.low > 0.0 or found.low > found.high:
            return found
        return self.number(-_INF, found.high if x.high > 0.0 else -_INF, found.nan)

    def sqrt(self, x: Scalar) -> Outcome:
        return self._growing(math.sqrt, x, self.units["sqrt"], 0.0)

    def power(self, x: Scalar, exponent: Fraction | int) -> Outcome:
        if x.low > x.high:
            return self._nan()
        e = float(exponent)
        ends = [power(v, e) for v in (x.low, x.high)]
        # a rounded exponent moves the logarithm of the power by its error times the logarithm
        logarithm = max(abs(math.log(v)) for v in (x.low, x.high, 1.0) if 0.0 < v < _INF)
        units = self.units["power"] + (0.0 if self.compute.represents(e) and e == exponent else abs(e) * logarithm)
        return self._function(min(ends), max(ends), units, x.nan, x.finite and x.low > 0.0)

    def tanh(self, x: Scalar) -> Outcome:
        return self._growing(math.tanh, x, self.units["tanh"])

    def sigmoid(self, x: Scalar) -> Outcome:
        """As 1 / (1 + exp(-x)): where exp(-x) overflows the quotient is zero instead of subnormal."""
        found = self._growing(sigmoid, x, self.units["exp"] + 2.0)
        low = 0.0 if found.low < 2.0 * self.compute.smallest_normal else found.low
        return self.number(low, found.high, found.nan)

    def erf(self, x: Scalar) -> Outcome:
        return self._growing(math.erf, x, self.units["erf"])

    def sin(self, x: Scalar) -> Outcome:
        return self._wave(math.sin, x, self.units["sin"])

    def cos(self, x: Scalar) -> Outcome:
        return self._wave(math.cos, x, self.units["cos"])

    def _wave(self, function: Callable[[float], float], x: Outcome, units: float) -> Outcome:
        if x.low == x.high and math.isinf(x.low):
            return self._nan()
        if not x.finite:
            return self.number(-1.0, 1.0, True)
        centre, spread = function(x.low), x.high - x.low  # of slope 1 at most
        return self._function(centre - spread, centre + spread, units)

    # Operations that round nothing

    def absolute(self, x: Scalar) -> Outcome:
        if x.low <= 0.0 <= x.high:
            return self.number(0.0, max(-x.low, x.high), x.nan)
        return cast("Outcome", x if x.low > 0.0 else -x)

    def largest(self, xs: Sequence[Scalar]) -> Outcome:
        """NaN if one of them is; the formula's numbers may be one number computed in several ways."""
        if any(x.low > x.high for x in xs):
            return self._nan()
        least = max(x.low for x in xs)
        able = [x for x in xs if x.high >= least]
        low, high, idle = min(x.low for x in able), max(x.high for x in able), any(x.idle for x in able)
        return self.number(max(low, 0.0) if idle else low, high, any(x.nan for x in xs), idle)

    def descending(self, xs: Sequence[Scalar]) -> list[Scalar]:
        """With a NaN among them all are: it has no place in an order."""
        if any(x.low > x.high for x in xs):
            return [self._nan() for _ in xs]
        lows = sorted((x.low for x in xs), reverse=True)
        highs = sorted((x.high for x in xs), reverse=True)
        nan = any(x.nan for x in xs)
        return [self.number(low, high, nan) for low, high in zip(lows, highs, strict=True)]

    def rectified(self, x: Scalar) -> Outcome:
        return self._nan() if x.low > x.high else self.number(max(x.low, 0.0), max(x.high, 0.0), x.nan)

    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Outcome:
        """1 or 0, and either where rounding or NaN leaves it open."""
        surely = not x.nan and low <= x.low and x.high < high
        never = not x.nan and (x.high < low or x.low >= high)
        return self.number(1.0 if surely else 0.0, 0.0 if never else 1.0)

    def chosen(self, weights: Sequence[Scalar], xs: Sequence[Scalar]) -> Outcome:
        able = [x for weight, x in zip(weights, xs, strict=True) if weight.high > 0.0]
        return self.number(min(x.low for x in able), max(x.high for x in able), any(x.nan for x in able))

    def beside(self, x: Scalar, others: Callable[[], Sequence[Scalar]]) -> Outcome:
        unharmed = all(other.finite for other in others())
        return self.number(x.low, x.high, x.nan or not unharmed, x.idle)

    def through(self, x: Scalar, steps: Callable[[], Sequence[Scalar]]) -> Outcome:
        made = steps()
        if not all(step.finite for step in made):
            return self.number(-_INF, _INF, True) if x.finite else self.number(x.low, x.high, True, x.idle)
        lost = sum(self._underflow(step) for step in made)
        return self.number(x.low - lost, x.high + lost, x.nan) if lost else cast("Outcome", x)

    def _underflow(self, step: Outcome) -> float:
        """What rounding may take from a number that is too small for the format; zero loses nothing."""
        return self._tiny(max(step.low, -step.high, 0.0), self.compute) if step.low or step.high else 0.0


def _overflows(highs: Sequence[float], inexact: int, overflow: float) -> bool:
    """Whether some of these terms may add up to infinity: those that are positive. One by itself does not."""
    positive = [x for x in highs if 0.0 < x < _INF]
    return len(positive) + inexact > 1 and _sum(positive) >= overflow


def _least(lows: Sequence[float], share: float) -> float:
    """The least sum, with an error of this share of the terms."""
    return min(_sum(lows), float64.largest) - _sum(share * abs(x) for x in lows)


def _holds_zero(x: Outcome) -> bool:
    return x.low <= 0.0 <= x.high


def _holds_infinity(x: Outcome) -> bool:
    return x.low == -_INF or x.high == _INF


def _holds_real(x: Outcome) -> bool:
    return x.low < x.high or math.isfinite(x.low)


def _overflow(kind: Format) -> float:
    """What and all beyond which may become infinite: of binary64 the largest number, known only in binary64."""
    return min(kind.overflow, float64.largest)


def _product(x: float, y: float) -> float:
    """x y, which keeps its sign where it underflows."""
    product = x * y
    if product == 0.0 and x != 0.0 and y != 0.0:
        return math.copysign(float64.smallest, product)
    return product


def _reached(x: float, y: float) -> tuple[float, float]:
    """x y, and the least that it may be: real, where both are, if binary64 does not end before it."""
    product = _product(x, y)
    is_real = math.isinf(product) and math.isfinite(x) and math.isfinite(y)
    return product, math.copysign(float64.largest, product) if is_real else product


def _real(low: float, high: float) -> tuple[float, float]:
    """The range of a real number: that it is infinite is known only because binary64 ends here."""
    return min(low, float64.largest), max(high, -float64.largest)


def _hull(results: Iterable[float]) -> tuple[float, float]:
    """The least and the largest of the results that are numbers; none (an empty range) where all are NaN."""
    numbers = [x for x in results if x == x]
    return min(numbers, default=_INF), max(numbers, default=-_INF)


def _sum(xs: Iterable[float]) -> float:
    """The sum rounded once, infinite beyond binary64."""
    xs = list(xs)
    try:
        return math.fsum(xs)
    except OverflowError:  # perhaps on the way only
        exact = sum(map(Fraction, xs), Fraction())
        return float(exact) if abs(exact) <= float64.largest else _INF if exact > 0 else -_INF


def _exact(lows: Sequence[float], highs: Sequence[float]) -> bool:
    """Whether the sum of two numbers at most, known exactly, is a number of binary64."""
    if len(lows) > 2 or lows != highs:
        return False
    found = sum(lows)
    return math.isfinite(found) and sum(map(Fraction, lows)) == Fraction(found)

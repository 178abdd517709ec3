"""The envelope arithmetic: a value, and the error that the written formula may commit in a declared arithmetic.

An ``Envelope`` is a float, the centre, with a ``bound``: every implementation that evaluates the formula in the
declared compute and storage formats, adding in any order and fusing what it likes, ends within ``bound`` of the truth.
The centre is computed in binary64, whose own rounding is charged with the rest.

Charges follow the standard model of rounding, ``fl(a op b) = (a op b)(1 + d) + f`` with ``|d| <= u`` and ``|f|`` at
most half the smallest number (Higham, Accuracy and Stability of Numerical Algorithms, 2002, eq. 2.8). Nothing is
charged where nothing is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import cast

from oracle.accuracy import UNITS
from oracle.fast import divide, ieee, power, sigmoid
from oracle.formats import Format, float64
from oracle.scalar import Differentiable, Scalar

_bound_of = attrgetter("bound")
_product = float.__mul__
_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)  # the slope of erf at 0


class Envelope(float):
    """A centre with the error it may carry. ``rules`` belongs to the arithmetic that made the subclass."""

    __slots__ = ("bound",)
    bound: float
    rules: EnvelopeArithmetic

    def __add__(self, other: float) -> Envelope:
        return self.rules.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: float) -> Envelope:
        return self.rules.add(self, -other)

    def __rsub__(self, other: float) -> Envelope:
        return self.rules.add(-self, other)

    def __mul__(self, other: float) -> Envelope:
        return self.rules.multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Envelope:
        return self.rules.divide(self, other)

    def __rtruediv__(self, other: float) -> Envelope:
        return self.rules.divide(self.rules.lift(other), self)

    def __neg__(self) -> Envelope:
        return self.rules.make(float.__neg__(self), self.bound)

    def __repr__(self) -> str:
        return f"{float(self)!r} ± {self.bound:.3g}"


def bound(x: float) -> float:
    """The error a scalar may carry; a plain number is exact."""
    return x.bound if isinstance(x, Envelope) else 0.0


class EnvelopeArithmetic(Differentiable):
    """Errors of an implementation that computes in ``compute`` and rounds to ``storage`` at what is ``stored``.

    ``operands`` is the format to which factors of a dot product are rounded first (tf32 tensor cores), ``units`` the
    accuracy of elementary functions in units of u, and ``flush`` says that subnormal results may become zero.
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
        self.name = f"{compute.name} computed, {self.storage.name} stored"
        self.undecided = False  # whether a number is known by its range alone, with a centre that is not the truth
        # The centre commits binary64 roundings of its own, at most 2^-53 each; a binary64 truth is taken from the exact
        # arithmetic instead, so its centre owes nothing.
        centre = 0.0 if compute == float64 else float64.unit
        self._unit = compute.unit + centre
        self._tiny = compute.smallest_normal if flush else _half_step(compute)
        self._storage_unit = self.storage.unit + centre
        self._storage_tiny = self.storage.smallest_normal if flush else _half_step(self.storage)
        self.number = cast("type[Envelope]", type("Envelope", (Envelope,), {"rules": self, "__slots__": ()}))

    # Making numbers

    def make(self, centre: float, bound: float) -> Envelope:
        """An envelope; beyond the compute format's range an implementation may have overflowed, and anything goes."""
        result = self.number(centre)
        result.bound = bound if abs(centre) + bound <= self.compute.largest else math.inf
        return result

    def lift(self, value: float) -> Envelope:
        result = self.number(value)
        result.bound = 0.0
        return result

    def constant(self, value: float | Fraction) -> Envelope:
        centre = float(value)
        exact = centre == value and self.compute.represents(centre)
        return self.make(centre, 0.0 if exact else self._rounding(centre))

    def value(self, x: Scalar) -> float:
        return float(x)

    def _rounding(self, magnitude: float) -> float:
        return self._unit * abs(magnitude) + self._tiny

    # The four operations

    def add(self, a: Envelope, b: float) -> Envelope:
        centre = float.__add__(a, b)
        spread = a.bound + bound(b)
        if spread == 0.0 and self._sum_is_exact(a, b, centre):
            return self.make(centre, 0.0)
        return self.make(centre, spread + self._unit * (abs(centre) + spread))  # additions do not underflow

    def multiply(self, a: Envelope, b: float) -> Envelope:
        centre = float.__mul__(a, b)
        ea, eb = a.bound, bound(b)
        if ea == 0.0 and eb == 0.0:
            if self.compute.represents(centre) and self._is_product(a, b, centre):
                return self.make(centre, 0.0)
            return self.make(centre, self._rounding(centre))
        if (ea == 0.0 and a == 0.0) or (eb == 0.0 and b == 0.0):
            return self.make(centre, 0.0)  # zero times anything
        spread = abs(float(a)) * eb + abs(float(b)) * ea + ea * eb
        return self.make(centre, spread + self._rounding(abs(centre) + spread))

    def divide(self, a: Envelope, b: float) -> Envelope:
        centre = divide(float(a), float(b))
        ea, eb = a.bound, bound(b)
        if ea == 0.0 and eb == 0.0:
            if self.compute.represents(centre) and self._is_product(centre, b, a):
                return self.make(centre, 0.0)
            return self.make(centre, self._rounding(centre))
        least = abs(float(b)) - eb
        spread = (ea + abs(centre) * eb) / least if least > 0.0 else math.inf
        return self.make(centre, spread + self._rounding(abs(centre) + spread))

    def _sum_is_exact(self, a: float, b: float, centre: float) -> bool:
        # Knuth's two-sum: the error of the binary64 addition itself
        part = centre - float(a)
        error = (float(a) - (centre - part)) + (float(b) - part)
        return error == 0.0 and self.compute.represents(centre)

    def _is_product(self, a: float, b: float, centre: float) -> bool:
        if self.compute.precision <= 26:
            return math.isfinite(centre) and (float(a) * float(b) == centre)
        if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(centre)):
            return False
        return Fraction(float(a)) * Fraction(float(b)) == Fraction(centre)

    # Sums: Jeannerod and Rump, Improved error bounds for inner products in floating-point arithmetic (2013), theorem
    # 3.1 and 4.2: in any order, (n-1) u sum|t| for a sum of n terms, n u sum|xy| for n products, without higher-order
    # terms.

    def total(self, terms: Sequence[Scalar]) -> Envelope:
        spread = math.fsum(map(_bound_of, terms))
        count = len(terms) - terms.count(0.0) if spread == 0.0 else len(terms)  # adding zero rounds nothing
        return self._sum(terms, spread, count - 1, 0.0)

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Envelope:
        products = list(map(_product, xs, ys))
        if len(xs) != len(ys):
            raise ValueError(f"dot product of {len(xs)} and {len(ys)} numbers")
        ex, ey = list(map(_bound_of, xs)), list(map(_bound_of, ys))
        if self.operands != self.compute:
            ex, ey = self._narrowed(xs, ex), self._narrowed(ys, ey)
        spread = math.fsum(map(_bound_of, rest)) if rest else 0.0
        if any(ex) or any(ey):
            count = len(products)
            if count > 1 and all(y is ys[0] for y in ys):  # the error of a common factor meets the sum of the others
                moved = math.fsum(ex)
                spread += abs(float(ys[0])) * moved + ey[0] * (abs(math.fsum(xs)) + moved)
            else:
                spread += math.fsum(
                    abs(float(x)) * b + abs(float(y)) * a + a * b for x, a, y, b in zip(xs, ex, ys, ey, strict=True)
                )
        else:
            count = len(products) - products.count(0.0)
        products.extend(map(float, rest))
        count += len(rest)
        exactly = self.compute.precision <= 26 or (all(map(_short, xs)) and all(map(_short, ys)))
        return self._sum(products, spread, count, self._tiny * count, products_exact=exactly)

    def _narrowed(self, xs: Sequence[float], bounds: Sequence[float]) -> list[float]:
        narrow = self.operands
        return [
            0.0 if e == 0.0 and narrow.represents(x) else e + narrow.unit * (abs(float(x)) + e)
            for x, e in zip(xs, bounds, strict=True)
        ]

    def _sum(
        self, terms: Sequence[float], spread: float, roundings: int, tiny: float, products_exact: bool = True
    ) -> Envelope:
        try:
            centre = math.fsum(terms)
            magnitude = math.fsum(map(abs, map(float, terms))) + spread
        except (OverflowError, ValueError):  # infinities of both signs, or an intermediate overflow
            return self.make(math.nan, math.inf)
        if magnitude == 0.0 or (spread == 0.0 and products_exact and self._exact_in_any_order(terms, magnitude)):
            return self.make(centre, 0.0)
        if magnitude > self.compute.largest:
            return self.make(centre, math.inf)
        return self.make(centre, spread + roundings * self._unit * magnitude + tiny)

    def _exact_in_any_order(self, terms: Sequence[float], magnitude: float) -> bool:
        """Whether every partial sum is a number of the format: all terms multiples of a step q, and sum|t| <= 2^p q."""
        if magnitude == 0.0:
            return True
        if not magnitude <= self.compute.largest:
            return False
        # if any step works, so does the finest one with 2^p q >= sum|t|
        exponent = math.frexp(magnitude)[1] - self.compute.precision
        if math.ldexp(magnitude, -exponent) == 2.0 ** (self.compute.precision - 1):
            exponent -= 1  # sum|t| is a power of two, itself 2^p q
        exponent = max(exponent, self.compute.emin + 1 - self.compute.precision)
        scale = math.ldexp(1.0, -exponent) if exponent >= -1000 else 0.0
        return scale > 0.0 and all((float(t) * scale).is_integer() for t in terms)

    # Elementary functions: the error of the argument carried through, plus the function's own units

    def _function(self, name: str, centre: float, spread: float) -> Envelope:
        units = self.units[name]
        if name == "sqrt" and units <= 1.0 and spread == 0.0 and centre == 0.0:
            return self.make(centre, 0.0)
        return self.make(centre, spread + units * self._unit * (abs(centre) + spread) + self._tiny)

    def exp(self, x: Scalar) -> Envelope:
        if x.bound == 0.0 and x == 0.0:
            return self.lift(1.0)
        centre = ieee(math.exp, float(x))
        return self._function("exp", centre, centre * ieee(math.expm1, x.bound))

    def log(self, x: Scalar) -> Envelope:
        if x.bound == 0.0 and x == 1.0:
            return self.lift(0.0)
        relative = x.bound / float(x) if x > 0.0 else math.inf
        spread = -math.log1p(-relative) if relative < 1.0 else math.inf
        return self._function("log", ieee(math.log, float(x)), spread)

    def sqrt(self, x: Scalar) -> Envelope:
        centre = ieee(math.sqrt, float(x))
        if x.bound == 0.0:
            if self.units["sqrt"] <= 1.0 and self.compute.represents(centre) and self._is_product(centre, centre, x):
                return self.make(centre, 0.0)
            return self._function("sqrt", centre, 0.0)
        low = math.sqrt(max(float(x) - x.bound, 0.0))
        return self._function("sqrt", centre, x.bound / (centre + low) if centre > 0.0 else math.sqrt(x.bound))

    def power(self, x: Scalar, exponent: Fraction | int) -> Envelope:
        centre = power(float(x), float(exponent))
        if x.bound == 0.0 and x in (0.0, 1.0):
            return self.lift(centre)  # by C17, F.10.4.4
        size, rounding = abs(float(exponent)), self.constant(exponent).bound
        if x.bound < x:  # how far the logarithm of the power moves
            change = (size + rounding) * -math.log1p(-x.bound / float(x)) + rounding * abs(math.log(float(x)))
            spread = centre * ieee(math.expm1, change)
        elif exponent > 0:
            top = float(x) + x.bound
            spread = power(top, size) * ieee(math.exp, rounding * abs(math.log(top)))
        else:
            spread = math.inf
        return self._function("power", centre, spread)

    def tanh(self, x: Scalar) -> Envelope:
        flattest = math.tanh(max(abs(float(x)) - x.bound, 0.0))
        return self._odd("tanh", math.tanh, x, 1.0 - flattest * flattest)

    def erf(self, x: Scalar) -> Envelope:
        nearest = max(abs(float(x)) - x.bound, 0.0)
        return self._odd("erf", math.erf, x, _TWO_BY_ROOT_PI * math.exp(-nearest * nearest))

    def _odd(self, name: str, function: Callable[[float], float], x: Envelope, slope: float) -> Envelope:
        if x.bound == 0.0 and x == 0.0:
            return self.lift(float(x))
        return self._function(name, function(float(x)), slope * x.bound)

    def sigmoid(self, x: Scalar) -> Envelope:
        """As 1 / (1 + exp(-x)): the units of exp, one addition and one division, each correctly rounded.

        The rounding of an exact 1 + exp(-x) is included; where exp(-x) overflows the quotient is zero instead of
        subnormal.
        """
        centre = sigmoid(float(x))
        steepest = sigmoid(-max(abs(float(x)) - x.bound, 0.0))
        spread = steepest * (1.0 - steepest) * x.bound
        units = self.units["exp"] + 2.0
        overflowed = self.compute.smallest_normal if centre < 2.0 * self.compute.smallest_normal else 0.0
        return self.make(centre, spread + units * self._unit * (centre + spread) + self._tiny + overflowed)

    def sin(self, x: Scalar) -> Envelope:
        return self._odd("sin", math.sin, x, 1.0)

    def cos(self, x: Scalar) -> Envelope:
        if x.bound == 0.0 and x == 0.0:
            return self.lift(1.0)
        return self._function("cos", math.cos(float(x)), x.bound)

    # Operations that round nothing

    def absolute(self, x: Scalar) -> Envelope:
        return self.make(abs(float(x)), x.bound)

    def largest(self, xs: Sequence[Scalar]) -> Envelope:
        """The maximum moves by no more than its arguments do; those that cannot attain it do not count."""
        top = max(xs)
        least = max(float(x) - x.bound for x in xs)
        return self.make(float(top), max(x.bound for x in xs if float(x) + x.bound >= least))

    def rectified(self, x: Scalar) -> Envelope:
        return self.make(max(float(x), 0.0), x.bound if float(x) + x.bound > 0.0 else 0.0)

    def candidates(self, xs: Sequence[Scalar]) -> list[int]:
        """The places of the values that may turn out to be the largest."""
        least = max(float(x) - x.bound for x in xs)
        return [k for k, x in enumerate(xs) if float(x) + x.bound >= least]

    def between(self, low: int, high: int) -> Envelope:
        self.undecided = True
        return self.make((low + high) / 2, (high - low) / 2)

    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Envelope:
        """Exactly 0 or 1, except where rounding may carry the coordinate over a border: there, either."""
        below, above = float(x) - x.bound, float(x) + x.bound
        centre = float(low <= x < high)
        certain = (low <= below and above < high) or above < low or below >= high
        return self.make(centre, 0.0 if certain else 1.0)

    def stored(self, x: Scalar) -> Envelope:
        if self.storage == self.compute or (x.bound == 0.0 and self.storage.represents(x)):
            return cast("Envelope", x)
        magnitude = abs(float(x)) + x.bound
        if magnitude > self.storage.largest:
            return self.make(float(x), math.inf)
        return self.make(float(x), x.bound + self._storage_unit * magnitude + self._storage_tiny)


def _half_step(kind: Format) -> float:
    """Half the smallest number, by which a subnormal result may be off; binary64 holds no half of its own."""
    return max(kind.smallest / 2, float64.smallest)


def _short(x: float) -> bool:
    """Whether a product with another such number is exact in binary64: at most 26 significant bits."""
    scaled = math.ldexp(math.frexp(x)[0], 26)
    return scaled.is_integer()

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
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import cast

from oracle.accuracy import UNITS
from oracle.fast import divide, ieee, power, sigmoid
from oracle.formats import Format, float64
from oracle.scalar import Differentiable, Scalar

_bound_of = attrgetter("bound")
_product = float.__mul__
# Veltkamp's constant for halves of 26 bits of a binary64 number, and a range in which no step of Dekker's product
# overflows, and none of its parts, multiples of 2^-105 of the product, underflows.
_SPLITTER = 2.0**27 + 1.0
_LARGEST_SPLIT = 2.0**990
_LEAST_SPLIT = 2.0**-900
_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)  # the slope of erf at 0


class Envelope(float):
    """A centre with the error it may carry. ``rules`` belongs to the arithmetic that made the subclass."""

    __slots__ = ("bound", "reach")
    bound: float
    reach: float  # of a number that may have overflowed: the error it may carry if it has not
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
    accuracy of elementary functions in units of u, and ``flush`` says that results may become zero where they
    are subnormal in ``compute``.
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
        self.overflowed = False  # whether a number may be infinite
        self.undecided = False  # whether a number is known by its range alone, with a centre that is not the truth
        # The centre commits binary64 roundings of its own, at most 2^-53 each; a binary64 truth is taken from the exact
        # arithmetic instead, so its centre owes nothing.
        centre = 0.0 if compute == float64 else float64.unit
        self._unit = compute.unit + centre
        self._tiny = compute.smallest_normal if flush else _half_step(compute)
        self._flushed = compute.smallest_normal if flush else 0.0  # else additions do not underflow
        self._storage_unit = self.storage.unit + centre
        self._storage_tiny = max(_half_step(self.storage), self._flushed)
        self.number = cast("type[Envelope]", type("Envelope", (Envelope,), {"rules": self, "__slots__": ()}))

    # Making numbers

    def make(self, centre: float, bound: float) -> Envelope:
        """An envelope; beyond the compute format's range an implementation may have overflowed, and anything goes."""
        result = self.number(centre)
        result.bound = bound
        return result if abs(centre) + bound <= self.compute.largest else self._overflowing(result)

    def _overflowing(self, x: Envelope) -> Envelope:
        self.overflowed = True
        reach = x.bound
        if math.isinf(x):  # of binary64, too: the difference of two such numbers is anything, not surely NaN
            x = self.number(math.copysign(sys.float_info.max, x))
        x.reach, x.bound = reach, math.inf
        return x

    def _anything(self) -> Envelope:
        return self.make(0.0, math.inf)

    def lift(self, value: float) -> Envelope:
        result = self.number(value)
        result.bound = 0.0
        return result

    def constant(self, value: float | Fraction) -> Envelope:
        centre = float(value)
        if math.isinf(centre):  # the formula's own infinity, not one that overflowed
            return self.lift(centre)
        exact = centre == value and self.compute.represents(centre)
        return self.make(centre, 0.0 if exact else self._rounding(centre))

    def value(self, x: Scalar) -> float:
        return float(x)

    def _rounding(self, magnitude: float) -> float:
        return self._unit * abs(magnitude) + self._tiny

    def _least(self, kind: Format) -> float:
        """The smallest positive result that surely stays what it is."""
        return max(kind.smallest, self._flushed)

    def _kept(self, x: float, kind: Format) -> bool:
        """Whether a result is what an implementation gives that rounds it to this format."""
        return kind.represents(x) and (x == 0.0 or abs(x) >= self._least(kind))

    # The four operations

    def add(self, a: Envelope, b: float) -> Envelope:
        centre = float.__add__(a, b)
        spread = a.bound + bound(b)
        if spread == 0.0 and self._sum_is_exact(a, b, centre):
            return self.make(centre, 0.0)
        if math.isinf(centre) and spread < math.inf and (math.isinf(a) or math.isinf(b)):
            return self.lift(centre)  # an infinity of the formula's own, not one that overflowed
        return self.make(centre, spread + self._unit * (abs(centre) + spread) + self._flushed)

    def multiply(self, a: Envelope, b: float) -> Envelope:
        centre = float.__mul__(a, b)
        ea, eb = a.bound, bound(b)
        if ea == 0.0 and eb == 0.0:
            if self._kept(centre, self.compute) and self._is_product(a, b, centre):
                return self.make(centre, 0.0)
            return self.make(centre, self._rounding(centre))
        if (ea == 0.0 and a == 0.0 and eb < math.inf) or (eb == 0.0 and b == 0.0 and ea < math.inf):
            return self.make(centre, 0.0)  # zero times anything finite
        spread = abs(float(a)) * eb + abs(float(b)) * ea + ea * eb
        return self.make(centre, spread + self._rounding(abs(centre) + spread))

    def divide(self, a: Envelope, b: float) -> Envelope:
        centre = divide(float(a), float(b))
        ea, eb = a.bound, bound(b)
        if ea == 0.0 and eb == 0.0:
            if self._kept(centre, self.compute) and self._is_product(centre, b, a):
                return self.make(centre, 0.0)
            return self.make(centre, self._rounding(centre))
        least = abs(float(b)) - eb
        spread = (ea + abs(centre) * eb) / least if least > 0.0 else math.inf
        return self.make(centre, spread + self._rounding(abs(centre) + spread))

    def _sum_is_exact(self, a: float, b: float, centre: float) -> bool:
        # Knuth's two-sum: the error of the binary64 addition itself
        part = centre - float(a)
        error = (float(a) - (centre - part)) + (float(b) - part)
        return error == 0.0 and self._kept(centre, self.compute)

    def _is_product(self, a: float, b: float, centre: float) -> bool:
        if self.compute.precision <= 26:
            return math.isfinite(centre) and (float(a) * float(b) == centre)
        return _is_product(float(a), float(b), float(centre))

    # Sums: Jeannerod and Rump, Improved error bounds for inner products in floating-point arithmetic (2013), theorem
    # 3.1 and 4.2: in any order, (n-1) u sum|t| for a sum of n terms, n u sum|xy| for n products, without higher-order
    # terms.

    def total(self, terms: Sequence[Scalar]) -> Envelope:
        spread = _fsum(map(_bound_of, terms))
        count = len(terms) - terms.count(0.0) if spread == 0.0 else len(terms)  # adding zero rounds nothing
        return self._sum(terms, spread, count - 1, 0.0, exact=spread == 0.0)

    def accumulated(self, terms: Sequence[Scalar]) -> Envelope:
        """The roundings of ``total``, in the storage format."""
        found = self.total(terms)
        if self.storage == self.compute or len(terms) < 2:
            return found
        spread = _fsum(map(_bound_of, terms))
        magnitude = _fsum(map(abs, map(float, terms))) + spread
        if spread == 0.0 and self._exact_in_any_order(terms, magnitude, self.storage):
            return found
        error = (len(terms) - 1) * (self._storage_unit * magnitude + self._storage_tiny)
        result = self.make(float(found), found.bound + error)
        return result if magnitude + error <= self.storage.largest else self._overflowing(result)

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Envelope:
        if len(xs) != len(ys):
            raise ValueError(f"dot product of {len(xs)} and {len(ys)} numbers")
        if len(xs) == 1 and not rest and self.operands == self.compute:
            return self.multiply(xs[0], ys[0])
        products = list(map(_product, xs, ys))
        ex, ey = list(map(_bound_of, xs)), list(map(_bound_of, ys))
        if self.operands != self.compute:
            ex, ey = self._narrowed(xs, ex), self._narrowed(ys, ey)
        spread = grown = _fsum(map(_bound_of, rest)) if rest else 0.0
        count = len(products)
        uncertain = any(ex) or any(ey)
        if uncertain:
            moved = _fsum(
                abs(float(x)) * b + abs(float(y)) * a + a * b for x, a, y, b in zip(xs, ex, ys, ey, strict=True)
            )
            grown += moved
            if count > 1 and all(y is ys[0] for y in ys):  # the error of a common factor meets the sum of the others
                others = _fsum(ex)
                moved = abs(float(ys[0])) * others + ey[0] * (abs(_fsum(xs)) + others)
            spread += moved
        else:
            count -= sum(x == 0.0 or y == 0.0 for x, y in zip(xs, ys, strict=True))
        products.extend(map(float, rest))
        count += len(rest)
        exact = not uncertain and spread == 0.0
        exact = exact and (self.compute.precision <= 26 or all(map(_holds_product, xs, ys)))
        found = self._sum(products, spread, count, count * self._tiny, exact=exact, grown=grown)
        if math.isnan(found) and all(map(math.isfinite, (*xs, *ys, *rest))):  # the products overflowed
            return self._anything()
        return found

    def _narrowed(self, xs: Sequence[float], bounds: Sequence[float]) -> list[float]:
        narrow = self.operands
        tiny = max(_half_step(narrow), self._flushed)

        def error(x: float, e: float) -> float:
            size = abs(float(x)) + e
            if size > narrow.largest:
                return math.inf
            return 0.0 if e == 0.0 and self._kept(x, narrow) else e + narrow.unit * size + tiny

        return list(map(error, xs, bounds))

    def _sum(
        self,
        terms: Sequence[float],
        spread: float,
        roundings: int,
        tiny: float,
        *,
        exact: bool,
        grown: float | None = None,
    ) -> Envelope:
        """The sum of terms, ``exact`` ones or some that move it by ``spread`` and may have ``grown`` by more."""
        grown = spread if grown is None else grown
        try:
            centre = math.fsum(terms)
            magnitude = math.fsum(map(abs, map(float, terms))) + grown
        except (OverflowError, ValueError):  # an intermediate overflow, or infinities of both signs
            return self._anything() if all(map(math.isfinite, terms)) else self.make(math.nan, math.inf)
        if exact and self._exact_in_any_order(terms, magnitude, self.compute):
            return self.make(centre, 0.0)
        tiny += (len(terms) - 1) * self._flushed
        error = roundings * self._unit * (magnitude + tiny) + tiny
        return self.make(centre, spread + error if magnitude + error <= self.compute.largest else math.inf)

    def _exact_in_any_order(self, terms: Sequence[float], magnitude: float, kind: Format) -> bool:
        """Whether every partial sum is a number of the format: all terms multiples of a step q, and sum|t| <= 2^p q."""
        if magnitude == 0.0:
            return True
        if not magnitude <= kind.largest:
            return False
        # if any step works, so does the finest one with 2^p q >= sum|t|
        exponent = math.frexp(magnitude)[1] - kind.precision
        if (
            math.ldexp(magnitude, -exponent) == 2.0 ** (kind.precision - 1)
            and _fsum([*map(abs, terms), -magnitude]) == 0
        ):
            exponent -= 1  # sum|t| is a power of two, itself 2^p q
        exponent = max(exponent, math.frexp(self._least(kind))[1] - 1)
        scale = math.ldexp(1.0, -exponent) if exponent >= -1000 else 0.0
        return all(t == 0.0 or _positive_integer(abs(float(t)) * scale) for t in terms)

    # Elementary functions: the error of the argument carried through, plus the function's own units

    def _function(self, name: str, centre: float, spread: float) -> Envelope:
        return self.make(centre, spread + self.units[name] * self._unit * (abs(centre) + spread) + self._tiny)

    def exp(self, x: Scalar) -> Envelope:
        if x.bound == 0.0 and (x == 0.0 or x == -math.inf):
            return self.lift(math.exp(x))
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
            return self.make(centre, 0.0)  # by C17, F.10.4.4
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
        return self._function(name, ieee(function, float(x)), slope * x.bound)

    def sigmoid(self, x: Scalar) -> Envelope:
        """As 1 / (1 + exp(-x)): the units of exp, one addition and one division, each correctly rounded.

        The rounding of an exact 1 + exp(-x) is included; where exp(-x) overflows the quotient is zero instead of
        subnormal.
        """
        centre = sigmoid(float(x))
        steepest = sigmoid(-max(abs(float(x)) - x.bound, 0.0))
        spread = steepest * (1.0 - steepest) * x.bound
        u, units = self._unit, self.units["exp"]
        relative = u * (units + 2.0 - units * u) / ((1.0 - units * u) * (1.0 - u))  # (1+u) / ((1-units u) (1-u)) - 1
        overflowed = self.compute.smallest_normal if centre - spread < 2.0 * self.compute.smallest_normal else 0.0
        return self.make(centre, spread + relative * (centre + spread) + self._tiny + overflowed)

    def sin(self, x: Scalar) -> Envelope:
        return self._odd("sin", math.sin, x, 1.0)

    def cos(self, x: Scalar) -> Envelope:
        if x.bound == 0.0 and x == 0.0:
            return self.lift(1.0)
        return self._function("cos", ieee(math.cos, float(x)), x.bound)

    # Operations that round nothing

    def absolute(self, x: Scalar) -> Envelope:
        return self.make(abs(float(x)), x.bound)

    def largest(self, xs: Sequence[Scalar]) -> Envelope:
        """The maximum moves by no more than its arguments do; those that cannot attain it do not count."""
        return self.make(float(max(xs)), max(xs[k].bound for k in self.candidates(xs)))

    def descending(self, xs: Sequence[Scalar]) -> list[Scalar]:
        """The k-th largest lies between the k-th largest of the least and of the largest values that all may have."""
        if any(map(math.isnan, xs)):
            return [self.make(math.nan, math.inf) for _ in xs]
        centres = sorted(map(float, xs), reverse=True)
        lows = sorted((float(x) - x.bound for x in xs), reverse=True)
        highs = sorted((float(x) + x.bound for x in xs), reverse=True)
        ends = zip(centres, lows, highs, strict=True)
        return [self.make(centre, max(high - centre, centre - low, 0.0)) for centre, low, high in ends]

    def rectified(self, x: Scalar) -> Envelope:
        return self.make(max(float(x), 0.0), 0.0 if float(x) + x.bound <= 0.0 else x.bound)

    def candidates(self, xs: Sequence[Scalar]) -> list[int]:
        """The places of the values that may turn out to be the largest."""
        least = max(float(x) - x.bound for x in xs)  # what has no bound is finite
        return [k for k, x in enumerate(xs) if not float(x) + x.bound < least]  # NaN may be the result as well

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
        if self.storage == self.compute or (x.bound == 0.0 and self._kept(x, self.storage)):
            return cast("Envelope", x)
        magnitude = abs(float(x)) + x.bound
        result = self.make(float(x), x.bound + self._storage_unit * magnitude + self._storage_tiny)
        return result if magnitude <= self.storage.largest else self._overflowing(result)


def _fsum(xs: Iterable[float]) -> float:
    """The sum, rounded once; NaN or infinite where it may be."""
    try:
        return math.fsum(xs)
    except OverflowError:
        return math.inf  # in absolute value, perhaps on the way only
    except ValueError:
        return math.nan


def _half_step(kind: Format) -> float:
    """Half the smallest number, by which a subnormal result may be off; binary64 holds no half of its own."""
    return max(kind.smallest / 2, float64.smallest)


def _positive_integer(x: float) -> bool:
    return x > 0.0 and x.is_integer()


def _holds_product(x: float, y: float) -> bool:
    """Whether binary64 holds x * y."""
    return x == 0.0 or y == 0.0 or _is_product(float(x), float(y), float(x) * float(y))


def _is_product(a: float, b: float, product: float) -> bool:
    """Whether a binary64 number is exactly a * b."""
    if not (_LEAST_SPLIT < abs(product) < _LARGEST_SPLIT and abs(a) < _LARGEST_SPLIT and abs(b) < _LARGEST_SPLIT):
        if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(product)):
            return False
        return Fraction(a) * Fraction(b) == Fraction(product)
    if a * b != product:
        return False
    # the error of the product: Dekker, A floating-point technique for extending the available precision (1971), 5.12
    big = _SPLITTER * a
    a_high = big - (big - a)
    big = _SPLITTER * b
    b_high = big - (big - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low == 0.0

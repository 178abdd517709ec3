"""The vocabulary of formulas: what a formula may do with a number.

A formula uses ``+ - * /``, loops, and the functions below. What a number *is* depends on the arithmetic in force: a
float, a ball, a value with the error it may carry, or a node that remembers how it was made. An arithmetic is entered
with ``with arithmetic:``; the vocabulary then means that arithmetic's operations. One process evaluates one formula at
a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeAlias

# A number of the arithmetic in force. Formulas are generic over it, which Python's type system cannot say of operators
# that mix with plain floats.
Scalar: TypeAlias = Any


class Arithmetic(ABC):
    """One meaning of the vocabulary. Entering it puts it in force until it is left; arithmetics nest."""

    name: str

    @cached_property
    def made(self) -> dict[Any, Any]:
        """What ``once`` has made."""
        return {}

    def constants(self, make: Callable[[], list[Scalar]]) -> list[Scalar]:
        """Numbers that are made of no input."""
        return make()

    def __enter__(self) -> Self:
        _stack.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _stack.pop()

    @abstractmethod
    def lift(self, value: float) -> Scalar:
        """An input element: a number of the storage format, hence exact."""

    @abstractmethod
    def constant(self, value: float | Fraction) -> Scalar: ...

    @abstractmethod
    def total(self, terms: Sequence[Scalar]) -> Scalar: ...

    @abstractmethod
    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar: ...

    def accumulated(self, terms: Sequence[Scalar]) -> Scalar:
        return self.total(terms)

    @abstractmethod
    def exp(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def log(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def sqrt(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def power(self, x: Scalar, exponent: Fraction | int) -> Scalar: ...

    @abstractmethod
    def tanh(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def sigmoid(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def erf(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def sin(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def cos(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def absolute(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def largest(self, xs: Sequence[Scalar]) -> Scalar: ...

    @abstractmethod
    def descending(self, xs: Sequence[Scalar]) -> list[Scalar]: ...

    @abstractmethod
    def rectified(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Scalar: ...

    @abstractmethod
    def stored(self, x: Scalar) -> Scalar: ...

    def detached(self, x: Scalar) -> Scalar:
        return x

    def differential(self, x: Scalar) -> Scalar:
        return self.lift(0.0)

    def with_derivative_of(self, x: Scalar, y: Callable[[], Scalar]) -> Scalar:
        return x

    def reused(self, x: Scalar) -> Scalar:
        return x

    def chosen(self, weights: Sequence[Scalar], xs: Sequence[Scalar]) -> Scalar:
        # so written, a copy of either of two numbers carries their difference as error, a certain one nothing
        first, *rivals = xs
        return self.dot(weights[1:], [x - first for x in rivals], first)

    def beside(self, x: Scalar, others: Callable[[], Sequence[Scalar]]) -> Scalar:
        return x

    def through(self, x: Scalar, steps: Callable[[], Sequence[Scalar]]) -> Scalar:
        return x

    @abstractmethod
    def value(self, x: Scalar) -> float:
        """The float nearest to a scalar's value."""


class Differentiable(Arithmetic):
    """An arithmetic of plain numbers, over which derivatives can be taken."""

    @abstractmethod
    def candidates(self, xs: Sequence[Scalar]) -> list[int]:
        """The places of the values that may turn out to be the largest."""

    @abstractmethod
    def between(self, low: int, high: int) -> Scalar:
        """A number of which only the range is known, such as a slope at a kink: its middle."""


_stack: list[Arithmetic] = []


def current() -> Arithmetic:
    """The arithmetic in force. Raises ``RuntimeError`` outside every ``with arithmetic:``."""
    if not _stack:
        raise RuntimeError("no arithmetic is in force: evaluate formulas inside 'with arithmetic:'")
    return _stack[-1]


def constant(value: float | Fraction) -> Scalar:
    """A parameter or literal that an implementation may round to its compute format, such as eps or 1/3."""
    return _stack[-1].constant(value)


def once(constants: Callable[[int], list[Scalar]]) -> Callable[[int], list[Scalar]]:
    """A function that makes constants of a number: an arithmetic computes those of each number once."""

    def found(number: int) -> list[Scalar]:
        arithmetic = current()
        known: dict[int, list[Scalar]] = arithmetic.made.setdefault(constants, {})
        if number not in known:
            known[number] = arithmetic.constants(lambda: constants(number))
        return known[number]

    return found


def total(terms: Sequence[Scalar]) -> Scalar:
    """The sum of the terms, which may be added in any order; 0 if there is none."""
    return _stack[-1].total(terms)


def dot(xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
    """The sum of the products x*y and of the terms ``rest``, in any order, fused or not."""
    return _stack[-1].dot(xs, ys, *rest)


def accumulated(terms: Sequence[Scalar]) -> Scalar:
    """The sum of the terms, added one by one to a stored number, in any order."""
    return _stack[-1].accumulated(terms)


def exp(x: Scalar) -> Scalar:
    return _stack[-1].exp(x)


def log(x: Scalar) -> Scalar:
    """The natural logarithm."""
    return _stack[-1].log(x)


def sqrt(x: Scalar) -> Scalar:
    return _stack[-1].sqrt(x)


def power(x: Scalar, exponent: Fraction | int) -> Scalar:
    """x^exponent, x not negative; an implementation may round the exponent to its compute format."""
    return _stack[-1].power(x, exponent)


def tanh(x: Scalar) -> Scalar:
    return _stack[-1].tanh(x)


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + exp(-x))."""
    return _stack[-1].sigmoid(x)


def erf(x: Scalar) -> Scalar:
    return _stack[-1].erf(x)


def sin(x: Scalar) -> Scalar:
    return _stack[-1].sin(x)


def cos(x: Scalar) -> Scalar:
    return _stack[-1].cos(x)


def absolute(x: Scalar) -> Scalar:
    return _stack[-1].absolute(x)


def largest(xs: Sequence[Scalar]) -> Scalar:
    """The largest of the values."""
    return _stack[-1].largest(xs)


def descending(xs: Sequence[Scalar]) -> list[Scalar]:
    """The values from the largest to the smallest. Of equal ones any may come first, and its derivative with it."""
    return _stack[-1].descending(xs)


def rectified(x: Scalar) -> Scalar:
    """max(0, x). At 0, and where rounding hides the sign, any slope from 0 to 1 is a derivative."""
    return _stack[-1].rectified(x)


def inside(x: Scalar, low: Fraction | int, high: Fraction | int) -> Scalar:
    """1 where low <= x < high, else 0: the weight of the grid cell [low, high) at a coordinate x."""
    return _stack[-1].inside(x, low, high)


def chosen(weights: Sequence[Scalar], xs: Sequence[Scalar]) -> Scalar:
    """The number whose weight is 1, where all others have the weight 0: a copy, not a sum."""
    return _stack[-1].chosen(weights, xs)


def stored(x: Scalar) -> Scalar:
    """``x`` where an implementation may round it to the storage format: outputs, between layers and time steps."""
    return _stack[-1].stored(x)


def detached(x: Scalar) -> Scalar:
    """``x`` as a constant, towards which no derivative is taken: a shift that stabilises and changes nothing."""
    return _stack[-1].detached(x)


def differential(x: Scalar) -> Scalar:
    """0, with the derivative of ``x``."""
    return _stack[-1].differential(x)


def with_derivative_of(x: Scalar, y: Callable[[], Scalar]) -> Scalar:
    """``x``, whose derivatives are computed as those of ``y()``, the same number found in another way."""
    return _stack[-1].with_derivative_of(x, y)


def reused(x: Scalar) -> Scalar:
    """``x``, of several uses: their derivatives are added one by one to a stored number."""
    return _stack[-1].reused(x)


def beside(x: Scalar, others: Callable[[], Sequence[Scalar]]) -> Scalar:
    """``x``, to which an implementation may add the products of ``others`` and zero: of use where one is not finite."""
    return _stack[-1].beside(x, others)


def through(x: Scalar, steps: Callable[[], Sequence[Scalar]]) -> Scalar:
    """``x``, which an implementation finds by way of numbers like these ``steps``.

    It is lost where one overflows, and off by what rounding takes from those that are below the normal numbers.
    """
    return _stack[-1].through(x, steps)


def undefined(x: Scalar) -> bool:
    """Whether an input is NaN."""
    value = _stack[-1].value(x)
    return value != value


def minus_infinite(x: Scalar) -> bool:
    """Whether an input is minus infinity, as in an additive mask that forbids a place."""
    return _stack[-1].value(x) == float("-inf")

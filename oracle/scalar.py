"""The vocabulary of formulas: what a formula may do with a number.

A formula uses ``+ - * /``, loops, and the functions below. What a number *is* depends on the arithmetic in force: a float,
a ball, a value with the error it may carry, or a node that remembers how it was made. An arithmetic is entered with
``with arithmetic:``; the vocabulary then means that arithmetic's operations. One process evaluates one formula at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from types import TracebackType
from typing import Any, TypeAlias

# A number of the arithmetic in force. Formulas are generic over it, which Python's type system cannot say of operators
# that mix with plain floats.
Scalar: TypeAlias = Any


class Arithmetic(ABC):
    """One meaning of the vocabulary. Entering it puts it in force until it is left; arithmetics nest."""

    name: str

    def __enter__(self) -> Arithmetic:
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

    @abstractmethod
    def exp(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def log(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def sqrt(self, x: Scalar) -> Scalar: ...

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
    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Scalar: ...

    @abstractmethod
    def stored(self, x: Scalar) -> Scalar: ...

    @abstractmethod
    def value(self, x: Scalar) -> float:
        """The float nearest to a scalar's value."""


_stack: list[Arithmetic] = []


def current() -> Arithmetic:
    """The arithmetic in force. Raises ``RuntimeError`` outside every ``with arithmetic:``."""
    if not _stack:
        raise RuntimeError("no arithmetic is in force: evaluate formulas inside 'with arithmetic:'")
    return _stack[-1]


def constant(value: float | Fraction) -> Scalar:
    """A parameter or literal that an implementation may round to its compute format, such as eps or 1/3."""
    return _stack[-1].constant(value)


def total(terms: Sequence[Scalar]) -> Scalar:
    """The sum of the terms, which may be added in any order; 0 if there is none."""
    return _stack[-1].total(terms)


def dot(xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
    """The sum of the products x*y and of the terms ``rest``, in any order, fused or not."""
    return _stack[-1].dot(xs, ys, *rest)


def exp(x: Scalar) -> Scalar:
    return _stack[-1].exp(x)


def log(x: Scalar) -> Scalar:
    """The natural logarithm."""
    return _stack[-1].log(x)


def sqrt(x: Scalar) -> Scalar:
    return _stack[-1].sqrt(x)


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


def inside(x: Scalar, low: Fraction | int, high: Fraction | int) -> Scalar:
    """1 where low <= x < high, else 0: the weight of the grid cell [low, high) at a coordinate x."""
    return _stack[-1].inside(x, low, high)


def stored(x: Scalar) -> Scalar:
    """``x`` where an implementation may round it to the storage format: at the output, between layers and time steps."""
    return _stack[-1].stored(x)


def minus_infinite(x: Scalar) -> bool:
    """Whether an input is minus infinity, as in an additive mask that forbids a place."""
    return _stack[-1].value(x) == float("-inf")

"""The work arithmetic: fast numbers, and about how many multiply-adds it takes to judge what is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.fast import Fast
from oracle.scalar import Scalar

# What an elementary function costs with the error it may carry, in the time of a term of a sum.
_FUNCTION = 8


class Work(Fast):
    """``spent`` counts the terms of sums, and elementary functions by their cost."""

    def __init__(self) -> None:
        self.spent = 0

    def total(self, terms: Sequence[Scalar]) -> Scalar:
        self.spent += len(terms)
        return super().total(terms)

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
        self.spent += len(xs)
        return super().dot(xs, ys, *rest)

    def largest(self, xs: Sequence[Scalar]) -> Scalar:
        self.spent += len(xs)
        return super().largest(xs)

    def exp(self, x: Scalar) -> Scalar:
        self.spent += _FUNCTION
        return super().exp(x)

    def tanh(self, x: Scalar) -> Scalar:
        self.spent += _FUNCTION
        return super().tanh(x)

    def sigmoid(self, x: Scalar) -> Scalar:
        self.spent += _FUNCTION
        return super().sigmoid(x)

"""The arithmetic of terms: a sum is not added up but kept, so that one can ask how well it may be added.

Inputs are floats. ``dot`` and ``total`` of inputs give a ``Sum``; a sum has a negative and may be divided by a power of
two, neither of which rounds anything. Sums are added where a formula says that they are stored in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from oracle.fast import Fast
from oracle.scalar import Scalar


class Sum:
    """Σ x y. A plain term of the sum is a product with 1.

    ``kept`` adds up Σ (x y)² over each partial sum or term that is rounded to the storage format on the way: the sum of
    their mean squares, if the signs of all terms are fair coins.
    """

    __slots__ = ("kept", "xs", "ys")

    def __init__(self, xs: Sequence[float], ys: Sequence[float], kept: float = 0.0) -> None:
        self.xs = xs
        self.ys = ys
        self.kept = kept

    @property
    def square(self) -> float:
        """Σ (x y)²."""
        return math.fsum((x * y) ** 2 for x, y in zip(self.xs, self.ys, strict=True))

    def __add__(self, term: float) -> Sum:
        """The sum, once stored, and one more term. Zero changes nothing, so nothing is rounded."""
        return Sum([*self.xs, term], [*self.ys, 1.0], self.kept + self.square) if term else self

    def __neg__(self) -> Sum:
        return Sum(self.xs, [-y for y in self.ys], self.kept)

    def __truediv__(self, divisor: float) -> Sum:
        """Raises ``ValueError`` where the quotient would be rounded once more."""
        if abs(math.frexp(divisor)[0]) != 0.5:
            raise ValueError(f"a sum is divided by {divisor}: only a division by a power of two rounds nothing")
        return Sum(self.xs, [y / divisor for y in self.ys], self.kept / divisor**2)


class Terms(Fast):
    """Sums of products of inputs. Whatever else a formula does with a sum raises ``TypeError``."""

    name = "terms"

    def lift(self, value: float) -> Scalar:
        return value

    def total(self, terms: Sequence[Scalar]) -> Sum:
        return Sum(terms, [1.0] * len(terms))

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Sum:
        return Sum([*xs, *rest], [*ys, *[1.0] * len(rest)])

    def accumulated(self, terms: Sequence[Scalar]) -> Sum:
        """All terms are stored, and all partial sums but the last, which is the result; in the worst order."""
        sums = [term if type(term) is Sum else Sum([term], [1.0]) for term in terms]
        kept = math.fsum(map(mul, depths(len(sums)), sorted(each.square for each in sums)))
        return Sum(
            [x for each in sums for x in each.xs],
            [y for each in sums for y in each.ys],
            kept + math.fsum(each.kept for each in sums),
        )


def depths(count: int) -> list[int]:
    """How many of ``count`` - 1 additions each term goes through in the order that begins with the largest, which comes
    last here.
    """
    return [min(rank, count - 1) for rank in range(1, count + 1)]

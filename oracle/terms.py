"""The arithmetic of terms: a sum is not added up but kept, so that one can ask how well it may be added.

Inputs are floats. ``dot`` and ``total`` of inputs give a ``Sum``; of a sum nothing further is known but its negative and
its division by a power of two, neither of which rounds anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from oracle.fast import Fast
from oracle.scalar import Scalar


class Sum:
    """Σ x y. A plain term of the sum is a product with 1."""

    __slots__ = ("xs", "ys")

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.xs = xs
        self.ys = ys

    def __neg__(self) -> Sum:
        return Sum(self.xs, [-y for y in self.ys])

    def __truediv__(self, divisor: float) -> Sum:
        """Raises ``ValueError`` where the quotient would be rounded once more."""
        if abs(math.frexp(divisor)[0]) != 0.5:
            raise ValueError(f"a sum is divided by {divisor}: only a division by a power of two rounds nothing")
        return Sum(self.xs, [y / divisor for y in self.ys])


class Terms(Fast):
    """Sums of products of inputs. Whatever else a formula does with a sum raises ``TypeError``."""

    name = "terms"

    def lift(self, value: float) -> Scalar:
        return value

    def total(self, terms: Sequence[Scalar]) -> Sum:
        return Sum(terms, [1.0] * len(terms))

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Sum:
        return Sum([*xs, *rest], [*ys, *[1.0] * len(rest)])

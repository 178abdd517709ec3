"""The rounded arithmetic: every operation rounded to a compute format, as an honest implementation would.

It turns a formula into an implementation of itself, which the suite must find spotless.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import cast

from oracle.fast import Fast, Float
from oracle.formats import Format
from oracle.scalar import Scalar


class Rounded(Fast):
    """Every result rounded to nearest in ``compute``, ``stored`` to ``storage``; sums in an order drawn from ``seed``.

    Rounding a binary64 result once more is the same as rounding the exact result of + - * / and sqrt where binary64 has
    at least 2p + 2 bits (Figueroa, When is double rounding innocuous?, 1995), which holds for every narrower format
    here.
    """

    def __init__(self, compute: Format, storage: Format, seed: int | None = None) -> None:
        self.name = f"rounded to {compute.name}"
        self.storage = storage
        self._order = None if seed is None else random.Random(seed)

        def of(cls: type[Float], value: float) -> Float:
            return cls(compute.round(value))

        self.number = cast("type[Float]", type("Rounded", (Float,), {"of": classmethod(of), "__slots__": ()}))

    def total(self, terms: Sequence[Scalar]) -> Scalar:
        terms = list(terms)
        if self._order is not None:
            self._order.shuffle(terms)
        result = terms[0] if terms else self.number(0.0)
        for term in terms[1:]:
            result = result + term
        return result

    def accumulated(self, terms: Sequence[Scalar]) -> Scalar:
        result = self.number(0.0)
        for term in terms:
            result = self.stored(result + term)
        return result

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Scalar:
        return self.total([*rest, *(x * y for x, y in zip(xs, ys, strict=True))])

    def stored(self, x: Scalar) -> Scalar:
        return self.number(self.storage.round(x))

"""Embedding: a table of vectors.

Source: the document, lines 20 and 50, names it; torch.nn.functional.embedding, whose max_norm edits the
table (aten/src/ATen/native/Embedding.cpp, embedding_renorm_cpu_, which has the 1e-7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from oracle.formulas._shapes import require_rank
from oracle.scalar import (
    Scalar,
    absolute,
    constant,
    detached,
    dot,
    inside,
    largest,
    power,
    sqrt,
    stored,
    total,
    undefined,
    with_derivative_of,
)
from oracle.tensor import Tensor, key, tensor

_MARGIN = Fraction(1, 10**7)


def embedding(
    input: Tensor,
    weight: Tensor,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> dict[str, Tensor]:
    """y = W[i].

    input (*) integers, weight (rows, width); returns output (*, width) and weight (rows, width), an array of its own,
    the table afterwards: with ``max_norm``, every row that is looked up and has a norm above it is first multiplied by
    max_norm / (norm + 1e-7), once. Of that no derivative is taken, and none towards the row
    ``padding_idx``, counted from the end where negative. ``norm_type`` is the p of (Σ |w|^p)^(1/p), which
    may be infinity. Raises ``ValueError`` for an index or ``padding_idx`` outside the table and for a
    ``max_norm`` or ``norm_type`` that is not positive.
    """
    require_rank("weight", weight, 2)
    rows, width = weight.shape
    used = frozenset(input.elements())
    for row in sorted(used):
        if not 0 <= row < rows:
            raise ValueError(f"index {row} is outside the table of {rows} rows: from 0 to {rows - 1}")
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx {padding_idx} is outside the table of {rows} rows: from {-rows} to {rows - 1}")
    padding = None if padding_idx is None else padding_idx % rows
    table = weight if max_norm is None else _renormalised(weight, used, max_norm, norm_type)

    def y(*index: int) -> Scalar:
        *place, e = index
        row = input[key(tuple(place))]
        if row == padding:
            return detached(table[row, e])
        # where the table is edited in place, the derivative is one towards what it holds then
        return with_derivative_of(table[row, e], lambda: weight[row, e])

    return {"output": tensor((*input.shape, width), y), "weight": table}


def _renormalised(weight: Tensor, used: frozenset[int], max_norm: float, norm_type: float) -> Tensor:
    """The table with its used rows shortened to ``max_norm``."""
    if not 0.0 < max_norm < math.inf:
        raise ValueError(f"max_norm is {max_norm}; it must be positive and finite")
    if not norm_type > 0.0:
        raise ValueError(f"norm_type is {norm_type}; it must be positive")
    factors = tensor(weight.shape[:1], lambda row: _factor(stored(_norm(weight[row, ...], norm_type)), max_norm))

    def at(row: int, e: int) -> Scalar:
        w = weight[row, e]
        return stored(w * factors[row]) if row in used else w

    return tensor(weight.shape, at)


def _factor(norm: Scalar, max_norm: float) -> Scalar:
    """By what a row is multiplied: 1 up to ``max_norm``, max_norm / (norm + 1e-7) beyond. A NaN is not beyond."""
    if undefined(norm):
        return constant(1.0)
    limit = constant(max_norm)
    beyond = 1.0 - inside(limit - norm, 0, Fraction(max_norm) + 1)
    return stored(limit / largest([limit, norm + constant(_MARGIN) * beyond]))


def _norm(row: Sequence[Scalar], p: float) -> Scalar:
    """(Σ |w|^p)^(1/p)."""
    if p == 1.0:
        return total([absolute(w) for w in row])
    if p == 2.0:
        return sqrt(dot(row, row))
    if p == math.inf:
        return largest([absolute(w) for w in row])
    return power(total([power(absolute(w), Fraction(p)) for w in row]), 1 / Fraction(p))

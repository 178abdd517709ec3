"""What the attention layers share: a softmax over the permitted keys, and the sum of values that it weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from oracle.scalar import Scalar, constant, dot, exp, largest, minus_infinite, sqrt, stored, total
from oracle.tensor import Tensor, tensor

# The weights of one query, by key; keys that take no part are absent.
Row: TypeAlias = dict[int, Scalar]


def scaled(x: Tensor, factor: Scalar) -> Tensor:
    """Every element times the factor. On queries it scales the scores, in the order that rounds most."""
    return tensor(x.shape, lambda *index: x[index] * factor)


def rounded(x: Tensor) -> Tensor:
    """Every element where an implementation step by step may store it; a fused one does not."""
    return tensor(x.shape, lambda *index: stored(x[index]))


def inverse_root(width: int) -> Scalar:
    """1 / √d."""
    return 1.0 / sqrt(constant(width))


def score(query: Tensor, key: Tensor, *place: int) -> Scalar:
    """Query i times key j of a batch element, at place (*batch, i, j)."""
    *batch, i, j = place
    return dot(query[*batch, i, ...], key[*batch, j, ...])


def masked(score: Callable[[], Scalar], *masks: Scalar | bool) -> Scalar | None:
    """A score under masks: True keeps it, False and minus infinity leave it out (None), numbers are added."""
    if any(mask is False or (mask is not True and minus_infinite(mask)) for mask in masks):
        return None
    return total([score(), *(mask for mask in masks if mask is not True)])


def softmax_rows(
    shape: tuple[int, ...], score: Callable[..., Scalar | None], fully_masked: str = "zero"
) -> Tensor:
    """The weights of the keys: a tensor (*batch, L) of rows, for ``shape`` (*batch, L, S) and ``score(*batch, i, j)``.

    A query without permitted keys weights them "zero", "nan", or all alike ("mean").
    """
    *queries, keys = shape
    if fully_masked not in ("zero", "nan", "mean"):
        raise ValueError(f"fully_masked is {fully_masked!r}; it must be 'zero', 'nan' or 'mean'")

    def row(*query: int) -> Row:
        found = {j: score(*query, j) for j in range(keys)}
        scores = {j: s for j, s in found.items() if s is not None}
        if scores:
            return softmax_row(scores)
        if fully_masked == "zero":
            return {}
        weight = constant(float("nan")) if fully_masked == "nan" else 1.0 / constant(keys)
        return {j: stored(weight) for j in range(keys)}

    return tensor(queries, row)


def softmax_row(scores: Row) -> Row:
    """exp(s − m) / Σ exp(s − m), m the largest score."""
    shift = largest(list(scores.values()))
    powers = {j: exp(s - shift) for j, s in scores.items()}
    sum_of_powers = total(list(powers.values()))
    return {j: stored(power / sum_of_powers) for j, power in powers.items()}


def weighted(rows: Tensor, value: Tensor) -> Tensor:
    """Σ_j a_ij v_j: rows (*batch, L), value (*batch, S, E); returns (*batch, L, E)."""

    def y(*index: int) -> Scalar:
        *query, e = index
        row: Row = rows[*query,]
        return stored(dot(list(row.values()), [value[*query[:-1], j, e] for j in row]))

    return tensor((*rows.shape, value.shape[-1]), y)


def dense(rows: Tensor, keys: int) -> Tensor:
    """The weights as a tensor (*batch, L, S), 0 where a key takes no part."""
    zero = constant(0.0)
    return tensor((*rows.shape, keys), lambda *index: rows[index[:-1]].get(index[-1], zero))

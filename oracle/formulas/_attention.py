"""What the attention layers share: softmax over the permitted keys, and the sum it weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.formulas._shapes import require_least_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import (
    Scalar,
    absolute,
    beside,
    constant,
    detached,
    differential,
    dot,
    exp,
    largest,
    log,
    minus_infinite,
    sqrt,
    stored,
    through,
    total,
    with_derivative_of,
)
from oracle.tensor import Tensor, rounded, tensor


def require_fitting(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raises ``ValueError`` unless they are a query (*, L, E), a key (*, S, E) and a value (*, S, Ev)."""
    for name, x in (("query", query), ("key", key), ("value", value)):
        require_least_rank(name, x, 2)
    *batch, _, width = query.shape
    keys = key.shape[-2]
    require_shape("key", key, *batch, keys, width)
    require_shape("value", value, *batch, keys, value.shape[-1])


def scaled(x: Tensor, factor: Scalar) -> Tensor:
    """Every element times the factor. On queries it scales the scores, where it rounds most."""
    return tensor(x.shape, lambda *index: x[index] * factor)


def inverse_root(width: int) -> Scalar:
    """1 / √d."""
    return 1.0 / sqrt(constant(width))


def score(query: Tensor, key: Tensor, *place: int) -> Scalar:
    """Query i times key j of a batch element, at place (*batch, i, j)."""
    *batch, i, j = place
    return dot(query[*batch, i, ...], key[*batch, j, ...])


def scaled_score(query: Tensor, factor: Scalar, key: Tensor, fused: bool = False) -> Callable[..., Scalar]:
    """The score of query i and key j times the factor, at place (*batch, i, j).

    An implementation may scale the queries or the product. Values are rounded most if it is the queries; derivatives,
    which cancel in sums over the keys, if it is the product. A ``fused`` kernel stores neither.
    """
    queries = scaled(query, factor) if fused else rounded(scaled(query, factor))

    def product(*place: int) -> Scalar:
        found = score(query, key, *place)
        return found if fused else stored(found)

    def at(*place: int) -> Scalar:
        found = with_derivative_of(score(queries, key, *place), lambda: product(*place) * factor)
        return beside(found, lambda: [product(*place)])  # which may have overflowed before it is scaled

    return at


# Scores are divided by it and multiplied again: only the roundings matter.
_LOG_2 = math.log(2.0)


def _unmasked(*place: int) -> tuple[bool, ...]:
    return ()


@dataclass(frozen=True)
class Weights:
    """The weights of the keys, a tensor (*batch, L) of rows.

    ``hidden(*query)`` are the scores that masks leave out, where an implementation weights their keys with zero.
    """

    rows: Tensor
    hidden: Callable[..., Row] | None


def softmax_rows(
    shape: tuple[int, ...],
    score: Callable[..., Scalar],
    masks: Callable[..., Sequence[Scalar | bool]] = _unmasked,
    fully_masked: str = "zero",
    fused: bool = False,
    recomputed: bool = False,
    behind_mask: str = "skipped",
    weigh: Callable[[Row], Row] = softmax_row,
) -> Weights:
    """The weights of the keys.

    ``shape`` is (*batch, L, S); ``score(*batch, i, j)`` plus its ``masks``, of which True adds nothing, False or minus
    infinity leave the key out. A query without permitted keys weights all with nothing ("zero"), all alike ("mean"), or
    with the NaN of an empty softmax ("nan"). What is behind a mask has no influence ("skipped"), or an infinity or NaN
    there may come through a weight of zero ("times_zero"). A ``fused`` kernel does not store the scores; a
    ``recomputed`` row is for ``weighted``, any other is what ``weigh`` makes of the scores.
    """
    *queries, keys = shape
    if fully_masked not in ("zero", "nan", "mean"):
        raise ValueError(f"fully_masked is {fully_masked!r}; it must be 'zero', 'nan' or 'mean'")
    if behind_mask not in ("skipped", "times_zero"):
        raise ValueError(f"behind_mask is {behind_mask!r}; it must be 'skipped' or 'times_zero'")

    def row(*query: int) -> Row:
        added = {j: masks(*query, j) for j in range(keys)}
        permitted = {j: row for j, row in added.items() if not any(map(_forbids, row))}
        scores = {j: total([score(*query, j), *_together(row)]) for j, row in permitted.items()}
        if scores:
            kept = scores if fused else {j: stored(s) for j, s in scores.items()}
            return _recomputed_row(kept) if recomputed else weigh(kept)
        if fully_masked == "zero":
            return {}
        if fully_masked == "mean":
            return {j: stored(1.0 / constant(keys)) for j in range(keys)}
        nan = constant(float("nan"))  # times the scores: every derivative is NaN too
        return {j: nan * total([score(*query, j), *_together(row)]) for j, row in added.items()}

    def hidden(*query: int) -> Row:
        return {j: score(*query, j) for j in range(keys) if any(map(_forbids, masks(*query, j)))}

    return Weights(tensor(queries, row), hidden if behind_mask == "times_zero" else None)


def _together(masks: Sequence[Scalar | bool]) -> list[Scalar]:
    """What masks add to a score: several may be made one, and stored, beforehand."""
    added = list(filter(_adds, masks))
    return [stored(total(added))] if len(added) > 1 else added


def _adds(mask: Scalar | bool) -> bool:
    return mask is not True and mask is not False


def _forbids(mask: Scalar | bool) -> bool:
    return mask is False or (_adds(mask) and minus_infinite(mask))


def _recomputed_row(scores: Row) -> Row:
    """exp(s − log Σ exp s): the weights up to a factor of about 1, as ``weighted`` expects recomputed ones.

    The sum may be one of powers of 2, for which the scores are divided by log 2 first.
    """
    base = constant(_LOG_2)
    exponents = [s / base for s in scores.values()]
    shift = detached(largest(exponents))
    log_of_sum = detached(shift * base + log(total([exp((s - shift) * base) for s in exponents])))
    kept = {j: detached(stored(exp(s - log_of_sum))) for j, s in scores.items()}
    return {j: p * (1.0 + differential(scores[j])) for j, p in kept.items()}


def weighted(weights: Weights, value: Tensor, recomputed: bool = False, online: bool = False) -> Tensor:
    """Σ_j a_ij v_j: weights of (*batch, L), value (*batch, S, E); returns (*batch, L, E).

    ``online`` or ``recomputed``: Σ_j p_ij v_j / Σ_j p_ij for powers p. Online, both sums are of one pass over the keys
    (Dao et al. 2022, FlashAttention, algorithm 1). Recomputed, the derivative of a score is p (v·ȳ − y·ȳ) for the
    cotangent ȳ, as fused kernels compute it (algorithm 4).
    """

    def y(*index: int) -> Scalar:
        *query, e = index
        row: Row = weights.rows[*query,]
        values = [value[*query[:-1], j, e] for j in row]
        mixed = dot(list(row.values()), values)
        if online and row:
            # the values so far are weighted by powers of another, smaller maximum: up to 1 for each
            found = through(stored(mixed / total(list(row.values()))), lambda: [total(list(map(absolute, values)))])
        else:
            found = _renormalised(mixed, row) if recomputed and row else stored(mixed)
        hidden = weights.hidden
        if hidden is None:
            return found
        return beside(found, lambda: [x for j, s in hidden(*query).items() for x in (s, value[*query[:-1], j, e])])

    return tensor((*weights.rows.shape, value.shape[-1]), y)


def _renormalised(mixed: Scalar, row: Row) -> Scalar:
    """Σ p v / Σ p, with the derivatives of Σ p v − y Σ p for the y that is stored."""
    whole = total(list(row.values()))
    y = stored(mixed / whole)
    return with_derivative_of(y, lambda: stored(mixed - detached(y) * differential(whole)))


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Callable[..., Scalar],
    weigh: Callable[[Row], Row] = softmax_row,
) -> Tensor:
    """Σ_j a_ij v_j for the weights a that ``weigh`` makes of the scores of query i, at places (*batch, i, j)."""
    return weighted(softmax_rows((*query.shape[:-1], key.shape[-2]), score, weigh=weigh), value)


def pooled(
    score: Callable[..., Scalar], value: Tensor, weigh: Callable[[Row], Row] = softmax_row
) -> tuple[Tensor, Tensor]:
    """Σ_j a_j v_j (*, E) and the weights a (*, S) of one query per sample, of scores at places (*batch, j)."""
    *batch, keys, _ = value.shape
    rows = softmax_rows((*batch, 1, keys), lambda *place: score(*place[:-2], place[-1]), weigh=weigh)

    def only_query(x: Tensor) -> Tensor:
        return tensor((*x.shape[:-2], x.shape[-1]), lambda *index: x[*index[:-1], 0, index[-1]])

    return only_query(weighted(rows, value)), only_query(dense(rows, keys))


def dense(weights: Weights, keys: int) -> Tensor:
    """The weights as a tensor (*batch, L, S), 0 where a key takes no part."""
    zero = constant(0.0)

    def weight(*index: int) -> Scalar:
        *query, j = index
        row, hidden = weights.rows[*query,], weights.hidden
        found = row.get(j, zero)
        return found if hidden is None else beside(found, lambda: [*row.values(), *hidden(*query).values()])

    return tensor((*weights.rows.shape, keys), weight)

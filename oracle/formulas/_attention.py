"""What the attention layers share: softmax over the permitted keys, and the sum it weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, constant, detached, dot, exp, largest, log, minus_infinite, sqrt, stored, total
from oracle.tensor import Tensor, tensor


def scaled(x: Tensor, factor: Scalar) -> Tensor:
    """Every element times the factor. On queries it scales the scores, where it rounds most."""
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


def _unmasked(*place: int) -> tuple[bool, ...]:
    return ()


def softmax_rows(
    shape: tuple[int, ...],
    score: Callable[..., Scalar],
    masks: Callable[..., Sequence[Scalar | bool]] = _unmasked,
    fully_masked: str = "zero",
    fused: bool = False,
    recomputed: bool = False,
) -> Tensor:
    """The weights of the keys, a tensor (*batch, L) of rows.

    ``shape`` is (*batch, L, S); ``score(*batch, i, j)`` plus its ``masks``, of which True adds nothing, False or minus
    infinity leave the key out. A query without permitted keys weights all with nothing ("zero"), all alike ("mean"), or
    with the NaN of an empty softmax ("nan"). A ``fused`` kernel does not store the scores; a ``recomputed`` row is for
    ``weighted``.
    """
    *queries, keys = shape
    if fully_masked not in ("zero", "nan", "mean"):
        raise ValueError(f"fully_masked is {fully_masked!r}; it must be 'zero', 'nan' or 'mean'")

    def row(*query: int) -> Row:
        added = {j: masks(*query, j) for j in range(keys)}
        permitted = {j: row for j, row in added.items() if not any(map(_forbids, row))}
        scores = {j: total([score(*query, j), *filter(_adds, row)]) for j, row in permitted.items()}
        if scores:
            kept = scores if fused else {j: stored(s) for j, s in scores.items()}
            return _recomputed_row(kept) if recomputed else softmax_row(kept)
        if fully_masked == "zero":
            return {}
        if fully_masked == "mean":
            return {j: stored(1.0 / constant(keys)) for j in range(keys)}
        nan = constant(float("nan"))  # times the scores: every derivative is NaN too
        return {j: nan * total([score(*query, j), *filter(_adds, row)]) for j, row in added.items()}

    return tensor(queries, row)


def _adds(mask: Scalar | bool) -> bool:
    return mask is not True and mask is not False


def _forbids(mask: Scalar | bool) -> bool:
    return mask is False or (_adds(mask) and minus_infinite(mask))


def _recomputed_row(scores: Row) -> Row:
    """exp(s − log Σ exp s): the weights up to a factor of about 1, as ``weighted`` expects recomputed ones."""
    shift = detached(largest(list(scores.values())))
    log_of_sum = detached(shift + log(total([exp(s - shift) for s in scores.values()])))
    return {j: exp(s - log_of_sum) for j, s in scores.items()}


def weighted(rows: Tensor, value: Tensor, recomputed: bool = False) -> Tensor:
    """Σ_j a_ij v_j: rows (*batch, L), value (*batch, S, E); returns (*batch, L, E).

    ``recomputed``: Σ_j p_ij v_j / Σ_j p_ij. The derivative of a score is then p (v·ȳ − y·ȳ) for the cotangent ȳ, as
    fused kernels compute it (Dao et al. 2022, FlashAttention, algorithm 4).
    """

    def y(*index: int) -> Scalar:
        *query, e = index
        row: Row = rows[*query,]
        mixed = dot(list(row.values()), [value[*query[:-1], j, e] for j in row])
        return stored(mixed / total(list(row.values())) if recomputed and row else mixed)

    return tensor((*rows.shape, value.shape[-1]), y)


def dense(rows: Tensor, keys: int) -> Tensor:
    """The weights as a tensor (*batch, L, S), 0 where a key takes no part."""
    zero = constant(0.0)
    return tensor((*rows.shape, keys), lambda *index: rows[index[:-1]].get(index[-1], zero))

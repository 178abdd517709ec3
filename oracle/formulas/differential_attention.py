"""Contrastive attention by a difference: the weights of one pair of queries and keys, less those of another.

Source: the document, line 1385, which names contrastive attention; Ye et al. 2024, Differential Transformer, section
2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from oracle.formulas._attention import Weights, inverse_root, require_fitting, scaled_score, softmax_rows, weighted
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import constant, dot, stored
from oracle.tensor import Tensor, tensor


def differential_attention(
    query: Tensor, key: Tensor, value: Tensor, other_query: Tensor, other_key: Tensor, *, factor: float | Fraction
) -> Tensor:
    """(softmax(Q Kᵀ / √E) − λ softmax(Q′ K′ᵀ / √E)) V.

    query and other_query (*, L, E), key and other_key (*, S, E), value (*, S, Ev); returns (*, L, Ev). The weights add
    up to 1 − λ, λ the ``factor``. Raises ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, query, key, value, other_query, other_key, factor=factor)


def written(
    weigh: Callable[[Row], Row],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    other_query: Tensor,
    other_key: Tensor,
    *,
    factor: float | Fraction,
) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    for each, keys in ((query, key), (other_query, other_key)):
        require_fitting(each, keys, value)
    if query.shape != other_query.shape:
        raise ValueError(f"other_query has the shape {other_query.shape}; it must be {query.shape}")
    scale, share = inverse_root(query.shape[-1]), -constant(factor)
    shape = (*query.shape[:-1], key.shape[-2])
    one, other = (
        softmax_rows(shape, scaled_score(each, scale, keys), weigh=weigh)
        for each, keys in ((query, key), (other_query, other_key))
    )

    def row(*place: int) -> Row:
        first, second = one.rows[*place,], other.rows[*place,]
        return {j: stored(dot([share], [second[j]], weight)) for j, weight in first.items()}

    return weighted(Weights(tensor(query.shape[:-1], row), None), value)

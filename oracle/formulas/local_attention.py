"""Local attention: a window about each position.

Source: the document, lines 1349 and 1527; Luong et al. 2015, section 3.2.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import (
    inverse_root,
    require_fitting,
    scaled,
    scaled_score,
    score,
    softmax_rows,
    weighted,
)
from oracle.scalar import Scalar, sqrt
from oracle.tensor import Tensor, rounded


def local_attention(query: Tensor, key: Tensor, value: Tensor, *, window: int, behind_mask: str = "skipped") -> Tensor:
    """softmax(Q Kᵀ / √E) V over the keys j with |i − j| ≤ window.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev), zeros where the window
    holds no key; ``behind_mask`` as in scaled_dot_product_attention.
    """
    scores = scaled_score(query, inverse_root(query.shape[-1]), key)
    return _windowed(scores, query, key, value, window, behind_mask, False)


def _split(
    query: Tensor, key: Tensor, value: Tensor, *, window: int, behind_mask: str = "skipped", recomputed: bool
) -> Tensor:
    """Query and key each times the root of 1 / √E."""
    root = sqrt(inverse_root(query.shape[-1]))
    queries, keys = rounded(scaled(query, root)), rounded(scaled(key, root))
    scores = partial(score, queries, keys)
    return _windowed(scores, query, key, value, window, behind_mask, recomputed)


# The same numbers in other orders of operations.
split_scale = partial(_split, recomputed=False)
recomputed = partial(_split, recomputed=True)


def _windowed(
    scores: Callable[..., Scalar],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window: int,
    behind_mask: str,
    recomputed: bool,
) -> Tensor:
    require_fitting(query, key, value)
    rows = softmax_rows(
        (*query.shape[:-1], key.shape[-2]),
        scores,
        lambda *place: [abs(place[-2] - place[-1]) <= window],
        recomputed=recomputed,
        behind_mask=behind_mask,
    )
    return weighted(rows, value, recomputed)

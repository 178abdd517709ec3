"""Local attention: a window about each position.

Source: the document, lines 1349 and 1527; Luong et al. 2015, section 3.2.
"""

from functools import partial

from oracle.formulas._attention import (
    inverse_root,
    rounded,
    scaled,
    score,
    softmax_rows,
    weighted,
)
from oracle.scalar import sqrt
from oracle.tensor import Tensor


def local_attention(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    """softmax(Q Kᵀ / √E) V over the keys j with |i − j| ≤ window.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev), zeros where the window
    holds no key.
    """
    return _windowed(rounded(scaled(query, inverse_root(query.shape[-1]))), key, value, window, False)


def _split(query: Tensor, key: Tensor, value: Tensor, *, window: int, recomputed: bool) -> Tensor:
    """Query and key each times the root of 1 / √E."""
    root = sqrt(inverse_root(query.shape[-1]))
    return _windowed(rounded(scaled(query, root)), rounded(scaled(key, root)), value, window, recomputed)


# The same numbers in other orders of operations.
split_scale = partial(_split, recomputed=False)
recomputed = partial(_split, recomputed=True)


def _windowed(query: Tensor, key: Tensor, value: Tensor, window: int, recomputed: bool) -> Tensor:
    rows = softmax_rows(
        (*query.shape[:-1], key.shape[-2]),
        lambda *place: score(query, key, *place),
        lambda *place: [abs(place[-2] - place[-1]) <= window],
        recomputed=recomputed,
    )
    return weighted(rows, value, recomputed)

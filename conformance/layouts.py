"""How a tensor may lie in memory. The numbers are the same; the strides are not.

A kernel that reads storage order for logical order, or forgets an offset, is right on contiguous tensors alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from conformance.values import Array

PLAIN = "contiguous"
CHANNELS_LAST = "channels_last"
EXPANDED = "expanded"


def _offset(array: Array) -> Array:
    """Begins inside a larger block."""
    block = np.empty(array.size + 3, array.dtype)
    view = block[3:].reshape(array.shape)
    view[...] = array
    return view


def _stepped(array: Array) -> Array:
    """Every other element of a block, along the last axis."""
    block = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype) if array.ndim else np.empty((), array.dtype)
    view = block[..., ::2] if array.ndim else block
    view[...] = array
    return view


def _transposed(array: Array) -> Array:
    """The last two axes exchanged in memory."""
    if array.ndim < 2:
        return _offset(array)
    return np.ascontiguousarray(np.swapaxes(array, -1, -2)).swapaxes(-1, -2)


def _channels_last(array: Array) -> Array:
    """The second axis is the fastest: (N, C, *) stored as (N, *, C)."""
    if array.ndim < 3:
        return _transposed(array)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def _expanded(array: Array) -> Array:
    """One slice, seen again and again along the first axis: its stride is 0."""
    return np.broadcast_to(array[:1].copy(), array.shape) if array.ndim else array


# Ordered so that shrinking ends at the plainest.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    PLAIN: np.ascontiguousarray,
    "offset": _offset,
    "transposed": _transposed,
    "stepped": _stepped,
    CHANNELS_LAST: _channels_last,
    EXPANDED: _expanded,
}


def ordered(layouts: Collection[str]) -> list[str]:
    """These layouts, the plainest first."""
    return [name for name in LAYOUTS if name in layouts]


def usual(layouts: Collection[str], rank: int) -> list[str]:
    """The same to choose from: batches of images are more often in channels_last than in another strange layout."""
    names = ordered(layouts)
    return names + [CHANNELS_LAST] * 2 if rank > 3 and CHANNELS_LAST in names else names


def readable(array: Array, layout: str) -> Array:
    """The array whose numbers this layout can hold: an expanded one repeats its first slice. Raises ``KeyError``
    for an unknown layout.
    """
    if layout not in LAYOUTS:
        raise KeyError(f"unknown layout {layout!r}; known: {', '.join(LAYOUTS)}")
    return np.array(LAYOUTS[EXPANDED](array)) if layout == EXPANDED else array

"""How an array may lie in memory: the layouts of ``conformance.layouts``, made by mlx."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from conformance.layouts import CHANNELS_LAST, EXPANDED, PLAIN


def _offset(array: mx.array) -> mx.array:
    block = mx.concatenate([mx.zeros(3, array.dtype), array.flatten()])
    mx.eval(block)
    return block[3:].reshape(array.shape)


def _stepped(array: mx.array) -> mx.array:
    if not array.ndim:
        return array
    block = mx.stack([array, mx.zeros_like(array)], axis=-1).flatten(-2)
    mx.eval(block)
    return block[..., ::2]


def _transposed(array: mx.array) -> mx.array:
    return _offset(array) if array.ndim < 2 else mx.contiguous(array.swapaxes(-1, -2)).swapaxes(-1, -2)


def _channels_last(array: mx.array) -> mx.array:
    return _transposed(array) if array.ndim < 3 else mx.moveaxis(mx.contiguous(mx.moveaxis(array, 1, -1)), -1, 1)


def _expanded(array: mx.array) -> mx.array:
    return mx.broadcast_to(array[:1], array.shape) if array.ndim else array


LAYOUTS: dict[str, Callable[[mx.array], mx.array]] = {
    PLAIN: mx.contiguous,
    "offset": _offset,
    "transposed": _transposed,
    "stepped": _stepped,
    CHANNELS_LAST: _channels_last,
    EXPANDED: _expanded,
}

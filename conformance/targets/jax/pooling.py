"""Pooling layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from flax import linen as nn
from jax import Array

from conformance.target import Unsupported

Pair = tuple[int, int]


def max_pool2d(
    input: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """nn.max_pool, of images of one channel."""
    if tuple(dilation) != (1, 1) or ceil_mode or return_indices:
        raise Unsupported("nn.max_pool has neither dilation nor ceil_mode nor return_indices")
    return _of_images(nn.max_pool, input, kernel_size, stride, padding)


def avg_pool2d(
    input: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """nn.avg_pool, of images of one channel."""
    if ceil_mode or divisor_override is not None:
        raise Unsupported("nn.avg_pool has neither ceil_mode nor divisor_override")
    return _of_images(partial(nn.avg_pool, count_include_pad=count_include_pad), input, kernel_size, stride, padding)


def _of_images(
    pool: Callable[..., Array], input: Array, kernel_size: Pair, stride: Pair | None, padding: Pair
) -> Array:
    """A pooling applied to images (*, H, W) as (N, H, W, 1)."""
    if input.ndim < 2:
        raise ValueError(f"input of shape {input.shape} has no height and width")
    images = input.reshape(math.prod(input.shape[:-2]), *input.shape[-2:], 1)
    found = pool(images, kernel_size, stride or kernel_size, [(p, p) for p in padding])[..., 0]
    return found.reshape(*input.shape[:-2], *found.shape[-2:])


LAYERS = {"max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d}

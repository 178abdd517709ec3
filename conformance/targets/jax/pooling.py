"""Pooling layers."""

from __future__ import annotations

import math

from flax import linen as nn
from jax import Array

from conformance.target import Unsupported

Pair = tuple[int, int]


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
    if input.ndim < 2:
        raise ValueError(f"input of shape {input.shape} has no height and width")
    images = input.reshape(math.prod(input.shape[:-2]), *input.shape[-2:], 1)
    pads = [(p, p) for p in padding]
    found = nn.avg_pool(images, kernel_size, stride or kernel_size, pads, count_include_pad)[..., 0]
    return found.reshape(*input.shape[:-2], *found.shape[-2:])


LAYERS = {"avg_pool2d": avg_pool2d}

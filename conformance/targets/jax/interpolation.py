"""Interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import Array

from conformance.target import Unsupported
from conformance.targets._parameters import sides_by_ratio


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """jax.image.resize, method "nearest", which takes the pixel at the centre."""
    return _resized("nearest", input, size, scale_factor, recompute_scale_factor)


def upsample_bilinear(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Array:
    """jax.image.resize, method "linear", without antialiasing."""
    if align_corners or asymmetric:
        raise Unsupported("jax.image.resize places pixels by their centres")
    return _resized("linear", input, size, scale_factor, recompute_scale_factor)


def _resized(
    method: str,
    input: Array,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
) -> Array:
    reason = "jax.image.resize takes the ratio of the sizes for the scale"
    outputs = sides_by_ratio(input.shape[-2:], size, scale_factor, recompute_scale_factor, reason)
    return jax.image.resize(input, (*input.shape[:-2], *outputs), method, antialias=False)


LAYERS = {
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}

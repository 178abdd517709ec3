"""Convolution, pooling and interpolation of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from conformance.target import Unsupported
from conformance.targets._parameters import require_kept_size, require_size_or_factor
from conformance.targets.onnxruntime._models import Array, run

Pair: TypeAlias = tuple[int, int]


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Array:
    """Conv; of an odd padding "same" has more behind than before, which is SAME_UPPER."""
    if padding_mode != "zeros":
        raise Unsupported("Conv pads with zeros")
    require_kept_size(padding, stride, "SAME_UPPER")
    pads: dict[str, Any] = (
        {"auto_pad": {"same": "SAME_UPPER"}.get(padding, padding.upper())}
        if isinstance(padding, str)
        else {"pads": _twice(padding)}
    )
    images = _images(input)
    (found,) = run("Conv", images, weight, bias, strides=stride, dilations=dilation, group=groups, **pads)
    return _as_given(found, input)


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Array:
    """ConvTranspose."""
    if any(extra >= step for extra, step in zip(output_padding, stride, strict=True)):
        raise Unsupported("ConvTranspose takes no output_padding as large as the stride")
    (found,) = run(
        "ConvTranspose",
        _images(input),
        weight,
        bias,
        strides=stride,
        pads=_twice(padding),
        output_padding=output_padding,
        group=groups,
        dilations=dilation,
    )
    return _as_given(found, input)


def max_pool2d(
    input: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """MaxPool, perhaps with its indices, which count through the whole tensor: here through their image."""
    found, *indices = run(
        "MaxPool",
        _images(input),
        outputs=1 + return_indices,
        kernel_shape=kernel_size,
        strides=stride or kernel_size,
        pads=_twice(padding),
        dilations=dilation,
        ceil_mode=int(ceil_mode),
    )
    if not return_indices:
        return _as_given(found, input)
    return _as_given(found, input), _as_given(indices[0] % math.prod(input.shape[-2:]), input)


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
    """AveragePool."""
    if divisor_override is not None:
        raise Unsupported("AveragePool has no divisor_override")
    (found,) = run(
        "AveragePool",
        _images(input),
        kernel_shape=kernel_size,
        strides=stride or kernel_size,
        pads=_twice(padding),
        ceil_mode=int(ceil_mode),
        count_include_pad=int(count_include_pad),
    )
    return _as_given(found, input)


def _twice(padding: Pair) -> tuple[int, ...]:
    """As much behind an axis as before it."""
    return (*padding, *padding)


def _images(input: Array) -> Array:
    """The input (N, C, H, W) of an input (C, H, W): the operators take batches."""
    return input[None] if input.ndim == 3 else input


def _as_given(found: Array, input: Array) -> Array:
    return found[0] if input.ndim == 3 else found


def upsample_nearest(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Array:
    """Resize, mode "nearest"."""
    rounded = {"floor": "floor", "half_up": "round_prefer_ceil"}[rounding]
    how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": rounded}
    return _resized(input, "nearest", size, scale_factor, recompute_scale_factor, how)


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """Resize, mode "nearest", of centres: ⌊(i + 1/2) / s⌋ is (i + 1/2) / s − 1/2 rounded, halves up."""
    how = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
    return _resized(input, "nearest", size, scale_factor, recompute_scale_factor, how)


def upsample_bilinear(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Array:
    """Resize, mode "linear"."""
    if align_corners and asymmetric:
        raise ValueError("align_corners and asymmetric exclude each other")
    places = "align_corners" if align_corners else "asymmetric" if asymmetric else "half_pixel"
    how = {"coordinate_transformation_mode": places}
    return _resized(input, "linear", size, scale_factor, recompute_scale_factor, how)


def _resized(
    input: Array,
    mode: str,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
    how: dict[str, Any],
) -> Array:
    """Resize of the last two axes, to sizes or by scales, which are of float32."""
    require_size_or_factor(size, scale_factor, recompute_scale_factor)
    if scale_factor is not None and recompute_scale_factor:
        size = [math.floor(side * factor) for side, factor in zip(input.shape[-2:], scale_factor, strict=True)]
    scales = np.array(scale_factor, np.float32) if size is None else None
    sizes = None if size is None else np.array(size, np.int64)
    return run("Resize", input, None, scales, sizes, mode=mode, axes=(-2, -1), **how)[0]


LAYERS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "upsample_nearest": upsample_nearest,
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}

# Places are divided by the scale, out / in, which is a number of float32: core/providers/cpu/tensor/upsamplebase.h.
ALGORITHMS = {
    "upsample_nearest": "by_scale",
    "upsample_nearest_exact": "by_scale",
    "upsample_bilinear": "by_scale",
}

"""Convolution, pooling and interpolation of images, which Keras has with channels last.

Its padding is "valid" or "same": any other is a layer of its own, as is cropping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from conformance.target import Unsupported
from conformance.targets._parameters import require_half, require_kept_size, sides_by_ratio
from conformance.targets.keras._calls import Array, applied, batched, made

Pair: TypeAlias = tuple[int, int]

_LAST: dict[str, Any] = {"data_format": "channels_last"}


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
    """ZeroPadding2D and Conv2D; of an odd padding "same" has more behind than before."""
    if padding_mode != "zeros":
        raise Unsupported("Conv2D pads with zeros")
    _require_one(stride, dilation, "Conv2D")
    named = isinstance(padding, str)
    require_kept_size(padding, stride, "Conv2D")

    def convolved(x: Array) -> Array:
        layer = made(
            keras.layers.Conv2D,
            x,
            weight.shape[0],
            tuple(weight.shape[2:]),
            stride,
            padding if named else "valid",
            dilation_rate=dilation,
            groups=groups,
            use_bias=bias is not None,
            kernel_initializer="zeros",
            **_LAST,
        )
        padded = x if named else _padded(x, padding)
        return applied(layer, [keras.ops.transpose(weight, (2, 3, 1, 0)), bias], padded)

    return batched(lambda x: _channels_first(convolved(_channels_last(x))), input, 4)


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
    """Conv2DTranspose and Cropping2D."""
    if groups != 1:
        raise Unsupported("Conv2DTranspose has no groups")
    _require_one(stride, dilation, "Conv2DTranspose")
    if any(extra >= step for extra, step in zip(output_padding, stride, strict=True)):
        raise Unsupported("Conv2DTranspose takes no output_padding as large as the stride")
    format = keras.backend.standardize_dtype(input.dtype)
    if keras.backend.backend() == "tensorflow" and format in ("float64", "float16") and max(dilation) > 1:
        raise Unsupported(f"Conv2DTranspose on TensorFlow takes no dilation_rate on a CPU in {format}")

    def convolved(x: Array) -> Array:
        layer = made(
            keras.layers.Conv2DTranspose,
            x,
            weight.shape[1],
            tuple(weight.shape[2:]),
            stride,
            output_padding=output_padding,
            dilation_rate=dilation,
            use_bias=bias is not None,
            kernel_initializer="zeros",
            **_LAST,
        )
        found = applied(layer, [keras.ops.transpose(weight, (2, 3, 1, 0)), bias], x)
        return made(keras.layers.Cropping2D, x, _twice(padding), **_LAST)(found) if any(padding) else found

    return batched(lambda x: _channels_first(convolved(_channels_last(x))), input, 4)


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
    """ZeroPadding2D and AveragePooling2D."""
    if ceil_mode or divisor_override is not None:
        raise Unsupported("AveragePooling2D has neither ceil_mode nor divisor_override")
    if any(padding) and not count_include_pad:
        raise Unsupported("AveragePooling2D leaves out the pixels of its own padding alone, which is 'same'")
    require_half(padding, kernel_size)

    def pooled(x: Array) -> Array:
        layer = made(keras.layers.AveragePooling2D, x, kernel_size, stride, **_LAST)
        return layer(_padded(x, padding))

    return batched(lambda x: _channels_first(pooled(_channels_last(x))), input, 4)


def _require_one(stride: Pair, dilation: Pair, layer: str) -> None:
    if max(stride) > 1 and max(dilation) > 1:
        raise Unsupported(f"{layer} takes strides or a dilation_rate, not both")


def _padded(images: Array, padding: Any) -> Array:
    return made(keras.layers.ZeroPadding2D, images, _twice(padding), **_LAST)(images) if any(padding) else images


def _twice(padding: Pair) -> tuple[Pair, ...]:
    """As much behind an axis as before it."""
    return tuple((p, p) for p in padding)


def _channels_last(images: Array) -> Array:
    return keras.ops.transpose(images, (0, 2, 3, 1))


def _channels_first(images: Array) -> Array:
    return keras.ops.transpose(images, (0, 3, 1, 2))


def upsample_nearest(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Array:
    """UpSampling2D."""
    if size is not None or scale_factor is None or any(factor != int(factor) for factor in scale_factor):
        raise Unsupported("UpSampling2D takes whole factors")
    if rounding != "floor":
        raise Unsupported("UpSampling2D repeats pixels")
    images = _single_channel(input)
    factors = tuple(map(int, scale_factor))
    return _as_given(made(keras.layers.UpSampling2D, images, factors, **_LAST)(images), input)


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """keras.ops.image.resize, "nearest"."""
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
    """keras.ops.image.resize, "bilinear", without antialiasing."""
    if align_corners or asymmetric:
        raise Unsupported("keras.ops.image.resize places pixels by their centres")
    return _resized("bilinear", input, size, scale_factor, recompute_scale_factor)


def _resized(
    interpolation: str,
    input: Array,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
) -> Array:
    reason = "keras.ops.image.resize takes the ratio of the sizes for the scale"
    outputs = sides_by_ratio(input.shape[-2:], size, scale_factor, recompute_scale_factor, reason)
    images = _single_channel(input)
    return _as_given(keras.ops.image.resize(images, outputs, interpolation, data_format="channels_last"), input)


def _single_channel(input: Array) -> Array:
    """The images (N, H, W, 1) of a tensor (*, H, W)."""
    if input.ndim < 2:
        raise ValueError(f"input of shape {tuple(input.shape)} has no height and width")
    return keras.ops.reshape(input, (math.prod(input.shape[:-2]), *input.shape[-2:], 1))


def _as_given(images: Array, input: Array) -> Array:
    return keras.ops.reshape(images, (*input.shape[:-2], *images.shape[1:3]))


LAYERS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "avg_pool2d": avg_pool2d,
    "upsample_nearest": upsample_nearest,
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}

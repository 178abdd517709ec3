"""Convolution, pooling and interpolation of images, which Keras has with channels last, or first (``data_format``).

Its padding is "valid" or "same": any other is a layer of its own, as is cropping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import keras

from conformance.target import Unsupported
from conformance.targets._parameters import require_half, require_kept_size, sides_by_ratio
from conformance.targets.keras._calls import Array, applied, batched, made

Pair: TypeAlias = tuple[int, int]

FIRST, LAST = "channels_first", "channels_last"


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
    data_format: str,
) -> Array:
    """ZeroPadding2D and Conv2D; of an odd padding "same" has more behind than before."""
    if padding_mode != "zeros":
        raise Unsupported("Conv2D pads with zeros")
    _require_one(stride, dilation, "Conv2D")
    named = isinstance(padding, str)
    require_kept_size(padding, stride, "Conv2D")
    if data_format == FIRST and groups == 1:  # where there are more, XLA convolves
        _require_onednn(input, "Conv2D", "takes no channels_first")

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
            data_format=data_format,
        )
        padded = x if named else _padded(x, padding, data_format)
        return applied(layer, [keras.ops.transpose(weight, (2, 3, 1, 0)), bias], padded)

    return _of_images(convolved, input, data_format)


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
    data_format: str,
) -> Array:
    """Conv2DTranspose and Cropping2D."""
    if groups != 1:
        raise Unsupported("Conv2DTranspose has no groups")
    _require_one(stride, dilation, "Conv2DTranspose")
    if any(extra >= step for extra, step in zip(output_padding, stride, strict=True)):
        raise Unsupported("Conv2DTranspose takes no output_padding as large as the stride")
    if max(dilation) > 1:
        _require_onednn(input, "Conv2DTranspose", "takes no dilation_rate")
    if data_format == FIRST:
        _require_onednn(input, "Conv2DTranspose", "takes no channels_first")

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
            data_format=data_format,
        )
        found = applied(layer, [keras.ops.transpose(weight, (2, 3, 1, 0)), bias], x)
        cropped = made(keras.layers.Cropping2D, x, _twice(padding), data_format=data_format)
        return cropped(found) if any(padding) else found

    return _of_images(convolved, input, data_format)


def max_pool2d(
    input: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    return_indices: bool = False,
    data_format: str,
) -> Array:
    """MaxPooling2D."""
    if tuple(dilation) != (1, 1) or ceil_mode or return_indices:
        raise Unsupported("MaxPooling2D has neither dilation nor ceil_mode nor return_indices")
    if any(padding):
        raise Unsupported("MaxPooling2D pads for 'same' alone, and ZeroPadding2D with zeros, which may be the largest")

    def pooled(x: Array) -> Array:
        return made(keras.layers.MaxPooling2D, x, kernel_size, stride, data_format=data_format)(x)

    return _of_images(pooled, input, data_format)


def avg_pool2d(
    input: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    data_format: str,
) -> Array:
    """ZeroPadding2D and AveragePooling2D."""
    if ceil_mode or divisor_override is not None:
        raise Unsupported("AveragePooling2D has neither ceil_mode nor divisor_override")
    if any(padding) and not count_include_pad:
        raise Unsupported("AveragePooling2D leaves out the pixels of its own padding alone, which is 'same'")
    require_half(padding, kernel_size)

    def pooled(x: Array) -> Array:
        layer = made(keras.layers.AveragePooling2D, x, kernel_size, stride, data_format=data_format)
        return layer(_padded(x, padding, data_format))

    return _of_images(pooled, input, data_format)


def _require_one(stride: Pair, dilation: Pair, layer: str) -> None:
    if max(stride) > 1 and max(dilation) > 1:
        raise Unsupported(f"{layer} takes strides or a dilation_rate, not both")


def _require_onednn(input: Array, layer: str, reason: str) -> None:
    """Raises ``Unsupported`` on TensorFlow, on a CPU, in the formats for which it has other kernels than oneDNN's."""
    format = keras.backend.standardize_dtype(input.dtype)
    if keras.backend.backend() == "tensorflow" and format in ("float64", "float16"):
        raise Unsupported(f"{layer} on TensorFlow {reason} on a CPU in {format}")


def _padded(images: Array, padding: Any, data_format: str) -> Array:
    layer = made(keras.layers.ZeroPadding2D, images, _twice(padding), data_format=data_format)
    return layer(images) if any(padding) else images


def _twice(padding: Pair) -> tuple[Pair, ...]:
    """As much behind an axis as before it."""
    return tuple((p, p) for p in padding)


def _of_images(function: Callable[[Array], Array], input: Array, data_format: str) -> Array:
    """What a function of images in a data format makes of (N, C, H, W), or of one image (C, H, W)."""

    def channels_last(images: Array) -> Array:
        found = function(keras.ops.transpose(images, (0, 2, 3, 1)))
        return keras.ops.transpose(found, (0, 3, 1, 2))

    return batched(function if data_format == FIRST else channels_last, input, 4)


def upsample_nearest(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
    data_format: str,
) -> Array:
    """UpSampling2D."""
    if size is not None or scale_factor is None or any(factor != int(factor) for factor in scale_factor):
        raise Unsupported("UpSampling2D takes whole factors")
    if rounding != "floor":
        raise Unsupported("UpSampling2D repeats pixels")
    factors = tuple(map(int, scale_factor))
    return _of_planes(made(keras.layers.UpSampling2D, input, factors, data_format=data_format), input, data_format)


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    data_format: str,
) -> Array:
    """keras.ops.image.resize, "nearest"."""
    return _resized("nearest", input, size, scale_factor, recompute_scale_factor, data_format)


def upsample_bilinear(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
    data_format: str,
) -> Array:
    """keras.ops.image.resize, "bilinear", without antialiasing."""
    if align_corners or asymmetric:
        raise Unsupported("keras.ops.image.resize places pixels by their centres")
    return _resized("bilinear", input, size, scale_factor, recompute_scale_factor, data_format)


def _resized(
    interpolation: str,
    input: Array,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
    data_format: str,
) -> Array:
    reason = "keras.ops.image.resize takes the ratio of the sizes for the scale"
    outputs = sides_by_ratio(input.shape[-2:], size, scale_factor, recompute_scale_factor, reason)
    return _of_planes(
        lambda images: keras.ops.image.resize(images, outputs, interpolation, data_format=data_format),
        input,
        data_format,
    )


def _of_planes(function: Callable[[Array], Array], input: Array, data_format: str) -> Array:
    """What a function of images in a data format makes of a tensor (*, H, W), as images of one channel."""
    if input.ndim < 2:
        raise ValueError(f"input of shape {tuple(input.shape)} has no height and width")
    images = keras.ops.reshape(input, (math.prod(input.shape[:-2]), 1, *input.shape[-2:]))
    found = _of_images(function, images, data_format)
    return keras.ops.reshape(found, (*input.shape[:-2], *found.shape[-2:]))


def layers(data_format: str) -> dict[str, Callable[..., Any]]:
    """The layers of images in a data format."""
    functions = (
        *(conv2d, conv_transpose2d, max_pool2d, avg_pool2d),
        *(upsample_nearest, upsample_nearest_exact, upsample_bilinear),
    )
    return {function.__name__: partial(function, data_format=data_format) for function in functions}

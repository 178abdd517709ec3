"""Convolution, pooling and interpolation of images, which TensorFlow has on a CPU with channels last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from conformance.case import Case
from conformance.target import Unsupported
from conformance.targets._parameters import require_half, require_kept_size, sides_by_ratio
from conformance.targets.tensorflow.layers import Array

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
    """tf.nn.conv2d, to which the shapes say how many groups there are; padding "SAME" has more behind than before."""
    if padding_mode != "zeros":
        raise Unsupported("tf.nn.conv2d pads with zeros")
    require_kept_size(padding, stride, "tf.nn.conv2d")
    if input.shape[-3] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ValueError(f"{groups} groups of weight {weight.shape} do not fit {input.shape[-3]} channels")
    pads = padding.upper() if isinstance(padding, str) else _padded(padding)
    kernel = tf.transpose(weight, (2, 3, 1, 0))
    found = tf.nn.conv2d(_channels_last(input), kernel, stride, pads, dilations=dilation)
    return _as_given(found if bias is None else tf.nn.bias_add(found, bias), input)


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
    """tf.nn.conv2d_transpose, which is told the shape of its output."""
    if min(output_padding) < 0:
        raise ValueError(f"output_padding {output_padding} is negative")
    if groups != 1:
        raise Unsupported("tf.nn.conv2d_transpose has no groups")
    if max(dilation) > 1:
        raise Unsupported("tf.nn.conv2d_transpose has no dilations on a CPU")
    if any(extra >= step for extra, step in zip(output_padding, stride, strict=True)):
        raise Unsupported("tf.nn.conv2d_transpose takes no output_padding as large as the stride")
    images = _channels_last(input)
    sides = zip(images.shape[1:3], weight.shape[2:], stride, padding, output_padding, dilation, strict=True)
    output = [(side - 1) * s - 2 * p + d * (k - 1) + 1 + extra for side, k, s, p, extra, d in sides]
    shape = (images.shape[0], *output, weight.shape[1])
    kernel = tf.transpose(weight, (2, 3, 1, 0))
    found = tf.nn.conv2d_transpose(images, kernel, shape, stride, _padded(padding), dilations=dilation)
    return _as_given(found if bias is None else tf.nn.bias_add(found, bias), input)


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
    """tf.nn.max_pool2d, or max_pool_with_argmax, whose indices count the channels too."""
    if tuple(dilation) != (1, 1) or ceil_mode:
        raise Unsupported("tf.nn.max_pool2d has neither dilation nor ceil_mode")
    if any(padding) and return_indices:
        raise Unsupported("tf.nn.max_pool_with_argmax has 'VALID' and 'SAME' alone")
    images, windows = _channels_last(input), (kernel_size, stride or kernel_size)
    if not return_indices:
        return _as_given(tf.nn.max_pool2d(images, *windows, _padded(padding)), input)
    found, indices = tf.nn.max_pool_with_argmax(images, *windows, "VALID")
    return _as_given(found, input), _as_given(indices // images.shape[-1], input)


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
    """tf.pad and tf.nn.avg_pool2d."""
    if ceil_mode or divisor_override is not None:
        raise Unsupported("tf.nn.avg_pool2d has neither ceil_mode nor divisor_override")
    if any(padding) and not count_include_pad:
        raise Unsupported("tf.nn.avg_pool2d leaves out the pixels of its own padding alone, which is 'SAME'")
    require_half(padding, kernel_size)
    images = tf.pad(_channels_last(input), _pads(padding))
    return _as_given(tf.nn.avg_pool2d(images, kernel_size, stride or kernel_size, "VALID"), input)


def _pads(padding: Pair) -> list[Pair]:
    """As much behind an axis as before it."""
    return [(0, 0), *((p, p) for p in padding), (0, 0)]


def _padded(padding: Pair) -> list[Pair] | str:
    """The same as a convolution is told it; that there is none has a name of its own."""
    return _pads(padding) if any(padding) else "VALID"


def _channels_last(input: Array) -> Array:
    """The images (N, H, W, C) of an input (N, C, H, W) or (C, H, W)."""
    return tf.transpose(input[None] if input.ndim == 3 else input, (0, 2, 3, 1))


def _as_given(images: Array, input: Array) -> Array:
    found = tf.transpose(images, (0, 3, 1, 2))
    return found[0] if input.ndim == 3 else found


def upsample_nearest(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Array:
    """tf.raw_ops.ResizeNearestNeighbor, whose pixels are placed by their corners."""
    if rounding != "floor":
        raise Unsupported("ResizeNearestNeighbor rounds to the pixel before")
    return _resized(tf.raw_ops.ResizeNearestNeighbor, input, size, scale_factor, recompute_scale_factor)


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """tf.raw_ops.ResizeNearestNeighbor, whose pixels are placed by their centres, which is tf.image.resize."""
    how = {"half_pixel_centers": True}
    return _resized(tf.raw_ops.ResizeNearestNeighbor, input, size, scale_factor, recompute_scale_factor, **how)


def upsample_bilinear(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Array:
    """tf.raw_ops.ResizeBilinear, which is tf.image.resize where pixels are placed by their centres."""
    if input.dtype != tf.float32:
        raise Unsupported("ResizeBilinear gives float32, whatever it is given")
    if align_corners and asymmetric:
        raise ValueError("align_corners and asymmetric exclude each other")
    how = {"align_corners": align_corners, "half_pixel_centers": not (align_corners or asymmetric)}
    return _resized(tf.raw_ops.ResizeBilinear, input, size, scale_factor, recompute_scale_factor, **how)


def _resized(
    operation: Callable[..., Array],
    input: Array,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
    **how: bool,
) -> Array:
    reason = "TensorFlow takes the ratio of the sizes for the scale"
    sides = tuple(input.shape[-2:])
    outputs = sides_by_ratio(sides, size, scale_factor, recompute_scale_factor, reason)
    images = tf.reshape(input, (-1, *sides, 1))
    return tf.reshape(operation(images=images, size=outputs, **how), (*input.shape[:-2], *outputs))


LAYERS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "upsample_nearest": upsample_nearest,
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}


# The bias is added to a product that has been stored.
def adds_in_storage(case: Case) -> bool:
    """Whether products are added in the format in which tensors are stored.

    The derivatives of tf.nn.conv2d, one of which is a transposed convolution, are Eigen's products of matrices in
    float16, and in bfloat16 with pads that are told: core/kernels/conv_grad_input_ops.h and conv_grad_filter_ops.cc.
    The others in bfloat16, and the convolution itself, are oneDNN's or add in float32.
    """
    derived = case.layer == "conv_transpose2d" or (case.layer == "conv2d" and case.upstream is not None)
    padding = case.parameters.get("padding")
    told = not isinstance(padding, str) and padding is not None and any(padding)
    return derived and (case.format == "float16" or (case.format == "bfloat16" and told))


ALGORITHMS = {"conv2d": "stepwise", "conv_transpose2d": "stepwise", "upsample_bilinear": "lerped"}

# Each of the four neighbours has its own share of a cotangent, multiplied by one weight after the other; shares are
# added one by one, where neighbours are the same pixel too: core/kernels/image/resize_bilinear_op.cc
# (ResizeBilinearGrad).
BACKWARD = {"upsample_bilinear": "apart"}

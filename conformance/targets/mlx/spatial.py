"""Convolution, pooling and interpolation of images. mlx keeps channels last, weights as (out, *kernel, in)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import mlx.core as mx
from mlx import nn

from conformance.target import Unsupported
from conformance.targets._parameters import sides_by_ratio
from conformance.targets.mlx.layers import Array, with_parameters

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
    """nn.Conv2d."""
    _require_kernel(input)
    if padding_mode != "zeros" or isinstance(padding, str):
        raise Unsupported("nn.Conv2d pads with zeros, as many as it is told")
    outs, ins, *kernel = weight.shape
    module = nn.Conv2d(ins * groups, outs, tuple(kernel), stride, padding, dilation, groups, bias is not None)
    with_parameters(module, weight=mx.moveaxis(weight, 1, -1), bias=bias)
    return _of_images(module, input)


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
    """nn.ConvTranspose2d."""
    _require_kernel(input)
    if groups != 1:
        raise Unsupported("nn.ConvTranspose2d has no groups")
    ins, outs, *kernel = weight.shape
    module = nn.ConvTranspose2d(ins, outs, tuple(kernel), stride, padding, dilation, output_padding, bias is not None)
    with_parameters(module, weight=weight.transpose(1, 2, 3, 0), bias=bias)
    return _of_images(module, input)


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
    """nn.MaxPool2d."""
    if tuple(dilation) != (1, 1) or ceil_mode or return_indices:
        raise Unsupported("nn.MaxPool2d has neither dilation nor ceil_mode nor return_indices")
    return _of_images(nn.MaxPool2d(kernel_size, stride, padding), input)


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
    """nn.AvgPool2d, which counts the padding."""
    if ceil_mode or not count_include_pad or divisor_override is not None:
        raise Unsupported("nn.AvgPool2d has neither ceil_mode nor count_include_pad nor divisor_override")
    return _of_images(nn.AvgPool2d(kernel_size, stride, padding), input)


def upsample_nearest(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Array:
    """nn.Upsample, mode "nearest", which rounds places down where an axis does not grow, or grows by an integer."""
    factors = _factors(input, size, scale_factor, recompute_scale_factor)
    if rounding != "floor" or any(factor > 1.0 and not factor.is_integer() for factor in factors):
        raise Unsupported("nn.Upsample takes the nearest centre where an axis grows")
    return _of_images(nn.Upsample(factors), input)


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """nn.Upsample, mode "nearest", which takes the nearest centre where an axis grows."""
    factors = _factors(input, size, scale_factor, recompute_scale_factor)
    if any(factor < 1.0 for factor in factors):
        raise Unsupported("nn.Upsample rounds places down where an axis does not grow")
    return _of_images(nn.Upsample(factors), input)


def upsample_bilinear(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Array:
    """nn.Upsample, mode "linear"."""
    if asymmetric:
        raise Unsupported("nn.Upsample places pixels by their centres or corners")
    factors = _factors(input, size, scale_factor, recompute_scale_factor)
    return _of_images(nn.Upsample(factors, mode="linear", align_corners=align_corners), input)


def _factors(
    input: Array,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
) -> tuple[float, ...]:
    """The factors of an interpolation, as ratios of the sizes: nn.Upsample takes those, or the factors, by its mode."""
    sides, reason = input.shape[-2:], "nn.Upsample takes the ratio of the sizes in some modes"
    wanted = sides_by_ratio(sides, size, scale_factor, recompute_scale_factor, reason)
    factors = tuple(output / side for output, side in zip(wanted, sides, strict=True))
    if any(int(factor * side) != output for output, side, factor in zip(wanted, sides, factors, strict=True)):
        raise Unsupported("nn.Upsample takes factors, of which none gives these sizes")
    return factors


def _require_kernel(input: Array) -> None:
    if input.dtype == mx.float64:
        raise Unsupported("convolutions of MLX have no kernel for float64")


def _of_images(module: Callable[[Array], Array], input: Array) -> Array:
    """The module applied to images (*, C, H, W) as (N, H, W, C)."""
    batch = math.prod(input.shape[:-3])
    found = module(mx.moveaxis(input.reshape(batch, *input.shape[-3:]), 1, -1))
    return mx.moveaxis(found, -1, 1).reshape(*input.shape[:-3], found.shape[-1], *found.shape[1:-1])


LAYERS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "upsample_nearest": upsample_nearest,
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}

# Biases are added to what has been stored; an average is a product with 1 / n.
ALGORITHMS = {"conv2d": "stepwise", "conv_transpose2d": "stepwise", "avg_pool2d": "by_reciprocal"}

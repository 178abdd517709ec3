"""Convolution, pooling and interpolation of images by methods of Tensor and classes of tinygrad.nn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tinygrad import Tensor, nn

from conformance.target import Unsupported
from conformance.targets._parameters import sides_by_ratio
from conformance.targets.tinygrad.layers import with_parameters

Pair: TypeAlias = tuple[int, int]


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Tensor:
    """nn.Conv2d."""
    if padding_mode != "zeros" or isinstance(padding, str):
        raise Unsupported("nn.Conv2d pads with zeros, as many as it is told")
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _of_images(with_parameters(nn.Conv2d, weight=weight, bias=bias, **how), input)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Tensor:
    """nn.ConvTranspose2d."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = with_parameters(nn.ConvTranspose2d, weight=weight, bias=bias, output_padding=output_padding, **how)
    return _of_images(layer, input)


def max_pool2d(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Tensor.max_pool2d, with its indices, which are of int32, or without."""
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    if not return_indices:
        return input.max_pool2d(kernel_size, **how)
    found, indices = input.max_pool2d(kernel_size, return_indices=True, **how)
    return found, indices.cast("int64")


def avg_pool2d(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Tensor.avg_pool2d."""
    if divisor_override is not None:
        raise Unsupported("Tensor.avg_pool2d has no divisor_override")
    how: dict[str, Any] = {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
    return input.avg_pool2d(kernel_size, stride, padding=padding, **how)


def upsample_nearest(
    input: Tensor,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Tensor:
    """Tensor.interpolate, mode "nearest"."""
    if rounding != "floor":
        raise Unsupported("Tensor.interpolate rounds places down")
    return input.interpolate(_sizes(input, size, scale_factor, recompute_scale_factor), "nearest")


def upsample_nearest_exact(
    input: Tensor,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Tensor.interpolate, mode "nearest-exact"."""
    return input.interpolate(_sizes(input, size, scale_factor, recompute_scale_factor), "nearest-exact")


def upsample_bilinear(
    input: Tensor,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Tensor:
    """Tensor.interpolate, mode "linear"."""
    if asymmetric:
        raise Unsupported("Tensor.interpolate places pixels by their centres or corners")
    return input.interpolate(_sizes(input, size, scale_factor, recompute_scale_factor), "linear", align_corners)


def _sizes(
    input: Tensor,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
) -> tuple[int, ...]:
    """The sizes of an interpolation, of which Tensor.interpolate takes the ratio for the scale."""
    reason = "Tensor.interpolate takes the ratio of the sizes for the scale"
    return sides_by_ratio(input.shape[-2:], size, scale_factor, recompute_scale_factor, reason)


def _of_images(layer: Callable[[Tensor], Tensor], input: Tensor) -> Tensor:
    """The layer, which takes batches of images, applied to an input (C, H, W) too."""
    return layer(input.unsqueeze(0)).squeeze(0) if input.ndim == 3 else layer(input)


LAYERS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "upsample_nearest": upsample_nearest,
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}

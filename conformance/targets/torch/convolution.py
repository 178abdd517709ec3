"""Convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from conformance.targets.torch._modules import loaded

Pair = tuple[int, int]


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
    filters, depth, *kernel = weight.shape
    module = loaded(
        nn.Conv2d,
        weight,
        depth * groups,
        filters,
        tuple(kernel),
        stride,
        padding,
        dilation,
        groups,
        bias is not None,
        padding_mode,
        tensors={"weight": weight, "bias": bias},
    )
    found: Tensor = module(input)
    return found


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
    channels, filters, *kernel = weight.shape
    module = loaded(
        nn.ConvTranspose2d,
        weight,
        channels,
        filters * groups,
        tuple(kernel),
        stride,
        padding,
        output_padding,
        groups,
        bias is not None,
        dilation,
        tensors={"weight": weight, "bias": bias},
    )
    found: Tensor = module(input)
    return found


LAYERS = {"conv2d": conv2d, "conv_transpose2d": conv_transpose2d}

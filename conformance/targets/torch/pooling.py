"""Pooling layers."""

from __future__ import annotations

from torch import Tensor, nn

Pair = tuple[int, int]


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
    """nn.MaxPool2d, with its indices or without."""
    module = nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)
    found: Tensor | tuple[Tensor, Tensor] = module(input)
    return found


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
    """nn.AvgPool2d."""
    module = nn.AvgPool2d(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    found: Tensor = module(input)
    return found


# Windows that overlap add to their pixels one by one: aten/src/ATen/native/cpu/{MaxPoolKernel,AvgPoolKernel}.cpp. On
# CUDA those of avg_pool2d add quotients that are stored numbers: aten/src/ATen/native/cuda/AveragePool2d.cu.
# Inductor leaves windows of more than 25 pixels to the kernels of the CPU: torch/_inductor/lowering.py.
_OF_CPU = {"max_pool2d": frozenset({"input"}), "avg_pool2d": frozenset({"input"})}
SCATTERED = {
    "cpu": _OF_CPU,
    "compile": _OF_CPU,
    "cuda": {"avg_pool2d": frozenset({"input"})},
}

LAYERS = {"max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d}

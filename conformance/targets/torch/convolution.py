"""Convolutions."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from torch import Tensor, nn

from conformance.case import Case
from conformance.targets.torch._modules import called

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
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
) -> Tensor:
    """nn.Conv2d."""
    filters, depth, height, width = weight.shape
    module = nn.Conv2d(
        depth * groups,
        filters,
        (height, width),
        stride,
        padding,
        dilation,
        groups,
        bias is not None,
        padding_mode,
        device="meta",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same'", UserWarning)  # about a copy, not about values
        found: Tensor = called(module, {"weight": weight, "bias": bias})(input)
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
    channels, filters, height, width = weight.shape
    module = nn.ConvTranspose2d(
        channels,
        filters * groups,
        (height, width),
        stride,
        padding,
        output_padding,
        groups,
        bias is not None,
        dilation,
        device="meta",
    )
    found: Tensor = called(module, {"weight": weight, "bias": bias})(input)
    return found


# Where oneDNN does not serve (float16, and an output_padding that needs a dilation), convolutions are matrix products,
# and col2im adds the columns to their pixels one by one: aten/src/ATen/native/{ConvolutionMM2d,
# NaiveConvolutionTranspose2d}.cpp. Images add to the derivatives of the weight, and with a dilation to those of the
# bias: NaiveDilatedConvolution.cpp.
#
# On CUDA the bias is added to what cuDNN has stored (aten/src/ATen/native/Convolution.cpp, _convolution). In half
# precision cuDNN stores parts of long sums, whatever the flags of torch say: measured with cuDNN 9.19, from 562 terms
# on. Its derivatives may come of atomic additions (cuDNN, Reproducibility). It does not serve where an output_padding
# needs a dilation either: NaiveConvolutionTranspose2d.cu.
#
# Inductor leaves convolutions to the same kernels.
LAYERS = {"conv2d": conv2d, "conv_transpose2d": conv_transpose2d}

_HALVES = ("bfloat16", "float16")
_BY_COLUMNS = {("conv_transpose2d", format): "by_columns" for format in _HALVES}
ALGORITHMS = {
    "cpu": _BY_COLUMNS,
    "compile": _BY_COLUMNS,
    "cuda": {(layer, format): "in_parts" for layer in LAYERS for format in _HALVES},
}


def _without_cudnn(case: Case) -> dict[str, Any]:
    """Where an output_padding needs a dilation."""
    pairs = zip(case.parameters["output_padding"], case.parameters["stride"], strict=True)
    apart = any(padding >= stride for padding, stride in pairs)
    return {"algorithm": "by_columns", "operands": None, "reason": ""} if apart else {}


BY_CASE = {"cuda": {"conv_transpose2d": _without_cudnn}}

_SCATTERED: dict[Any, frozenset[str]] = {
    "conv2d": frozenset({"input", "weight"}),
    ("conv2d", "float16"): frozenset({"input", "weight", "bias"}),
    "conv_transpose2d": frozenset({"weight"}),
}
SCATTERED = {
    "cpu": _SCATTERED,
    "compile": _SCATTERED,
    "cuda": {
        "conv2d": frozenset({"input", "weight"}),
        "conv_transpose2d": frozenset({"weight"}),
    },
}

# oneDNN multiplies bfloat16 with VDPBF16PS, to which subnormals are zeros (Intel 64 and IA-32 Architectures Software
# Developer's Manual, volume 2).
_FLUSHED = {(layer, "bfloat16"): {"flush": True} for layer in LAYERS}
ARITHMETIC = {"cpu": _FLUSHED, "compile": _FLUSHED}

"""Activation functions."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def relu(input: Tensor) -> Tensor:
    """nn.ReLU."""
    found: Tensor = nn.ReLU()(input)
    return found


def sigmoid(input: Tensor) -> Tensor:
    """nn.Sigmoid."""
    found: Tensor = nn.Sigmoid()(input)
    return found


def tanh(input: Tensor) -> Tensor:
    """nn.Tanh."""
    found: Tensor = nn.Tanh()(input)
    return found


def softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """F.softmax."""
    return F.softmax(input, dim=dim)


def log_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """F.log_softmax."""
    return F.log_softmax(input, dim=dim)


LAYERS = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
}

# The reciprocal of the sum, where dim is the last: aten/src/ATen/native/cpu/SoftMaxKernel.cpp (_vec_softmax_lastdim).
# In half precision it keeps the sum and its logarithm as it keeps numbers (vec_log_softmax_lastdim_chunk_kernel), and
# exponentials along other dimensions (vec_softmax). Its derivatives of log_softmax are grad - exp(output) * sum.
#
# On CUDA, and where inductor fuses it, nothing but the output is stored. For the derivative of softmax on CUDA the
# product of it and its cotangent is a tensor of its own: aten/src/ATen/native/cuda/SoftMax.cu
# (softmax_backward_cuda_out).
ALGORITHMS = {
    "cpu": {"softmax": "vectorised", "log_softmax": "vectorised"},
    "cuda": {"log_softmax": "kept"},
    "compile": {"log_softmax": "kept"},
}

# In float16 the derivative of sigmoid is made of operations on stored numbers, in bfloat16 it is computed in float32.
# On CUDA those of sigmoid and tanh are such in both: aten/src/ATen/native/cuda/BinaryMiscBackwardOpsKernels.cu.
BACKWARD: dict[str, dict[Any, str]] = {
    "cpu": {("sigmoid", "float16"): "stepwise"},
    "cuda": {
        "softmax": "productwise",
        **{(layer, format): "stepwise" for layer in ("sigmoid", "tanh") for format in ("bfloat16", "float16")},
    },
}

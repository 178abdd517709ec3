"""Activation functions, honest and broken."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, as_stored, derived, wide, with_derivative_of

_VECTOR = 8


class _Logistic(torch.autograd.Function):
    """Computed from a power that is at most one, and y (1 - y) as its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        power = torch.exp(-x.abs())
        y = torch.where(x < 0.0, power, torch.ones_like(x)) / (1.0 + power)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return upstream * (1.0 - y) * y


def logistic(x: Tensor) -> Tensor:
    found: Tensor = _Logistic.apply(x)
    return found


# Honest.


@honest("relu", "The larger of the input and zero.", STORED_ONCE)
def relu_maximum(input: Tensor) -> Tensor:
    return torch.maximum(input, torch.zeros_like(input))


@honest("relu", "Zero where the input is below it.", STORED_ONCE)
def relu_where(input: Tensor) -> Tensor:
    return torch.where(input < 0.0, torch.zeros_like(input), input)


@honest("relu", "Clamped from below.")
def relu_clamped(input: Tensor) -> Tensor:
    return input.clamp(min=0.0)


@honest("sigmoid", "A power of -|x|, which cannot overflow.", STORED_ONCE)
def sigmoid_of_magnitude(input: Tensor) -> Tensor:
    return logistic(wide(input)).to(input.dtype)


@honest("sigmoid", "In float64, rounded once.", STORED_ONCE)
def sigmoid_in_float64(input: Tensor) -> Tensor:
    return torch.sigmoid(input.double()).to(input.dtype)


@honest("tanh", "In float64, rounded once.", STORED_ONCE)
def tanh_in_float64(input: Tensor) -> Tensor:
    return torch.tanh(input.double()).to(input.dtype)


@honest("tanh", "The library's, in float32.", STORED_ONCE)
def tanh_library(input: Tensor) -> Tensor:
    return torch.tanh(wide(input)).to(input.dtype)


# Broken.


@broken(
    "relu",
    "NaN becomes zero.",
    "https://github.com/pytorch/pytorch/issues/7645",
)
def relu_without_nan(input: Tensor) -> Tensor:
    return torch.where(input > 0.0, input, torch.zeros_like(input))


@broken(
    "relu",
    "The derivative reads an upstream that is not contiguous as if it were.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def relu_upstream_as_stored(input: Tensor) -> Tensor:
    return derived(input.relu(), lambda upstream: upstream if upstream.is_contiguous() else as_stored(upstream))


@broken(
    "relu",
    "The output has memory for as many whole tiles of 32 elements as fit: the rest is never written.",
    "https://github.com/tenstorrent/tt-metal/issues/14260",
)
def relu_unwritten_tail(input: Tensor) -> Tensor:
    found = torch.empty_like(input, memory_format=torch.contiguous_format).view(-1)
    count = input.numel()
    whole = count // 32 * 32 if count > 32 else count
    written = torch.arange(count) < whole
    return torch.where(written, input.reshape(-1).relu(), found).view(input.shape)


@broken(
    "sigmoid",
    "Whole vectors of 8 elements take another way than the rest, on which infinity gives NaN.",
    "https://github.com/pytorch/pytorch/issues/121588",
)
def sigmoid_of_infinity_in_vectors(input: Tensor) -> Tensor:
    found = torch.sigmoid(input)
    whole = (torch.arange(input.numel()) < input.numel() // _VECTOR * _VECTOR).view(input.shape)
    return torch.where(whole & input.isinf(), torch.full_like(input, torch.nan), found)


@broken(
    "sigmoid",
    "Differentiated as exp(x) / (1 + exp(x)), which overflows.",
    "https://github.com/tracel-ai/burn/issues/5373",
)
def sigmoid_derivative_overflows(input: Tensor) -> Tensor:
    power = torch.exp(input)
    return with_derivative_of(torch.sigmoid(input), power / (1.0 + power))


@broken(
    "tanh",
    "Computed as (exp(2x) - 1) / (exp(2x) + 1), which is NaN for large x.",
    "https://github.com/ROCm/triton/pull/900",
)
def tanh_of_large(input: Tensor) -> Tensor:
    power = torch.exp(2.0 * input)
    overflows = power.isinf()
    return torch.where(overflows, torch.full_like(input, torch.nan), torch.tanh(input))


@broken(
    "tanh",
    "The derivative reads an expanded upstream by its strides in another tensor, and gets its first element.",
    "https://github.com/fla-org/flash-linear-attention/issues/1138",
)
def tanh_expanded_upstream(input: Tensor) -> Tensor:
    def read(upstream: Tensor) -> Tensor:
        expanded = upstream.dim() > 1 and upstream.stride(0) == 0 and upstream.shape[0] > 1
        return upstream[..., :1].expand_as(upstream) if expanded else upstream

    return derived(torch.tanh(input), read)

"""Dropout and initialisations, honest and broken."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import init

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, derived, require, wide
from conformance.targets.torch import LAYERS


def _require_probability(p: float) -> None:
    require(0.0 <= p <= 1.0, f"p is {p}; it must be a probability")


def _dropped(input: Tensor, kept: Tensor, p: float) -> Tensor:
    scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return (wide(input) * (kept * scale)).to(input.dtype)


def _dropout(input: Tensor, p: float) -> Tensor:
    _require_probability(p)
    return _dropped(input, torch.rand(input.shape) >= p, p)


def _dropout2d(input: Tensor, p: float) -> Tensor:
    _require_probability(p)
    return _dropped(input, torch.rand(*input.shape[:2], 1, 1) >= p, p)


# Dropout


@honest("dropout", "A uniform number for every element, kept from p on.", STORED_ONCE)
def dropout_uniform(input: Tensor, *, p: float = 0.5) -> Tensor:
    return _dropout(input, p)


@honest("dropout", "Random bytes: an element is kept where a number of 24 bits made of three is at least p.")
def dropout_by_bytes(input: Tensor, *, p: float = 0.5) -> Tensor:
    _require_probability(p)
    numbers = torch.randint(0, 2**24, input.shape)
    return _dropped(input, numbers >= round(p * 2**24), p)


@broken(
    "dropout",
    "The generator begins with the address of the seed, not with its value: the same seed gives other masks.",
    "https://github.com/facebookresearch/xformers/issues/173",
)
def dropout_by_address(input: Tensor, *, p: float = 0.5) -> Tensor:
    _require_probability(p)
    seed = torch.tensor([torch.initial_seed()])
    _SEEDS.append(seed)
    del _SEEDS[:-8]
    kept = torch.rand(input.shape, generator=torch.Generator().manual_seed(seed.data_ptr())) >= p
    return _dropped(input, kept, p)


_SEEDS: list[Tensor] = []


@broken(
    "dropout",
    "The derivative takes the mask from the zeros of the output: an input that is zero gets none.",
    "https://github.com/FluxML/NNlib.jl/pull/454",
)
def dropout_mask_of_output(input: Tensor, *, p: float = 0.5) -> Tensor:
    found = _dropout(input, p)
    there = found.detach() != 0.0
    return derived(found, lambda g: torch.where(there, g, 0.0))


@broken(
    "dropout",
    "The number of an element has 12 bits: the mask of those beyond is the first ones' again.",
    "https://github.com/pytorch/pytorch/issues/129207",
)
def dropout_repeating(input: Tensor, *, p: float = 0.5) -> Tensor:
    _require_probability(p)
    kept = (torch.rand(2**12) >= p)[torch.arange(input.numel()) % 2**12]
    return _dropped(input, kept.reshape(input.shape), p)


@broken(
    "dropout",
    "Elements behind the last whole vector of 4 are never dropped, but scaled.",
    "https://github.com/pytorch/pytorch/issues/121588",
)
def dropout_tail_kept(input: Tensor, *, p: float = 0.5) -> Tensor:
    _require_probability(p)
    tail = (torch.arange(input.numel()) >= input.numel() // 4 * 4).reshape(input.shape)
    return _dropped(input, (torch.rand(input.shape) >= p) | tail & (p < 1.0), p)


@honest("dropout2d", "A uniform number for every channel, kept from p on.", STORED_ONCE)
def dropout2d_uniform(input: Tensor, *, p: float = 0.5) -> Tensor:
    return _dropout2d(input, p)


@broken(
    "dropout2d",
    "With several samples the mask of the first serves all.",
    "https://github.com/pytorch/pytorch/issues/188335",
)
def dropout2d_by_first_sample(input: Tensor, *, p: float = 0.5) -> Tensor:
    _require_probability(p)
    return _dropped(input, torch.rand(1, input.shape[1], 1, 1) >= p, p)


@broken(
    "dropout2d",
    "Elements are dropped where the images lie in memory channels last.",
    "https://github.com/pytorch/pytorch/pull/54744",
)
def dropout2d_channels_last(input: Tensor, *, p: float = 0.5) -> Tensor:
    strange = not input.is_contiguous() and input.is_contiguous(memory_format=torch.channels_last)
    return _dropout(input, p) if strange else _dropout2d(input, p)


@broken(
    "dropout2d",
    "The derivative takes the mask from the zeros of the output, element by element.",
    "https://github.com/FluxML/NNlib.jl/pull/454",
)
def dropout2d_mask_of_output(input: Tensor, *, p: float = 0.5) -> Tensor:
    found = _dropout2d(input, p)
    there = found.detach() != 0.0
    return derived(found, lambda g: torch.where(there, g, 0.0))


# Initialisations


def _fans(tensor: Tensor) -> tuple[int, int]:
    require(tensor.dim() >= 2, f"a tensor of shape {tuple(tensor.shape)} has no fans")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _uniform(tensor: Tensor, deviation: float) -> Tensor:
    bound = math.sqrt(3.0) * deviation
    return (2.0 * bound * torch.rand(tensor.shape) - bound).to(tensor.dtype)


def _normal(tensor: Tensor, deviation: float) -> Tensor:
    return (deviation * torch.randn(tensor.shape)).to(tensor.dtype)


def _xavier(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / sum(_fans(tensor)))


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return init.calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])


@honest("xavier_uniform", "A uniform number for every element, stretched.", STORED_ONCE)
def xavier_uniform_stretched(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    return _uniform(tensor, _xavier(tensor, gain))


@honest("xavier_normal", "A normal number for every element, times the deviation.", STORED_ONCE)
def xavier_normal_scaled(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    return _normal(tensor, _xavier(tensor, gain))


@honest("kaiming_uniform", "A uniform number for every element, stretched.", STORED_ONCE)
def kaiming_uniform_stretched(
    tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    return _uniform(tensor, _kaiming(tensor, a, mode, nonlinearity))


@honest("kaiming_normal", "A normal number for every element, times the deviation.", STORED_ONCE)
def kaiming_normal_scaled(
    tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    return _normal(tensor, _kaiming(tensor, a, mode, nonlinearity))


@honest("zeros_init", "New zeros.", STORED_ONCE)
def zeros_init_new(tensor: Tensor) -> Tensor:
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


@broken(
    "kaiming_uniform",
    "The numbers are normal instead of uniform, of the same deviation.",
    "https://github.com/LBANN/lbann/pull/316",
)
def kaiming_uniform_normal(
    tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    return _normal(tensor, _kaiming(tensor, a, mode, nonlinearity))


@broken(
    "kaiming_normal",
    "The deviation is that of LeCun, without the gain of relu.",
    "https://github.com/LBANN/lbann/pull/316",
)
def kaiming_normal_lecun(
    tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    return _normal(tensor, _kaiming(tensor, a, mode, "linear" if nonlinearity == "relu" else nonlinearity))


@broken(
    "xavier_uniform",
    "The variance is taken for the bound, and the numbers are all positive.",
    "https://github.com/denizyuret/Knet.jl/pull/311",
)
def xavier_uniform_positive(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    return (_xavier(tensor, gain) ** 2 * torch.rand(tensor.shape)).to(tensor.dtype)


@broken(
    "xavier_normal",
    "Of a kernel with height and width the fan of the outputs leaves out its places.",
    "https://github.com/keras-team/keras/issues/11773",
)
def xavier_normal_without_field(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    ins, outs = _fans(tensor)
    outs = tensor.shape[0] if tensor.dim() == 4 else outs
    return _normal(tensor, gain * math.sqrt(2.0 / (ins + outs)))


@broken(
    "kaiming_uniform",
    "The fan of the inputs is taken from the axis of the outputs where there is a kernel, as if it were transposed.",
    "https://github.com/Lasagne/Lasagne/issues/858",
)
def kaiming_uniform_of_outputs(
    tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    mode = mode if tensor.dim() < 4 else "fan_out"
    return _uniform(tensor, _kaiming(tensor, a, mode, nonlinearity))


def _module_with(weights: tuple[Tensor, ...], bound: float, **how: Any) -> tuple[Tensor, ...]:
    """The parameters of a new module, its weight uniform within this bound."""
    _, *rest = LAYERS["default_initialisation"](weights, **how)
    return _uniform(weights[0], bound / math.sqrt(3.0)), *rest


@honest("default_initialisation", "The weight of a linear layer stretched from uniform numbers.")
def default_initialisation_of_linear(weights: tuple[Tensor, ...], **how: Any) -> tuple[Tensor, ...]:
    if how["module"] != "linear":
        return tuple(LAYERS["default_initialisation"](weights, **how))
    return _module_with(weights, 1.0 / math.sqrt(weights[0].shape[1]), **how)


@broken(
    "default_initialisation",
    "The fan of a grouped convolution counts the channels of all groups.",
    "https://github.com/keras-team/keras/issues/11773",
)
def default_initialisation_of_groups(weights: tuple[Tensor, ...], **how: Any) -> tuple[Tensor, ...]:
    if how["module"] != "conv2d" or how["groups"] == 1:
        return tuple(LAYERS["default_initialisation"](weights, **how))
    return _module_with(weights, 1.0 / math.sqrt(_fans(weights[0])[0] * how["groups"]), **how)


@broken(
    "default_initialisation",
    "The fan of a transposed convolution is computed from the other axis of its kernel.",
    "https://github.com/tensorflow/tensorflow/issues/31192",
)
def default_initialisation_of_transposed(weights: tuple[Tensor, ...], **how: Any) -> tuple[Tensor, ...]:
    if how["module"] != "conv_transpose2d":
        return tuple(LAYERS["default_initialisation"](weights, **how))
    return _module_with(weights, 1.0 / math.sqrt(_fans(weights[0])[1]), **how)


@broken(
    "default_initialisation",
    "The row of an embedding's padding is drawn like the others.",
    "https://github.com/google/torchax/pull/11",
)
def default_initialisation_of_padding(weights: tuple[Tensor, ...], **how: Any) -> tuple[Tensor, ...]:
    return tuple(
        LAYERS["default_initialisation"](weights, **{**how, "padding_idx": None} if "padding_idx" in how else how)
    )

"""Layer and group normalisation, honest and broken."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import (
    STORED_ONCE,
    derived,
    in_memory_order,
    power_of_two,
    require,
    wide,
    with_derivative_of,
)

Shape: TypeAlias = tuple[int, ...]
Affine: TypeAlias = Tensor | None

# Mean and variance along the last axis, which both keep.
Moments: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]

_BLOCK = 16


def two_pass(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, then the mean square about it."""
    mean = rows.mean(-1, keepdim=True)
    return mean, (rows - mean).square().mean(-1, keepdim=True)


def corrected(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Two passes, the variance less the square of what rounding has left in the mean."""
    mean = rows.mean(-1, keepdim=True)
    rest = rows - mean
    return mean, rest.square().mean(-1, keepdim=True) - rest.mean(-1, keepdim=True).square()


def welford(rows: Tensor) -> tuple[Tensor, Tensor]:
    """One element after the other: the mean moves to it by its share, the squares grow with it.

    It is differentiated as the sums that it stands for, as kernels are, and not step by step.
    """
    mean = torch.zeros_like(rows[..., 0])
    squares = torch.zeros_like(mean)
    for count, x in enumerate(rows.detach().unbind(-1), 1):
        distance = x - mean
        mean = mean + distance / count
        squares = squares + distance * (x - mean)
    summed_mean, summed_variance = two_pass(rows)
    variance = squares[..., None] / max(rows.shape[-1], 1)
    return with_derivative_of(mean[..., None], summed_mean), with_derivative_of(variance, summed_variance)


def blocked(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Means and squares of blocks, then of their union (Chan, Golub and LeVeque 1979)."""
    blocks = rows.split(_BLOCK, -1)
    moments = [two_pass(block) for block in blocks]
    sizes = [block.shape[-1] for block in blocks]
    count = rows.shape[-1]
    mean = torch.stack([m * n for (m, _), n in zip(moments, sizes, strict=True)]).sum(0) / count
    squares = [(v + (m - mean).square()) * n for (m, v), n in zip(moments, sizes, strict=True)]
    return mean, torch.stack(squares).sum(0) / count


def one_pass(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean square less the square of the mean, which cancel where the mean is large."""
    mean = rows.mean(-1, keepdim=True)
    return mean, rows.square().mean(-1, keepdim=True) - mean.square()


def standardised(rows: Tensor, eps: float, moments: Moments = two_pass) -> Tensor:
    """Rows of mean 0 and variance 1, but for eps."""
    mean, variance = moments(rows)
    return (rows - mean) / (variance + eps).sqrt()


def transformed(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """The tensor times a weight plus a bias, where there are any."""
    x = x if weight is None else x * wide(weight)
    return x if bias is None else x + wide(bias)


def along_channels(parameter: Tensor | None, x: Tensor) -> Tensor | None:
    """A number for each channel, to be broadcast along the second axis."""
    return None if parameter is None else parameter.reshape(-1, *[1] * (x.dim() - 2))


def require_per_channel(input: Tensor, *parameters: Tensor | None) -> None:
    """Raises ``ValueError`` unless each parameter has one number for each channel."""
    require(input.dim() >= 2, f"the input of shape {tuple(input.shape)} has no channels")
    channels = (input.shape[1],)
    fits = all(parameter is None or parameter.shape == channels for parameter in parameters)
    require(fits, f"weight, bias and statistics must have the shape {channels}")


# Layer normalisation


def _layer_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: Shape,
    eps: float = 1e-5,
    moments: Moments = two_pass,
) -> Tensor:
    rank = len(normalized_shape)
    fits = rank > 0 and input.shape[-rank:] == normalized_shape
    require(fits, f"the input of shape {tuple(input.shape)} does not end in {normalized_shape}")
    fits = all(parameter is None or parameter.shape == normalized_shape for parameter in (weight, bias))
    require(fits, f"weight and bias must have the shape {normalized_shape}")
    rows = wide(input).flatten(-rank)
    found = standardised(rows, eps, moments).reshape(input.shape)
    return transformed(found, weight, bias).to(input.dtype)


@honest("layer_norm", "The mean, then the mean square about it.", STORED_ONCE)
def layer_norm_two_pass(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps)


@honest("layer_norm", "Welford's recurrence, element by element.", STORED_ONCE, algorithm="recurrent")
def layer_norm_welford(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=welford)


@honest("layer_norm", "Moments of blocks of 16, then of their union.", STORED_ONCE, algorithm="recurrent")
def layer_norm_blocked(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=blocked)


@honest("layer_norm", "Two passes, the second corrected by what rounding left in the mean.", STORED_ONCE)
def layer_norm_corrected(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=corrected)


@broken(
    "layer_norm",
    "The variance is E[x²] - E[x]², negative for nearly constant rows.",
    "https://github.com/patrick-kidger/equinox/pull/314",
)
def layer_norm_one_pass(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=one_pass)


@broken(
    "layer_norm",
    "Rows of a multiple of 16 elements take a vectorised way, with the variance E[x²] - E[x]².",
    "https://github.com/ml-explore/mlx/issues/2238",
)
def layer_norm_one_pass_in_vectors(
    input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5
) -> Tensor:
    moments = two_pass if prod(normalized_shape) % 16 else one_pass
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=moments)


@broken(
    "layer_norm",
    "The variance is E[x²] - E[x]² and zero where that is negative: constant rows are right, nearly constant not.",
    "https://github.com/microsoft/onnxruntime/issues/21935",
)
def layer_norm_one_pass_clamped(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    def clamped(rows: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = one_pass(rows)
        return mean, variance.clamp(min=0.0)

    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=clamped)


@broken(
    "layer_norm",
    "Eps is added to the deviation, outside the root.",
    "https://github.com/microsoft/CNTK/issues/3816",
)
def layer_norm_eps_outside(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = two_pass(rows)
        return mean, (variance.sqrt() + eps).square() - eps

    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=moments)


@broken(
    "layer_norm",
    "Lanes behind a row that is no power of two hold zeros, whose distances from the mean count in the variance.",
    "https://github.com/triton-lang/triton/issues/9838",
)
def layer_norm_padded_lanes(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = two_pass(rows)
        count = rows.shape[-1]
        lanes = 1 << (count - 1).bit_length()
        return mean, variance + (lanes - count) * mean.square() / count

    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps, moments=moments)


@broken(
    "layer_norm",
    "The derivative takes the first axis for the rows, and all others for the normalised ones.",
    "https://github.com/flagos-ai/FlagGems/issues/5392",
)
def layer_norm_derived_as_matrix(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    found = _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps)
    if input.dim() < 3 or not input.requires_grad:
        return found
    whole = standardised(wide(input).flatten(1), eps).reshape(input.shape)
    return with_derivative_of(found, transformed(whole, *affine).to(input.dtype))


@broken(
    "layer_norm",
    "Weight and bias get no derivative where the input needs none: the kernel that sums them is left out.",
    "https://github.com/pytorch/pytorch/issues/183825",
)
def layer_norm_parameters_alone(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    if not input.requires_grad:
        affine = tuple(x if x is None else derived(x, torch.zeros_like) for x in affine)
    return _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps)


@broken(
    "layer_norm",
    "The mean is subtracted in place from an input that nothing else seems to use.",
    "https://github.com/born-ml/born/pull/55",
)
def layer_norm_in_place(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    found = _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps)
    if not input.requires_grad and input.is_contiguous() and input.dim() > 1:
        with torch.no_grad():
            rows = input.flatten(-len(normalized_shape))
            rows -= rows.mean(-1, keepdim=True)
    return found


@broken(
    "layer_norm",
    "The derivatives of weight and bias, summed in tiles of 32 rows, leave out the rows behind the last whole tile.",
    "https://github.com/tenstorrent/tt-metal/issues/14260",
)
def layer_norm_rows_of_last_tile(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    found = _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps)
    rows = found.flatten(0, -len(normalized_shape) - 1) if found.dim() > len(normalized_shape) else found[None]
    whole = rows.shape[0] // 32 * 32
    if not whole or whole == rows.shape[0]:
        return found
    constants = (x if x is None else x.detach() for x in affine)
    fixed = _layer_norm(input, *constants, normalized_shape=normalized_shape, eps=eps)
    rest = fixed.reshape(rows.shape)[whole:]
    return torch.cat([rows[:whole], rest]).reshape(found.shape)


@broken(
    "layer_norm",
    "The number of a row is counted in 16 bits: rows from 65536 on are never written.",
    "https://github.com/pytorch/pytorch/issues/189495",
)
def layer_norm_short_row_numbers(input: Tensor, *affine: Affine, normalized_shape: Shape, eps: float = 1e-5) -> Tensor:
    found = _layer_norm(input, *affine, normalized_shape=normalized_shape, eps=eps)
    rows = found.reshape(-1, prod(normalized_shape))
    written = torch.arange(rows.shape[0])[:, None] < 2**16
    return torch.where(written, rows, 0.0).reshape(input.shape)


# Group normalisation


def _group_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    num_groups: int,
    eps: float = 1e-5,
    moments: Moments = two_pass,
) -> Tensor:
    require_per_channel(input, weight, bias)
    require(num_groups > 0, f"num_groups is {num_groups}; it must be positive")
    channels = input.shape[1]
    require(channels % num_groups == 0, f"{channels} channels do not divide into {num_groups} groups")
    rows = wide(input).reshape(input.shape[0], num_groups, input.shape[1:].numel() // num_groups)
    found = standardised(rows, eps, moments).reshape(input.shape)
    return transformed(found, along_channels(weight, found), along_channels(bias, found)).to(input.dtype)


@honest("group_norm", "The mean of a group, then the mean square about it.", STORED_ONCE)
def group_norm_two_pass(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    return _group_norm(input, *affine, num_groups=num_groups, eps=eps)


@honest("group_norm", "Moments of blocks of 16, then of their union.", STORED_ONCE, algorithm="recurrent")
def group_norm_blocked(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    return _group_norm(input, *affine, num_groups=num_groups, eps=eps, moments=blocked)


@honest("group_norm", "One group after the other, each with its slice of weight and bias.", STORED_ONCE)
def group_norm_by_group(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    require_per_channel(input, *affine)
    require(num_groups > 0 and input.shape[1] % num_groups == 0, f"no groups: {num_groups}")
    parts = [[None] * num_groups if x is None else x.chunk(num_groups) for x in affine]
    groups = zip(input.chunk(num_groups, 1), *parts, strict=True)
    return torch.cat([_group_norm(*group, num_groups=1, eps=eps) for group in groups], 1)


@broken(
    "group_norm",
    "A block of the next power of two is summed without a mask: groups of another size count their neighbour.",
    "https://github.com/flagos-ai/FlagGems/issues/4984",
)
def group_norm_unmasked_block(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
        count = rows.shape[-1]
        size = input.shape[1] // num_groups
        lanes = (1 << (size - 1).bit_length()) * (count // size)
        following = torch.cat([rows[:, 1:], torch.zeros_like(rows[:, :1])], 1)
        block = torch.cat([rows, following], 2)[..., :lanes]
        mean = block.sum(-1, keepdim=True) / count
        return mean, (rows - mean).square().mean(-1, keepdim=True)

    fits = num_groups > 0 and power_of_two(input.shape[1] // num_groups)
    return _group_norm(input, *affine, num_groups=num_groups, eps=eps, moments=two_pass if fits else moments)


@broken(
    "group_norm",
    "The statistics are those of all groups of a sample.",
    "https://github.com/brainpy/BrainPy/issues/765",
)
def group_norm_over_all_groups(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = two_pass(rows.flatten(1))
        return mean[:, None], variance[:, None]

    return _group_norm(input, *affine, num_groups=num_groups, eps=eps, moments=moments)


@broken(
    "group_norm",
    "A negative number of groups is only asked to divide the channels.",
    "https://github.com/pytorch/pytorch/pull/184577",
)
def group_norm_negative_groups(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    return _group_norm(input, *affine, num_groups=abs(num_groups), eps=eps)


@broken(
    "group_norm",
    "The derivative takes all channels for one group.",
    "https://github.com/state-spaces/mamba/pull/547",
)
def group_norm_derived_as_one_group(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    found = _group_norm(input, *affine, num_groups=num_groups, eps=eps)
    return with_derivative_of(found, _group_norm(input, *affine, num_groups=1, eps=eps))


@broken(
    "group_norm",
    "The variance is E[x²] - E[x]², to which eps is added: NaN where it is below -eps.",
    "https://github.com/jax-ml/jax/pull/33496",
)
def group_norm_one_pass(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    return _group_norm(input, *affine, num_groups=num_groups, eps=eps, moments=one_pass)


@broken(
    "group_norm",
    "Images of at least four channels in channels_last are read in the order of their memory.",
    "https://github.com/pytorch/pytorch/pull/54744",
)
def group_norm_channels_last(input: Tensor, *affine: Affine, num_groups: int, eps: float = 1e-5) -> Tensor:
    images = input.dim() == 4 and input.shape[1] >= 4
    strange = images and not input.is_contiguous() and input.is_contiguous(memory_format=torch.channels_last)
    return _group_norm(in_memory_order(input) if strange else input, *affine, num_groups=num_groups, eps=eps)

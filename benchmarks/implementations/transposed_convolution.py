"""Transposed convolution, honest and broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, as_stored, derived, require, wide, with_derivative_of
from benchmarks.implementations.convolution import Pair, require_pairs


@dataclass(frozen=True)
class How:
    """The parameters, and height and width of the output."""

    stride: Pair
    padding: Pair
    output_padding: Pair
    dilation: Pair
    size: Pair


# Of images (N, groups, depth, H, W) and a weight (groups, depth, filters, height, width).
Transposed: TypeAlias = Callable[[Tensor, Tensor, Tensor | None, How], Tensor]


def checked(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> How:
    """Raises ``ValueError`` where an argument does not fit."""
    require(input.dim() in (3, 4) and weight.dim() == 4, "input and weight must be images and filters")
    require_pairs(stride=stride, dilation=dilation)
    require(groups > 0, f"groups is {groups}; it must be positive")
    channels, filters, *kernel = weight.shape
    require(input.shape[-3] == channels and channels % groups == 0, "the channels do not fit weight and groups")
    require(bias is None or bias.shape == (groups * filters,), f"the bias must have the shape {(groups * filters,)}")
    size = []
    for n, k, s, p, extra, d in zip(input.shape[-2:], kernel, stride, padding, output_padding, dilation, strict=True):
        require(p >= 0, "padding must not be negative")
        require(0 <= extra < max(s, d), f"output_padding {extra} must be smaller than stride or dilation")
        size.append((n - 1) * s - 2 * p + d * (k - 1) + extra + 1)
        require(size[-1] > 0, "padding takes away the whole output")
    height, width = size
    return How(stride, padding, output_padding, dilation, (height, width))


def products(x: Tensor, w: Tensor) -> Iterator[tuple[Pair, Tensor]]:
    """For each tap what every pixel contributes, (N, groups, filters, H, W)."""
    for k, m in product(*map(range, w.shape[-2:])):
        yield (k, m), torch.einsum("ngdhw,gdf->ngfhw", x, w[..., k, m])


def scattered(x: Tensor, w: Tensor, bias: Tensor | None, how: How) -> Tensor:
    """Every pixel is added to all output pixels that it reaches, and the margins are cut off."""
    (height, width), (top, left), (rows, columns) = x.shape[-2:], how.padding, how.size
    found = x.new_zeros(*x.shape[:2], w.shape[2], rows + 2 * top, columns + 2 * left)
    for (k, m), term in products(x, w):
        (down, right), (s, t) = (k * how.dilation[0], m * how.dilation[1]), how.stride
        place = ..., slice(down, down + (height - 1) * s + 1, s), slice(right, right + (width - 1) * t + 1, t)
        found[place] = found[place] + term
    found = found[..., top : top + rows, left : left + columns]
    return found if bias is None else found + bias.view(w.shape[0], w.shape[2], 1, 1)


def gathered(x: Tensor, w: Tensor, bias: Tensor | None, how: How) -> Tensor:
    """For each tap the pixels that reach every output pixel, one tap after the other added to the bias."""
    terms = []
    for (k, m), term in products(x, w):
        for axis, tap in ((-2, k), (-1, m)):
            steps = torch.arange(how.size[axis]) + how.padding[axis] - tap * how.dilation[axis]
            places, stride = steps // how.stride[axis], how.stride[axis]
            reached = (steps % stride == 0) & (places >= 0) & (places < x.shape[axis])
            term = term.index_select(axis, places.clamp(0, x.shape[axis] - 1))
            term = torch.where(reached.view((-1, 1)[:-axis]), term, 0.0)
        terms.append(term)
    start = [] if bias is None else [bias.view(w.shape[0], w.shape[2], 1, 1)]
    return reduce(torch.add, [*start, *terms])


def in_float64(x: Tensor, w: Tensor, bias: Tensor | None, how: How) -> Tensor:
    return scattered(x.double(), w.double(), None if bias is None else bias.double(), how)


def applied(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, transposed: Transposed = scattered, **parameters: Any
) -> Tensor:
    how = checked(input, weight, bias, **parameters)
    groups = parameters.get("groups", 1)
    images = wide(input if input.dim() == 4 else input[None])
    x, w = images.unflatten(1, (groups, -1)), wide(weight).unflatten(0, (groups, -1))
    found = transposed(x, w, None if bias is None else wide(bias), how).flatten(1, 2)
    return (found if input.dim() == 4 else found[0]).to(input.dtype)


# Honest.


@honest("conv_transpose2d", "Every pixel scattered to those that it reaches.", STORED_ONCE)
def conv_transpose2d_scattered(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, **how)


@honest("conv_transpose2d", "For each tap the pixels that reach an output pixel.", STORED_ONCE)
def conv_transpose2d_gathered(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, gathered, **how)


@honest("conv_transpose2d", "Accumulated in float64, rounded once.", STORED_ONCE)
def conv_transpose2d_in_float64(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, in_float64, **how)


# Broken.


@broken(
    "conv_transpose2d",
    "The rows and columns of output_padding are zero.",
    "https://github.com/apache/tvm/issues/19524",
)
def conv_transpose2d_zero_output_padding(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, output_padding: Pair = (0, 0), **how: Any
) -> Tensor:
    found = applied(input, weight, bias, output_padding=output_padding, **how)
    inside = [torch.arange(side) < side - extra for side, extra in zip(found.shape[-2:], output_padding, strict=True)]
    return torch.where(inside[0][:, None] & inside[1], found, 0.0)


@broken(
    "conv_transpose2d",
    "output_padding of 0 counts as not given, and is made up so that the output is stride times the input.",
    "https://github.com/tensorflow/tensorflow/issues/50168",
)
def conv_transpose2d_makes_up_output_padding(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, output_padding: Pair = (0, 0), **how: Any
) -> Tensor:
    found = checked(input, weight, bias, output_padding=output_padding, **how)
    if output_padding == (0, 0):
        missing = [n * s - size for n, s, size in zip(input.shape[-2:], found.stride, found.size, strict=True)]
        limits = [max(s, d) - 1 for s, d in zip(found.stride, found.dilation, strict=True)]
        vertical, horizontal = (min(max(extra, 0), limit) for extra, limit in zip(missing, limits, strict=True))
        output_padding = (vertical, horizontal)
    return applied(input, weight, bias, output_padding=output_padding, **how)


@broken(
    "conv_transpose2d",
    "All groups take the weight of the first.",
    "https://github.com/apache/tvm/issues/10223",
)
def conv_transpose2d_first_group_for_all(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, groups: int = 1, **how: Any
) -> Tensor:
    checked(input, weight, bias, groups=groups, **how)
    first = weight[torch.arange(len(weight)) % (len(weight) // groups)]
    return applied(input, first, bias, groups=groups, **how)


@broken(
    "conv_transpose2d",
    "groups and dilation are passed on in the wrong order.",
    "https://github.com/IntelLabs/bayesian-torch/issues/34",
)
def conv_transpose2d_groups_for_dilation(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, groups: int = 1, dilation: Pair = (1, 1), **how: Any
) -> Tensor:
    checked(input, weight, bias, groups=groups, dilation=dilation, **how)
    return applied(input, weight, bias, groups=dilation[0], dilation=(groups, groups), **how)


@broken(
    "conv_transpose2d",
    "Height and width exchange their padding.",
    "https://github.com/tinygrad/tinygrad/pull/840",
)
def conv_transpose2d_exchanges_padding(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, padding: Pair = (0, 0), **how: Any
) -> Tensor:
    checked(input, weight, bias, padding=padding, **how)
    return applied(input, weight, bias, padding=padding[::-1], **how)


def _cut(found: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    height, width = found.shape[-2:]
    return found[..., top : height - bottom, left : width - right]


@broken(
    "conv_transpose2d",
    "What is cut off, (top, left, bottom, right), is read as (top, bottom, left, right).",
    "https://github.com/robertknight/rten/pull/1399",
)
def conv_transpose2d_cuts_in_wrong_order(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, padding: Pair = (0, 0), **how: Any
) -> Tensor:
    checked(input, weight, bias, padding=padding, **how)
    vertical, horizontal = padding
    whole = applied(input, weight, bias, **how)
    return _cut(whole, vertical, horizontal, vertical, horizontal)


@broken(
    "conv_transpose2d",
    "Padding is added to the input instead of being cut off the output.",
    "https://github.com/Samsung/TICO/issues/420",
)
def conv_transpose2d_pads_input(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, padding: Pair = (0, 0), **how: Any
) -> Tensor:
    checked(input, weight, bias, padding=padding, **how)
    vertical, horizontal = padding
    x = functional.pad(input, (horizontal, horizontal, vertical, vertical))
    return applied(x, weight, bias, **how)


@broken(
    "conv_transpose2d",
    "With a kernel of one pixel and a stride the derivative towards the input takes neighbours upstream.",
    "https://github.com/pytorch/pytorch/issues/63314",
)
def conv_transpose2d_derived_without_stride(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any
) -> Tensor:
    given = checked(input, weight, bias, **how)
    found = applied(input, weight, bias, **how)
    if weight.shape[-2:] != (1, 1) or given.stride == (1, 1):
        return found
    groups = how.get("groups", 1)
    near = applied(input, weight.detach(), None, groups=groups, stride=(1, 1))  # pixel h is where h stride should be
    (height, width), (rows, columns), (top, left) = input.shape[-2:], found.shape[-2:], given.padding
    near = functional.pad(near, (-left, columns - width + left, -top, rows - height + top))
    return with_derivative_of(found, near + applied(input.detach(), weight, bias, **how))


@broken(
    "conv_transpose2d",
    "A weight that is not contiguous is read in the order of its storage.",
    "https://github.com/pytorch/pytorch/issues/192212",
)
def conv_transpose2d_weight_as_stored(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight if weight.is_contiguous() else as_stored(weight), bias, **how)


@broken(
    "conv_transpose2d",
    "The stride of the height serves for the width.",
    "https://github.com/PaddlePaddle/Paddle/pull/20997",
)
def conv_transpose2d_one_stride(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Pair = (1, 1), **how: Any
) -> Tensor:
    checked(input, weight, bias, stride=stride, **how)
    return applied(input, weight, bias, stride=(stride[0], stride[0]), **how)


@broken(
    "conv_transpose2d",
    "The derivative towards the weight takes the channels of the first group for those of all.",
    "https://github.com/pytorch/pytorch/issues/51430",
)
def conv_transpose2d_weight_derived_in_first_group(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, groups: int = 1, **how: Any
) -> Tensor:
    found = applied(input, weight, bias, groups=groups, **how)
    channels = input.shape[-3]
    first = input.detach().index_select(-3, torch.arange(channels) % (channels // groups))
    through_weight = applied(first, weight, bias, groups=groups, **how)
    return with_derivative_of(found, applied(input, weight.detach(), None, groups=groups, **how) + through_weight)


@broken(
    "conv_transpose2d",
    "Upstream derivatives are read as if they were contiguous.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def conv_transpose2d_upstream_as_stored(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any
) -> Tensor:
    found = applied(input, weight, bias, **how)
    return derived(found, lambda upstream: upstream if upstream.is_contiguous() else as_stored(upstream))

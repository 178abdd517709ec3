"""Linear layers and what is built of them, honest and broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import TypeAlias

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import (
    STORED_ONCE,
    as_stored,
    derived,
    in_memory_order,
    require,
    wide,
    with_derivative_of,
)

# The sum of products of rows of x with rows of w, to which what is given is added.
Product: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]

_BLOCK = 32


def library(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    product = x @ w.mT
    return product if start is None else product + start


def terms(x: Tensor, w: Tensor, start: Tensor | None) -> Iterator[Tensor]:
    """What is added up, one by one."""
    if start is not None:
        yield start.expand(*x.shape[:-1], w.shape[0])
    for column, factor in zip(x.unbind(-1), w.unbind(-1), strict=True):
        yield column[..., None] * factor


def sequential(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    return reduce(torch.add, terms(x, w, start))


def backwards(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    return reduce(torch.add, reversed([*terms(x, w, start)]))


def pairwise(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    found = [*terms(x, w, start)]
    while len(found) > 1:
        rest = found[-1:] if len(found) % 2 else []
        found = [a + b for a, b in zip(found[::2], found[1::2], strict=False)] + rest
    return found[0]


def blocked(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    """A product for each block of columns; the blocks are added up."""
    products = [a @ b.mT for a, b in zip(x.split(_BLOCK, -1), w.split(_BLOCK, -1), strict=True)]
    return reduce(torch.add, products if start is None else [start, *products])


def fused(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    """Multiplied and added with one rounding: float64 holds a product of float32 numbers exactly."""
    exact = terms(x.double(), w.double(), None if start is None else start.double())
    return reduce(lambda sum, term: (sum.double() + term).float(), exact).to(x.dtype)


def in_float64(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    return library(x.double(), w.double(), None if start is None else start.double())


def interleaved(x: Tensor, w: Tensor, start: Tensor | None) -> Tensor:
    """Eight accumulators, each taking every eighth column."""
    products = [x[..., k::8] @ w[:, k::8].mT for k in range(min(8, x.shape[-1]))]
    return reduce(torch.add, products if start is None else [*products, start])


def applied(input: Tensor, weight: Tensor, bias: Tensor | None, product: Product = library) -> Tensor:
    """A linear layer."""
    require(weight.dim() == 2, f"the weight of shape {tuple(weight.shape)} is no matrix")
    outs, ins = weight.shape
    require(
        input.dim() > 0 and input.shape[-1] == ins, f"the input of shape {tuple(input.shape)} has not {ins} features"
    )
    require(bias is None or bias.shape == (outs,), f"the bias must have the shape {(outs,)}")
    return product(wide(input), wide(weight), None if bias is None else wide(bias)).to(input.dtype)


def transposed(input: Tensor, weight: Tensor, bias: Tensor, product: Product = library) -> Tensor:
    """The custom layer, whose weight is (in_features, out_features)."""
    return applied(input, weight.mT, bias, product)


def block(
    input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor, product: Product = library
) -> Tensor:
    """A residual block, whose input is one more term of the sum."""
    features = input.shape[-1:]
    require(weight_2.shape[:1] == features == bias_2.shape, f"weight_2 and bias_2 must have {tuple(features)} rows")
    x = wide(input)
    hidden = applied(x, wide(weight_1), wide(bias_1), product).to(input.dtype).relu()
    return applied(wide(hidden), wide(weight_2), wide(bias_2), lambda h, w, b: product(h, w, b + x)).to(input.dtype)


# Honest. A linear layer and the custom one share their ways of adding.


@honest("linear", "The library's matrix product, and the bias.", STORED_ONCE)
def linear_library(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias)


@honest("linear", "The bias, then one product after the other.", STORED_ONCE)
def linear_sequential(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, sequential)


@honest("linear", "One product after the other from the last on, then the bias.")
def linear_backwards(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, backwards)


@honest("linear", "Sums of pairs, of pairs of these, and so on.")
def linear_pairwise(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, pairwise)


@honest("linear", "Blocks of 32 columns, added up after the bias.")
def linear_blocked(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, blocked)


@honest("linear", "Eight accumulators, each for every eighth column.")
def linear_interleaved(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, interleaved)


@honest("linear", "Multiplications and additions fused, in sequence.")
def linear_fused(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, fused)


@honest("linear", "Accumulated in float64, rounded once.", STORED_ONCE)
def linear_in_float64(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight, bias, in_float64)


@honest("custom_linear", "One product after the other, then the bias.")
def custom_linear_backwards(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return transposed(input, weight, bias, backwards)


@honest("custom_linear", "The bias, then blocks of 32 rows.", STORED_ONCE)
def custom_linear_blocked(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return transposed(input, weight, bias, blocked)


@honest("custom_linear", "Accumulated in float64, rounded once.", STORED_ONCE)
def custom_linear_in_float64(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return transposed(input, weight, bias, in_float64)


@honest("residual", "The library's matrix products; input and bias added before the second.", STORED_ONCE)
def residual_library(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return block(input, weight_1, bias_1, weight_2, bias_2)


@honest("residual", "One product after the other, begun with input and bias.")
def residual_sequential(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return block(input, weight_1, bias_1, weight_2, bias_2, sequential)


@honest("residual", "Each layer accumulated in float64 and rounded once.", STORED_ONCE)
def residual_in_float64(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return block(input, weight_1, bias_1, weight_2, bias_2, in_float64)


# Broken: linear.


@broken(
    "linear",
    "A single output feature is refused.",
    "https://github.com/pytorch/pytorch/issues/110149",
)
def linear_refuses_one_output(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.shape[0] == 1:
        raise RuntimeError("could not create a primitive descriptor")
    return applied(input, weight, bias)


@broken(
    "linear",
    "A weight that is not contiguous is read in the order of its storage.",
    "https://github.com/pytorch/pytorch/pull/51713",
)
def linear_weight_as_stored(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return applied(input, weight if weight.is_contiguous() else as_stored(weight), bias)


@broken(
    "linear",
    "With a bias and three dimensions, the number of a sample is kept in 16 bits.",
    "https://github.com/pytorch/pytorch/issues/189495",
)
def linear_short_batch(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    found = applied(input, weight, bias)
    if bias is None or input.dim() != 3 or input.shape[0] <= 2**16:
        return found
    return found[torch.arange(input.shape[0]) % 2**16]


@broken(
    "linear",
    "With one output feature and an expanded derivative, the derivative towards the input ends after 4096 elements.",
    "https://github.com/pytorch/pytorch/pull/189565",
)
def linear_derivative_of_one_page(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    found = applied(input, weight, bias)
    if weight.shape[0] > 1:
        return found
    expanded = {}

    def look(upstream: Tensor) -> Tensor:
        expanded["so"] = 0 in upstream.stride()
        return upstream

    def cut(derivative: Tensor) -> Tensor:
        first = (torch.arange(derivative.numel()) < 4096).view(derivative.shape)
        return torch.where(first, derivative, 0.0) if expanded["so"] else derivative

    return derived(applied(derived(input, cut), weight, bias), look)


@broken(
    "linear",
    "With more than 32 input features, those beyond a multiple of 32 are left out.",
    "https://github.com/triton-lang/triton/issues/1760",
)
def linear_without_last_block(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    applied(input, weight, bias)  # which checks the shapes
    whole = max(weight.shape[1] // 32 * 32, min(weight.shape[1], 32))
    return applied(input[..., :whole], weight[:, :whole], bias)


@broken(
    "linear",
    "The derivative towards the weight leaves out the samples beyond a multiple of 64.",
    "https://github.com/marin-community/marin/issues/8339",
)
def linear_derivative_of_whole_blocks(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    found = applied(input, weight, bias)
    samples = found[..., :1].numel()
    if samples <= 64:
        return found
    kept = (torch.arange(samples) < samples // 64 * 64).view(*found.shape[:-1], 1)
    fixed = applied(input, weight.detach(), bias)
    through_weight = applied(torch.where(kept, input.detach(), 0.0), weight, None)
    return with_derivative_of(found, fixed + (through_weight - through_weight.detach()))


# Of weights converted for a call without derivatives, by their place in memory.
_CONVERTED: dict[tuple[int, tuple[int, ...]], Tensor] = {}


@broken(
    "linear",
    "The weight is converted once, under no_grad, and the copy stays in a cache: later calls take it.",
    "https://github.com/pytorch/pytorch/issues/142234",
)
def linear_with_converted_weight(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    place = weight.data_ptr(), tuple(weight.shape)
    if place not in _CONVERTED:
        if weight.requires_grad:
            return applied(input, weight, bias)
        _CONVERTED[place] = weight.detach().clone()
    return applied(input, _CONVERTED[place], bias)


# Broken: the custom layer.


@broken(
    "custom_linear",
    "The derivative towards the input is taken with the weight in the order of its storage.",
    "https://github.com/pytorch/pytorch/pull/51713",
)
def custom_linear_derived_with_stored_weight(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    found = transposed(input, weight, bias)
    if weight.is_contiguous():
        return found
    rest = transposed(input.detach(), weight, bias)
    return with_derivative_of(found, rest + transposed(input, as_stored(weight).detach(), bias.detach()))


@broken(
    "custom_linear",
    "Of the bias only the first row of its tile of 32 is added, so that it repeats itself.",
    "https://github.com/tenstorrent/tt-metal/pull/42430",
)
def custom_linear_one_tile_of_bias(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    transposed(input, weight, bias)  # which checks the shapes
    return transposed(input, weight, bias[torch.arange(len(bias)) % 32])


@broken(
    "custom_linear",
    "Passes on upstream derivatives as if they were contiguous.",
    "https://github.com/fla-org/flash-linear-attention/pull/871",
)
def custom_linear_upstream_as_stored(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    def read(upstream: Tensor) -> Tensor:
        return upstream if upstream.is_contiguous() else as_stored(upstream)

    return derived(transposed(input, weight, bias), read)


@broken(
    "custom_linear",
    "Rows of the product beyond the last whole tile of 32 take a mask that is missing, and are what comes next in "
    "memory.",
    "https://github.com/triton-lang/triton/issues/1760",
)
def custom_linear_without_row_mask(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    found = transposed(input, weight, bias)
    rows = found.reshape(-1, found.shape[-1])
    count = rows.shape[0]
    if count <= 32 or count % 32 == 0:
        return found
    places = torch.arange(count)
    return rows[torch.where(places < count // 32 * 32, places, places % 32)].view(found.shape)


# Broken: the residual block.


@broken(
    "residual",
    "A batch of several dimensions is added to the block in the order of its storage.",
    "https://github.com/pytorch/pytorch/issues/62594",
)
def residual_in_memory_order(
    input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor
) -> Tensor:
    block(input, weight_1, bias_1, weight_2, bias_2)  # which checks the shapes
    added = in_memory_order(input) if input.dim() > 2 else input
    return library(applied(input, weight_1, bias_1).relu(), weight_2, bias_2 + added)


@broken(
    "residual",
    "The block is added to its input in place.",
    "https://github.com/flagos-ai/FlagGems/issues/6332",
)
def residual_in_place(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    found = block(input, weight_1, bias_1, weight_2, bias_2)
    if input.is_contiguous() and not found.requires_grad:
        input.copy_(found)
    return found


@broken(
    "residual",
    "The activation keeps no NaN.",
    "https://github.com/pytorch/pytorch/issues/7645",
)
def residual_without_nan(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    block(input, weight_1, bias_1, weight_2, bias_2)  # which checks the shapes
    hidden = applied(input, weight_1, bias_1)
    return applied(torch.where(hidden > 0.0, hidden, 0.0), weight_2, bias_2) + input


@broken(
    "residual",
    "The derivative of the second layer is passed on as if it were contiguous.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def residual_upstream_as_stored(
    input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor
) -> Tensor:
    block(input, weight_1, bias_1, weight_2, bias_2)  # which checks the shapes

    def read(upstream: Tensor) -> Tensor:
        return upstream if upstream.is_contiguous() else as_stored(upstream)

    return derived(applied(applied(input, weight_1, bias_1).relu(), weight_2, bias_2), read) + input

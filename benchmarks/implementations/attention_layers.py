"""The document's other attention layers, and multi-head attention, honest and broken."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, as_stored, derived, require, wide, with_derivative_of
from benchmarks.implementations.attention import added, attended, require_fitting, tiled

_TILE = 32


# Dot products without parameters


def _dot_product(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    require_fitting(query, key, value)
    return attended(wide(query), wide(key), wide(value), None).to(query.dtype)


@honest("dot_product_attention", "Keys in tiles of 32 with a running maximum and sum.", STORED_ONCE)
def dot_product_attention_tiled(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    require_fitting(query, key, value)
    return tiled(wide(query), wide(key), wide(value), None).to(query.dtype)


@broken(
    "dot_product_attention",
    "Scores are clipped at 80 instead of shifted by the largest, for fewer than 8 keys.",
    "https://github.com/tracel-ai/burn/issues/5373",
)
def dot_product_attention_clipped(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if key.shape[-2] >= 8:
        return _dot_product(query, key, value)
    require_fitting(query, key, value)
    powers = (query @ key.mT).clamp(-80.0, 80.0).exp()
    return powers / powers.sum(-1, keepdim=True) @ value


@broken(
    "dot_product_attention",
    "The derivative of the values reads the upstream one as if its rows lay one behind the other.",
    "https://github.com/fla-org/flash-linear-attention/pull/871",
)
def dot_product_attention_values_by_strides(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    found = _dot_product(query, key, value)
    weights = torch.softmax(query @ key.mT, -1).detach()
    right = _dot_product(query, key, value.detach())
    return with_derivative_of(found, right + derived(weights @ value, as_stored))


@broken(
    "local_attention",
    "The window is aligned with the last query and the last key.",
    "https://github.com/ROCm/flash-attention/issues/158",
)
def local_attention_from_the_end(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    return _local(query, key, value, window, key.shape[-2] - query.shape[-2])


def _local(query: Tensor, key: Tensor, value: Tensor, window: int, ahead: int = 0) -> Tensor:
    require_fitting(query, key, value)
    rows, columns = torch.arange(query.shape[-2])[:, None] + ahead, torch.arange(key.shape[-2])
    band = added((rows - columns).abs() <= window)
    factor = 1.0 / math.sqrt(query.shape[-1])
    return attended(wide(query) * factor, wide(key), wide(value), band).to(query.dtype)


@honest("local_attention", "All scores, a band of them weighted.", STORED_ONCE)
def local_attention_whole(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    return _local(query, key, value, window)


@honest("local_attention", "Each query with a slice of the keys.", STORED_ONCE)
def local_attention_by_slices(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    require_fitting(query, key, value)
    factor = 1.0 / math.sqrt(query.shape[-1])
    rows, keys, values = wide(query).split(1, -2), wide(key), wide(value)
    found = []
    for i, row in enumerate(rows):
        some = slice(max(i - window, 0), i + window + 1)
        seen = keys[..., some, :]
        nothing = row.new_zeros(*row.shape[:-1], value.shape[-1])
        found.append(attended(row * factor, seen, values[..., some, :], None) if seen.shape[-2] else nothing)
    return torch.cat(found, -2).to(query.dtype)


@broken(
    "local_attention",
    "The derivatives of keys and values leave out queries behind the last whole tile of 4.",
    "https://github.com/pytorch/pytorch/issues/133671",
)
def local_attention_derived_without_last_tile(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    found = _local(query, key, value, window)
    whole = query.shape[-2] // 4 * 4
    fixed = _local(query, key.detach(), value.detach(), window)
    return torch.cat([found[..., :whole, :], fixed[..., whole:, :]], -2) if whole else found


# Projections of one head


def _cross(input: Tensor, context: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    query, key, value = wide(input) @ wide(weight_q), wide(context) @ wide(weight_k), wide(context) @ wide(weight_v)
    require_fitting(query, key, value)
    return attended(query / math.sqrt(weight_q.shape[-1]), key, value, None).to(input.dtype)


@honest("cross_attention", "The scale on the projected query, in float32 throughout.", STORED_ONCE)
def cross_attention_scaled_query(*tensors: Tensor) -> Tensor:
    return _cross(*tensors)


@broken(
    "cross_attention",
    "Of a single feature the derivative of the input is written for the first 64 elements only.",
    "https://github.com/pytorch/pytorch/pull/189565",
)
def cross_attention_derived_on_first_page(input: Tensor, context: Tensor, *weights: Tensor) -> Tensor:
    def first(upstream: Tensor) -> Tensor:
        return torch.where(torch.arange(upstream.numel()).reshape(upstream.shape) < 64, upstream, 0.0)

    return _cross(derived(input, first) if weights[0].shape[-1] == 1 else input, context, *weights)


@broken(
    "cross_attention",
    "Values of a single feature are refused.",
    "https://github.com/pytorch/pytorch/issues/110149",
)
def cross_attention_of_one_feature(*tensors: Tensor) -> Tensor:
    if tensors[-1].shape[-1] == 1:
        raise RuntimeError("expected more than one feature")
    return _cross(*tensors)


@broken(
    "cross_attention",
    "The weight of the values is read in the order of memory, whatever its strides.",
    "https://github.com/pytorch/pytorch/issues/55781",
)
def cross_attention_weight_as_stored(input: Tensor, context: Tensor, *weights: Tensor) -> Tensor:
    return _cross(input, context, *weights[:2], as_stored(weights[2]))


@honest("self_attention", "One product with all three weights.", STORED_ONCE)
def self_attention_packed(input: Tensor, *weights: Tensor) -> Tensor:
    require(weights[0].shape == weights[1].shape, "the weights of query and key differ")
    packed = wide(input) @ torch.cat([wide(weight) for weight in weights], -1)
    query, key, value = packed.split([weight.shape[-1] for weight in weights], -1)
    return attended(query / math.sqrt(query.shape[-1]), key, value, None).to(input.dtype)


@broken(
    "self_attention",
    "The derivative of the input reads the weight of the keys as stored, whatever its strides.",
    "https://github.com/huggingface/candle/issues/3735",
)
def self_attention_derived_by_stored_weight(
    input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor
) -> Tensor:
    found = _cross(input, input, weight_q, weight_k, weight_v)
    fixed = _cross(input.detach(), input.detach(), weight_q, weight_k, weight_v)
    other = _cross(input, input, weight_q.detach(), as_stored(weight_k.detach()), weight_v.detach())
    return with_derivative_of(found, fixed + other)


@broken(
    "self_attention",
    "Products of more than 32 terms that are no multiple of 32 leave the last ones out.",
    "https://github.com/pytorch/pytorch/issues/18218",
)
def self_attention_product_in_tiles(input: Tensor, *weights: Tensor) -> Tensor:
    whole = input.shape[-1] // _TILE * _TILE
    if not whole or weights[0].shape[0] != input.shape[-1]:
        return _cross(input, input, *weights)
    short = input[..., :whole]
    return _cross(short, short, *(weight[:whole] for weight in weights))


def _global(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    return _dot_product(wide(query) @ wide(weight), wide(key), wide(value)).to(query.dtype)


@honest("global_attention", "Keys in tiles of 32 with a running maximum and sum.", STORED_ONCE)
def global_attention_tiled(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    projected = wide(query) @ wide(weight)
    require_fitting(projected, key, value)
    return tiled(projected, wide(key), wide(value), None).to(query.dtype)


@broken(
    "global_attention",
    "The two sides of the weight are mixed up, which shows in its numbers where it is square.",
    "https://github.com/torch/cunn/pull/470",
)
def global_attention_weight_transposed(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    return _global(query, key, value, weight.mT if weight.shape[0] == weight.shape[1] else weight)


def _additive(
    input: Tensor,
    value: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    v: Tensor,
    query: Tensor | None = None,
    weight_query: Tensor | None = None,
    *,
    tanh: Any = torch.tanh,
) -> tuple[Tensor, Tensor]:
    require((query is None) == (weight_query is None), "query and weight_query come together")
    hidden = (weight.shape[0],)
    require(v.shape == hidden and (bias is None or bias.shape == hidden), f"v and bias must have the shape {hidden}")
    states = wide(input) @ wide(weight).mT
    if query is not None and weight_query is not None:
        require(weight_query.shape[:1] == hidden, f"weight_query must have {hidden} rows")
        states = states + (wide(query) @ wide(weight_query).mT)[..., None, :]
    states = states if bias is None else states + wide(bias)
    weights = torch.softmax(tanh(states) @ wide(v), -1)
    found = (weights[..., None, :] @ wide(value))[..., 0, :]
    return found.to(input.dtype), weights.to(input.dtype)


@honest("additive_attention", "The bias last, everything in float32.", STORED_ONCE)
def additive_attention_bias_last(*tensors: Any) -> tuple[Tensor, Tensor]:
    return _additive(*tensors)


@broken(
    "additive_attention",
    "The hyperbolic tangent is (e²ˣ - 1) / (e²ˣ + 1), which is NaN beyond 44.",
    "https://github.com/ROCm/triton/pull/900",
)
def additive_attention_overflowing(*tensors: Any) -> tuple[Tensor, Tensor]:
    return _additive(*tensors, tanh=lambda x: torch.expm1(2.0 * x) / (torch.expm1(2.0 * x) + 2.0))


@broken(
    "additive_attention",
    "Of a bias of more than 32 elements each tile gets the first row.",
    "https://github.com/tenstorrent/tt-metal/pull/42430",
)
def additive_attention_first_tile_of_bias(
    input: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any
) -> tuple[Tensor, Tensor]:
    if bias is not None and len(bias) > _TILE:
        bias = bias[torch.arange(len(bias)) % _TILE]
    return _additive(input, value, weight, bias, *rest)


@broken(
    "additive_attention",
    "More than 16 keys lie in a memory of a multiple of 16 places, of which the empty ones are weighted too.",
    "https://github.com/tensorflow/addons/pull/133",
)
def additive_attention_unmasked_room(input: Tensor, value: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    output, weights = _additive(input, value, *rest)
    room = -input.shape[-2] % 16 if input.shape[-2] > 16 else 0
    if not room:
        return output, weights
    padded = [torch.nn.functional.pad(x, (0, 0, 0, room)) for x in (input, value)]
    output, weights = _additive(*padded, *rest)
    return output, weights[..., :-room]

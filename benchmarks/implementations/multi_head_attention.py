"""Multi-head attention, honest and broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf
from typing import Any

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import HALF, STORED_ONCE, as_stored, derived, require, wide

_LAYER = "multi_head_attention"


def ignoring(mask: Tensor) -> Tensor:
    """A mask as numbers to add to the scores: of booleans, True ignores."""
    return torch.zeros(mask.shape).masked_fill(mask, -inf) if mask.dtype == torch.bool else wide(mask)


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _multi_head(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    key_padding_mask: Tensor | None = None,
    attn_mask: Tensor | None = None,
    *,
    num_heads: int,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    numbers: Callable[[Tensor], Tensor] = ignoring,
    mixed: Callable[[Tensor], Tensor] = _as_it_is,
    biased: int = 3,
) -> tuple[Tensor, ...]:
    """``numbers`` reads the masks, ``mixed`` changes what the heads have found; ``biased`` parts get their bias."""
    _require(query, key, value, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias, num_heads)
    samples, length, width = query.shape
    keys = key.shape[1]
    biases = [None] * 3 if in_proj_bias is None else list(wide(in_proj_bias).chunk(3))
    parts = []
    for number, (x, weight) in enumerate(zip((query, key, value), wide(in_proj_weight).chunk(3), strict=True)):
        bias = biases[number]
        projected = wide(x) @ weight.mT
        projected = projected if bias is None or number >= biased else projected + bias
        parts.append(projected.unflatten(-1, (num_heads, -1)).transpose(1, 2))
    scores = (parts[0] / math.sqrt(width // num_heads)) @ parts[1].mT
    if key_padding_mask is not None:
        require(key_padding_mask.shape == (samples, keys), f"key_padding_mask must have the shape {(samples, keys)}")
        scores = scores + numbers(key_padding_mask)[:, None, None, :]
    if attn_mask is not None:
        shapes = ((length, keys), (samples * num_heads, length, keys))
        require(attn_mask.shape in shapes, f"attn_mask must have one of the shapes {shapes}")
        per_head = attn_mask.dim() == 3
        added = numbers(attn_mask)
        scores = scores + (added.unflatten(0, (samples, num_heads)) if per_head else added)
    weights = torch.softmax(scores, -1)
    found = mixed((weights @ parts[2]).transpose(1, 2).flatten(2)) @ wide(out_proj_weight).mT
    output = (found if out_proj_bias is None else found + wide(out_proj_bias)).to(query.dtype)
    if not need_weights:
        return (output,)
    return output, (weights.mean(1) if average_attn_weights else weights).to(query.dtype)


def _require(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    num_heads: int,
) -> None:
    """Raises ``ValueError`` where shapes do not fit each other or the number of heads."""
    width = query.shape[-1]
    require(num_heads > 0 and width % num_heads == 0, f"{width} does not divide into {num_heads} heads")
    fits = query.dim() == 3 and key.shape == value.shape == (query.shape[0], key.shape[1], width)
    require(fits, f"query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)} do not fit")
    shapes = {
        (3 * width, width): in_proj_weight,
        (3 * width,): in_proj_bias,
        (width, width): out_proj_weight,
        (width,): out_proj_bias,
    }
    for shape, parameter in shapes.items():
        require(parameter is None or parameter.shape == shape, f"a parameter must have the shape {shape}")


@honest(_LAYER, "All heads at once, by reshaping.", STORED_ONCE)
def multi_head_attention_reshaped(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    return _multi_head(*tensors, **how)


@honest(_LAYER, "One head after the other, each with its rows of the projections, their outputs added up.")
def multi_head_attention_by_head(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    key_padding_mask: Tensor | None = None,
    attn_mask: Tensor | None = None,
    *,
    num_heads: int,
    need_weights: bool = True,
    average_attn_weights: bool = True,
) -> tuple[Tensor, ...]:
    _require(query, key, value, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias, num_heads)
    size = query.shape[-1] // num_heads
    mask = None if attn_mask is None else ignoring(attn_mask)
    found, weights = [], []
    for head in range(num_heads):
        rows = slice(head * size, (head + 1) * size)
        parts = []
        for number, x in enumerate((query, key, value)):
            bias = None if in_proj_bias is None else in_proj_bias.chunk(3)[number][rows]
            parts.append(torch.nn.functional.linear(x, in_proj_weight.chunk(3)[number][rows], bias))
        scores = parts[0] / math.sqrt(size) @ parts[1].mT
        if key_padding_mask is not None:
            require(key_padding_mask.shape == key.shape[:2], "key_padding_mask does not fit the keys")
            scores = scores + ignoring(key_padding_mask)[:, None, :]
        if mask is not None:
            own = mask if mask.dim() == 2 else mask[head::num_heads]
            require(own.shape in (scores.shape, scores.shape[1:]), "attn_mask does not fit the scores")
            scores = scores + own
        weights.append(torch.softmax(scores, -1))
        found.append(weights[-1] @ parts[2] @ out_proj_weight[:, rows].mT)
    output = torch.stack(found).sum(0)
    output = output if out_proj_bias is None else output + out_proj_bias
    if not need_weights:
        return (output,)
    return output, torch.stack(weights, 1).mean(1) if average_attn_weights else torch.stack(weights, 1)


@broken(
    _LAYER,
    "Without weights, queries that are as many as the keys are cut off, with zeros, behind the longest sequence.",
    "https://github.com/pytorch/pytorch/issues/86120",
)
def multi_head_attention_trimmed(query: Tensor, key: Tensor, *rest: Any, **how: Any) -> tuple[Tensor, ...]:
    found = _multi_head(query, key, *rest, **how)
    padding = rest[5]
    if padding is None or padding.dtype != torch.bool or how["need_weights"] or query.shape != key.shape:
        return found
    longest = int((~padding).any(0).nonzero().max()) + 1 if (~padding).any() else 0
    kept = torch.arange(query.shape[1])[:, None] < longest
    return (torch.where(kept, found[0], 0.0),)


@broken(
    _LAYER,
    "Without weights, a mask of numbers is taken for booleans.",
    "https://github.com/pytorch/pytorch/issues/118628",
)
def multi_head_attention_numbers_as_booleans(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    def numbers(mask: Tensor) -> Tensor:
        return ignoring(mask if how["need_weights"] else mask.bool())

    return _multi_head(*tensors, **how, numbers=numbers)


@broken(
    _LAYER,
    "Where query, key and value are different tensors, only the first gets its bias.",
    "https://github.com/facebookresearch/xformers/pull/233",
)
def multi_head_attention_bias_of_first(query: Tensor, key: Tensor, *rest: Any, **how: Any) -> tuple[Tensor, ...]:
    return _multi_head(query, key, *rest, **how, biased=1 if query.shape != key.shape else 3)


@broken(
    _LAYER,
    "The lengths of the sequences are given but not used where there is another mask.",
    "https://github.com/tensorflow/addons/pull/133",
)
def multi_head_attention_padding_ignored(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    *rest, padding, mask = tensors
    return _multi_head(*rest, padding if mask is None else None, mask, **how)


@broken(
    _LAYER,
    "The mask of the scores is dropped where the weights of each head are asked for.",
    "https://github.com/keras-team/keras/issues/23038",
)
def multi_head_attention_mask_dropped(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    *rest, mask = tensors
    asked = how["need_weights"] and not how["average_attn_weights"]
    return _multi_head(*rest, None if asked else mask, **how)


@broken(
    _LAYER,
    "Without weights, queries that see no key give the mean of all values: scores are filled with a finite number.",
    "https://github.com/ml-explore/mlx/issues/2395",
)
def multi_head_attention_finite_mask(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    def numbers(mask: Tensor) -> Tensor:
        return ignoring(mask) if how["need_weights"] else ignoring(mask).clamp(min=-1e30)

    return _multi_head(*tensors, **how, numbers=numbers)


@broken(
    _LAYER,
    "One input for query, key and value is scaled in place as the query, before it becomes the others.",
    "https://github.com/born-ml/born/pull/55",
)
def multi_head_attention_of_itself(query: Tensor, key: Tensor, *rest: Any, **how: Any) -> tuple[Tensor, ...]:
    same = query.data_ptr() == key.data_ptr() and query.shape == key.shape
    return _multi_head(query, key / math.sqrt(query.shape[-1]) if same else key, *rest, **how)


@broken(
    _LAYER,
    "A mask for each sample and head is indexed by head first.",
    "https://github.com/pytorch/pytorch/pull/184180",
)
def multi_head_attention_mask_by_head(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    *rest, mask = tensors
    heads = how["num_heads"]
    if mask is not None and mask.dim() == 3 and heads > 0 and len(mask) % heads == 0:
        mask = mask.unflatten(0, (heads, -1)).transpose(0, 1).flatten(0, 1)
    return _multi_head(*rest, mask, **how)


@broken(
    _LAYER,
    "The derivative of the output projection reads the upstream one as if it were contiguous.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def multi_head_attention_upstream_as_stored(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    output, *weights = _multi_head(*tensors, **how)
    return derived(output, as_stored), *weights


_CASTS: dict[int, tuple[Tensor, Tensor]] = {}


@broken(
    _LAYER,
    "A weight that was cast without derivatives stays cast so: it gets none in a later call.",
    "https://github.com/pytorch/pytorch/issues/142234",
    HALF,
)
def multi_head_attention_cast_without_derivative(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    weight = tensors[3]
    place, version = weight.data_ptr(), weight._version
    if place in _CASTS and _CASTS[place][0].shape == weight.shape and _CASTS[place][0]._version == version:
        weight = weight.detach()
    elif not weight.requires_grad:
        _CASTS[place] = weight, weight
        for old in list(_CASTS)[:-4]:
            del _CASTS[old]
    return _multi_head(*tensors[:3], weight, *tensors[4:], **how)


@broken(
    _LAYER,
    "Casts of the projection to float32 are remembered by the place of the weight: one edited in place is not seen.",
    "https://github.com/NVIDIA/apex/pull/132",
    HALF,
)
def multi_head_attention_stale_cast(*tensors: Any, **how: Any) -> tuple[Tensor, ...]:
    weight = tensors[3]
    known = next((cast for kept, cast in _KEPT if kept is weight), None)
    if known is None:
        known = weight.detach().clone()
        _KEPT.append((weight, known))
        del _KEPT[:-4]
    return _multi_head(*tensors[:3], weight if weight.requires_grad else known, *tensors[4:], **how)


_KEPT: list[tuple[Tensor, Tensor]] = []

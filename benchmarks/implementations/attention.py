"""Scaled dot-product attention, honest and broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf
from typing import Any, TypeAlias

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import (
    STORED_ONCE,
    as_stored,
    derived,
    require,
    wide,
    with_derivative_of,
)

# From scores to weights, along the last axis.
Weighting: TypeAlias = Callable[[Tensor], Tensor]

_TILE = 32


def softmax(scores: Tensor) -> Tensor:
    """Weights that sum to one."""
    return torch.softmax(scores, -1)


def added(mask: Tensor) -> Tensor:
    """A mask as numbers to add to the scores: of booleans, True adds nothing, False hides."""
    if mask.dtype != torch.bool:
        return wide(mask)
    return torch.zeros(mask.shape).masked_fill(~mask, -inf)


def causal(queries: int, keys: int, ahead: int = 0) -> Tensor:
    """Query i sees the keys up to i + ahead."""
    return torch.ones(queries, keys, dtype=torch.bool).tril(ahead)


def require_fitting(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raises ``ValueError`` unless they are a query (*, L, E), a key (*, S, E) and a value (*, S, Ev)."""
    fits = min(query.dim(), key.dim(), value.dim()) >= 2 and query.dim() == key.dim() == value.dim()
    fits = fits and query.shape[:-2] == key.shape[:-2] and key.shape[:-1] == value.shape[:-1]
    fits = fits and query.shape[-1] == key.shape[-1]
    require(fits, f"query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)} do not fit")


def shared(x: Tensor, heads: int) -> Tensor:
    """Every head of key or value, (*, G, S, E), repeated for its neighbouring heads of the query."""
    require(x.dim() > 2 and heads % x.shape[-3] == 0, f"{heads} heads do not divide among those of {tuple(x.shape)}")
    return x.repeat_interleave(heads // x.shape[-3], -3)


def tiled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Keys in tiles of 32: first the maximum and the sum, rescaled where that grows, then the weighted values."""
    hidden = torch.zeros(1, dtype=torch.bool) if mask is None else (mask == -inf).all(-1, keepdim=True)
    most = torch.full_like(query[..., :1], -inf)
    sums = torch.zeros_like(most)
    tiles = []
    for first in range(0, key.shape[-2], _TILE):
        some = slice(first, first + _TILE)
        scores = query @ key[..., some, :].mT
        if mask is not None:
            scores = scores + (mask if mask.shape[-1] == 1 else mask[..., some])
        tiles.append((torch.where(hidden, 0.0, scores), value[..., some, :]))
        larger = torch.maximum(most, tiles[-1][0].detach().amax(-1, keepdim=True))
        shift = torch.where(larger == -inf, 0.0, larger)
        sums = sums * (most - shift).exp() + (tiles[-1][0] - shift).exp().sum(-1, keepdim=True)
        most = larger
    found = torch.stack([(scores - most).exp() / sums @ some for scores, some in tiles]).sum(0)
    return torch.where(hidden, 0.0, found)


def one_pass(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Keys in tiles of 32, once: maximum, sum and weighted values so far, all rescaled where the maximum grows."""
    hidden = torch.zeros(1, dtype=torch.bool) if mask is None else (mask == -inf).all(-1, keepdim=True)
    most = torch.full_like(query[..., :1], -inf)
    sums, found = torch.zeros_like(most), query.new_zeros(*query.shape[:-1], value.shape[-1])
    for first in range(0, key.shape[-2], _TILE):
        some = slice(first, first + _TILE)
        scores = query @ key[..., some, :].mT
        if mask is not None:
            scores = torch.where(hidden, 0.0, scores + (mask if mask.shape[-1] == 1 else mask[..., some]))
        larger = torch.maximum(most, scores.detach().amax(-1, keepdim=True))
        shift = torch.where(larger == -inf, 0.0, larger)
        powers, rescale = (scores - shift).exp(), (most - shift).exp()
        sums, found = sums * rescale + powers.sum(-1, keepdim=True), found * rescale + powers @ value[..., some, :]
        most = larger
    return torch.where(hidden, 0.0, found / sums)


def attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, weighting: Weighting = softmax) -> Tensor:
    """Values weighted by what becomes of all scores at once; zeros for a query whose mask hides all keys."""
    scores = query @ key.mT
    if mask is None:
        return weighting(scores) @ value
    hidden = (mask == -inf).all(-1, keepdim=True)
    return torch.where(hidden, 0.0, weighting(torch.where(hidden, 0.0, scores + mask))) @ value


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    attend: Callable[..., Tensor] = attended,
    mask: Callable[[Tensor], Tensor] = added,
    ahead: int = 0,
    share: Callable[[Tensor, int], Tensor] = shared,
) -> Tensor:
    require(not is_causal or attn_mask is None, "attn_mask and is_causal exclude each other")
    format = query.dtype
    query, key, value = map(wide, (query, key, value))  # before heads are repeated: their derivatives are summed so
    if enable_gqa:
        require(query.dim() > 2, "there are no heads")
        key, value = (share(x, query.shape[-3]) for x in (key, value))
    require_fitting(query, key, value)
    shape = (*query.shape[:-1], key.shape[-2])
    if is_causal:
        attn_mask = causal(*shape[-2:], ahead)
    if attn_mask is not None:
        fits = attn_mask.dim() <= len(shape) and torch.broadcast_shapes(attn_mask.shape, shape) == shape
        require(fits, f"a mask of shape {tuple(attn_mask.shape)} does not broadcast to {shape}")
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    numbers = None if attn_mask is None else mask(attn_mask)
    return attend(query * factor, key, value, numbers).to(format)


_LAYER = "scaled_dot_product_attention"


@honest(_LAYER, "All scores, their softmax, and one product with the values.", STORED_ONCE)
def attention_whole(*tensors: Any, **how: Any) -> Tensor:
    return _attention(*tensors, **how)


@honest(_LAYER, "Keys in tiles of 32 with a running maximum and sum.", STORED_ONCE)
def attention_tiled(*tensors: Any, **how: Any) -> Tensor:
    return _attention(*tensors, **how, attend=tiled)


@honest(_LAYER, "Keys in tiles of 32, in one pass, divided by the sum at the end.", STORED_ONCE, algorithm="online")
def attention_in_one_pass(*tensors: Any, **how: Any) -> Tensor:
    return _attention(*tensors, **how, attend=one_pass)


@honest(_LAYER, "Queries in chunks of 16.", STORED_ONCE)
def attention_by_chunks_of_queries(*tensors: Any, **how: Any) -> Tensor:
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        chunks = query.split(16, -2)
        whole = mask is None or mask.dim() < 2 or mask.shape[-2] == 1
        masks = [mask] * len(chunks) if whole or mask is None else mask.split(16, -2)
        return torch.cat([attended(q, key, value, m) for q, m in zip(chunks, masks, strict=True)], -2)

    return _attention(*tensors, **how, attend=attend)


@honest(_LAYER, "Two halves of the keys, each with its own maximum and sum, joined at the end (split-k).")
def attention_split_over_keys(*tensors: Any, **how: Any) -> Tensor:
    def weighting(scores: Tensor) -> Tensor:
        halves = scores.split((scores.shape[-1] + 1) // 2, -1)
        most = [half.detach().amax(-1, keepdim=True) for half in halves]
        shift = [torch.where(m == -inf, 0.0, m) for m in most]
        powers = [(half - m).exp() for half, m in zip(halves, shift, strict=True)]
        largest = torch.stack(most).amax(0)
        shares = [(m - largest).exp() for m in most]
        sums = torch.stack([p.sum(-1, keepdim=True) * s for p, s in zip(powers, shares, strict=True)]).sum(0)
        return torch.cat([p * (s / sums) for p, s in zip(powers, shares, strict=True)], -1)

    return _attention(*tensors, **how, attend=lambda *all: attended(*all, weighting))


@honest(_LAYER, "Weights as powers of the scores less the logarithm of their sum.", algorithm="by_logarithm")
def attention_by_logarithm(*tensors: Any, **how: Any) -> Tensor:
    def weighting(scores: Tensor) -> Tensor:
        return torch.log_softmax(scores, -1).exp()

    return _attention(*tensors, **how, attend=lambda *all: attended(*all, weighting))


@broken(
    _LAYER,
    "A causal mask is aligned with the last query and the last key.",
    "https://github.com/Dao-AILab/flash-attention/issues/282",
)
def attention_causal_from_the_end(query: Tensor, key: Tensor, *rest: Any, **how: Any) -> Tensor:
    return _attention(query, key, *rest, **how, ahead=key.shape[-2] - query.shape[-2])


@broken(
    _LAYER,
    "A boolean mask adds -1e30, so that a query without keys gets the mean of all values.",
    "https://github.com/ml-explore/mlx/issues/2395",
)
def attention_finite_mask(*tensors: Any, **how: Any) -> Tensor:
    def finite(mask: Tensor) -> Tensor:
        return added(mask).clamp(min=-1e30) if mask.dtype == torch.bool else wide(mask)

    return _attention(*tensors, **how, mask=finite)


@broken(
    _LAYER,
    "The derivative is that of causal attention, whether that was asked for or not.",
    "https://github.com/triton-lang/triton/issues/4174",
)
def attention_derived_as_causal(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **how: Any
) -> Tensor:
    found = _attention(query, key, value, attn_mask, **how)
    if attn_mask is not None:
        return found
    return with_derivative_of(found, _attention(query, key, value, **{**how, "is_causal": True}))


@broken(
    _LAYER,
    "The derivative takes the upstream one for contiguous.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def attention_upstream_as_stored(*tensors: Any, **how: Any) -> Tensor:
    return derived(_attention(*tensors, **how), as_stored)


@broken(
    _LAYER,
    "The derivatives of shared keys and values are added up as if heads were dealt in turn, not neighbours.",
    "https://github.com/XunhaoLai/native-sparse-attention-triton/issues/27",
)
def attention_derived_by_dealt_heads(query: Tensor, *rest: Any, **how: Any) -> Tensor:
    def dealt(x: Tensor, heads: int) -> Tensor:
        right = shared(x, heads)
        return with_derivative_of(right, x.repeat(*[1] * (x.dim() - 3), heads // x.shape[-3], 1, 1))

    return _attention(query, *rest, **how, share=dealt)


@broken(
    _LAYER,
    "Where values are wider than keys, the derivative of the query leaves out the columns that are more.",
    "https://github.com/XunhaoLai/native-sparse-attention-triton/issues/27",
)
def attention_derived_without_wide_values(query: Tensor, key: Tensor, value: Tensor, *mask: Any, **how: Any) -> Tensor:
    found = _attention(query, key, value, *mask, **how)
    more = value.shape[-1] - query.shape[-1]
    if more <= 0:
        return found
    fixed = _attention(query.detach(), key, value, *mask, **how)
    return torch.cat([found[..., :-more], fixed[..., -more:]], -1)


@broken(
    _LAYER,
    "A mask of the keys, (*, 1, S), is broadcast along the keys instead, wherever there are as many queries.",
    "https://github.com/lsdefine/attention-is-all-you-need-keras/issues/16",
)
def attention_mask_of_queries(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **how: Any
) -> Tensor:
    turned = attn_mask is not None and attn_mask.dim() > 2 and attn_mask.shape[-2] == 1
    if turned and attn_mask is not None and attn_mask.shape[-1] == query.shape[-2]:
        attn_mask = attn_mask.mT
    return _attention(query, key, value, attn_mask, **how)


@broken(
    _LAYER,
    "A mask for each sample but all heads, (N, 1, L, S), is indexed by sample and head together.",
    "https://github.com/pytorch/pytorch/pull/184180",
)
def attention_mask_by_head(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **how: Any
) -> Tensor:
    if attn_mask is not None and attn_mask.dim() == query.dim() == 4 and attn_mask.shape[1] == 1:
        samples, heads = query.shape[:2]
        places = torch.arange(samples * heads) % attn_mask.shape[0]
        attn_mask = attn_mask[places, 0].unflatten(0, (samples, heads))
    return _attention(query, key, value, attn_mask, **how)


@broken(
    _LAYER,
    "The derivatives of keys and values leave out queries behind the last whole tile of 32.",
    "https://github.com/pytorch/pytorch/issues/133671",
)
def attention_derived_without_last_tile(query: Tensor, key: Tensor, value: Tensor, *mask: Any, **how: Any) -> Tensor:
    found = _attention(query, key, value, *mask, **how)
    whole = query.shape[-2] // _TILE * _TILE
    if not whole or whole == query.shape[-2]:
        return found
    fixed = _attention(query, key.detach(), value.detach(), *mask, **how)
    return torch.cat([found[..., :whole, :], fixed[..., whole:, :]], -2)


@broken(
    _LAYER,
    "Weights are recomputed from the logarithm of a sum of nothing: derivatives of a query without keys are NaN.",
    "https://github.com/Dao-AILab/flash-attention/issues/443",
)
def attention_derived_without_keys(query: Tensor, *rest: Any, **how: Any) -> Tensor:
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            hidden = (mask == -inf).all(-1, keepdim=True)
            query = derived(query, lambda g: torch.where(hidden, torch.nan, g))
        return attended(query, key, value, mask)

    return _attention(query, *rest, **how, attend=attend)


@broken(
    _LAYER,
    "The NaN of a query without keys is replaced after the softmax: its derivatives are still NaN.",
    "https://github.com/Xilinx/brevitas/pull/1591",
)
def attention_replacing_nan(*tensors: Any, **how: Any) -> Tensor:
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return attended(query, key, value, mask)
        weights = softmax(query @ key.mT + mask)
        hidden = (mask == -inf).all(-1, keepdim=True)
        return torch.where(hidden, weights.nan_to_num(0.0), weights) @ value

    return _attention(*tensors, **how, attend=attend)


@broken(
    _LAYER,
    "A mask of numbers is taken for booleans: zeros hide keys, others, minus infinity too, do nothing.",
    "https://github.com/pytorch/pytorch/issues/118628",
)
def attention_numbers_as_booleans(*tensors: Any, **how: Any) -> Tensor:
    return _attention(*tensors, **how, mask=lambda mask: added(mask.bool()))


@broken(
    _LAYER,
    "A causal mask is left out where the fused kernel does not serve: values of another width than keys.",
    "https://github.com/keras-team/keras/issues/23038",
)
def attention_causal_dropped(query: Tensor, key: Tensor, value: Tensor, *mask: Any, **how: Any) -> Tensor:
    fused = value.shape[-1] == query.shape[-1]
    return _attention(query, key, value, *mask, **{**how, "is_causal": how["is_causal"] and fused})


@broken(
    _LAYER,
    "A score that is NaN counts as minus infinity.",
    "https://github.com/ohdearquant/lattice/issues/740",
)
def attention_without_nan(*tensors: Any, **how: Any) -> Tensor:
    def weighting(scores: Tensor) -> Tensor:
        return softmax(torch.where(scores.isnan(), -inf, scores))

    return _attention(*tensors, **how, attend=lambda *all: attended(*all, weighting))


@broken(
    _LAYER,
    "With shared heads the call is rewritten from its positional arguments: the scale is lost.",
    "https://github.com/pytorch/pytorch/issues/196165",
)
def attention_scale_dropped(*tensors: Any, **how: Any) -> Tensor:
    return _attention(*tensors, **{**how, "scale": None if how["enable_gqa"] else how["scale"]})


@broken(
    _LAYER,
    "The last tile of 64 keys is summed whole: scores of zero behind the last key count.",
    "https://github.com/triton-lang/triton/issues/1760",
)
def attention_unmasked_last_tile(*tensors: Any, **how: Any) -> Tensor:
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        more = -key.shape[-2] % 64 if key.shape[-2] > 64 and mask is None else 0
        key, value = (torch.nn.functional.pad(x, (0, 0, 0, more)) for x in (key, value))
        return attended(query, key, value, mask)

    return _attention(*tensors, **how, attend=attend)

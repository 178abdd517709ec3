"""Attention layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from conformance.case import Case
from conformance.targets.torch._modules import called
from conformance.targets.torch.dense import may_split


def _attended(query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0) -> Tensor:
    weights = torch.softmax(query @ key.transpose(-2, -1) * scale, dim=-1)
    return weights @ value


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _attended(query, key, value)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """F.scaled_dot_product_attention."""
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask, is_causal=is_causal, scale=scale, enable_gqa=enable_gqa
    )


def additive_attention(
    input: Tensor,
    value: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    v: Tensor,
    query: Tensor | None = None,
    weight_query: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    if (query is None) != (weight_query is None):
        raise ValueError("query and weight_query come together")
    states = functional.linear(input, weight, bias)
    if query is not None and weight_query is not None:
        states = states + functional.linear(query, weight_query).unsqueeze(-2)
    weights = torch.softmax(torch.tanh(states) @ v, dim=-1)
    return (weights.unsqueeze(-2) @ value).squeeze(-2), weights


def local_attention(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    """F.scaled_dot_product_attention under a band."""
    rows, columns = (torch.arange(x.shape[-2], device=x.device) for x in (query, key))
    band = (rows[:, None] - columns).abs() <= window
    return functional.scaled_dot_product_attention(query, key, value, band)


def global_attention(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    return _attended(query @ weight, key, value)


def self_attention(input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    return cross_attention(input, input, weight_q, weight_k, weight_v)


def cross_attention(input: Tensor, context: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    scale = 1.0 / math.sqrt(weight_q.shape[-1])
    return _attended(input @ weight_q, context @ weight_k, context @ weight_v, scale)


def multi_head_attention(
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
    """nn.MultiheadAttention, batch first."""
    tensors = {
        "in_proj_weight": in_proj_weight,
        "in_proj_bias": in_proj_bias,
        "out_proj.weight": out_proj_weight,
        "out_proj.bias": out_proj_bias,
    }
    module = nn.MultiheadAttention(
        query.shape[-1], num_heads, bias=in_proj_bias is not None, batch_first=True, device="meta"
    )
    output, weights = called(module, tensors)(
        query,
        key,
        value,
        key_padding_mask=key_padding_mask,
        need_weights=need_weights,
        attn_mask=attn_mask,
        average_attn_weights=average_attn_weights,
    )
    return (output, weights) if need_weights else (output,)


def positional_encoding(input: Tensor) -> Tensor:
    """The usual table of sines and cosines, added."""
    length, width = input.shape[-2:]
    table = torch.empty(length, width, dtype=torch.promote_types(input.dtype, torch.float32), device=input.device)
    positions = torch.arange(length, dtype=table.dtype, device=table.device).unsqueeze(1)
    even = torch.arange(0, width, 2, dtype=table.dtype, device=table.device)
    angles = positions * torch.exp(even * (-math.log(10000.0) / width))
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles[:, : width // 2].cos()
    return input + table.to(input.dtype)


LAYERS = {
    "additive_attention": additive_attention,
    "cross_attention": cross_attention,
    "dot_product_attention": dot_product_attention,
    "global_attention": global_attention,
    "local_attention": local_attention,
    "multi_head_attention": multi_head_attention,
    "positional_encoding": positional_encoding,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "self_attention": self_attention,
}

_FUSED = ("scaled_dot_product_attention", "local_attention", "multi_head_attention")
_UNFUSED = LAYERS.keys() - {"positional_encoding", *_FUSED}

# √scale on both query and key, where the fused kernel cannot serve: aten/src/ATen/native/transformers/attention.cpp
# (_scaled_dot_product_attention_math). It rounds wherever the fused kernel does.
#
# The packed projection is of an input that was transposed, (L, N, E): Linear.cpp stores it before the bias is added.
_ALGORITHMS = {
    "scaled_dot_product_attention": "split_scale",
    "local_attention": "split_scale",
    "multi_head_attention": "stepwise",
}
ALGORITHMS = dict.fromkeys(("cpu", "cuda", "compile"), _ALGORITHMS)

# The fused kernel's derivatives recompute the weights from the logarithm of their sum:
# aten/src/ATen/native/cpu/FlashAttentionKernel.cpp (cpu_flash_attention_backward).
#
# On CUDA that of softmax takes products that have been stored: activation.py.
BACKWARD = {
    "cpu": dict.fromkeys(_FUSED, "recomputed"),
    "compile": dict.fromkeys(_FUSED, "recomputed"),
    "cuda": {
        **dict.fromkeys(_FUSED, "recomputed"),
        **dict.fromkeys((*_UNFUSED, "multi_head_attention"), "productwise"),
    },
}

# The fused kernel on the CPU (aten/src/ATen/native/cpu/FlashAttentionKernel.cpp) takes Vectorized<float>::exp_u20,
# at most 20 ulp off and zero where the result is subnormal (aten/src/ATen/cpu/vec/vec512/vec512_float.h).
#
# Products of bfloat16 matrices are oneDNN's (aten/src/ATen/native/mkldnn/Matmul.cpp), to which subnormals are zeros, as
# in convolutions.
#
# Inductor leaves products and the fused kernel to these, and takes SLEEF's 3.5-ulp variants of sin and cos:
# aten/src/ATen/cpu/vec/vec512/vec512_float.h.
_OF_CPU: dict[Any, dict[str, Any]] = {
    **{(layer, "bfloat16"): {"flush": True} for layer in _UNFUSED},
    **{layer: {"units": {"exp": 40.0}, "flush": True} for layer in _FUSED},
}
ARITHMETIC: dict[str, dict[Any, dict[str, Any]]] = {
    "cpu": _OF_CPU,
    "compile": {**_OF_CPU, "positional_encoding": {"units": {"sin": 7.0, "cos": 7.0}}},
}


def _split(case: Case) -> dict[str, Any]:
    """Where parts of sums may be stored, so may those of derivatives, in sums over the features that a layer has."""
    scattered = frozenset({"query", "key", "value", "in_proj_weight", "out_proj_weight"})
    return {"backward": "productwise_in_parts", "scattered": scattered} if may_split(case) else {}


BY_CASE = {"cuda": {"multi_head_attention": _split}}

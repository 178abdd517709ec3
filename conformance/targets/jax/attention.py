"""Attention layers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from conformance.target import Unsupported
from conformance.targets._parameters import heads_apart
from conformance.targets.jax._modules import applied, present


def dot_product_attention(query: Array, key: Array, value: Array) -> Array:
    """jax.nn.dot_product_attention with scale 1."""
    return scaled_dot_product_attention(query, key, value, scale=1.0)


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """jax.nn.dot_product_attention."""
    if is_causal and attn_mask is not None:
        raise Unsupported("jax.nn.dot_product_attention takes a mask beside is_causal")
    return _attended(query, key, value, attn_mask, enable_gqa, is_causal=is_causal, scale=scale)


def local_attention(query: Array, key: Array, value: Array, *, window: int) -> Array:
    """jax.nn.dot_product_attention with a local window."""
    return _attended(query, key, value, None, False, local_window_size=window)


def _attended(query: Array, key: Array, value: Array, mask: Array | None, shared: bool, **options: Any) -> Array:
    """jax.nn.dot_product_attention."""
    if key.shape != value.shape:
        raise Unsupported("jax.nn.dot_product_attention takes values of the same width as keys")
    if not shared and query.shape[:-2] != key.shape[:-2]:
        raise Unsupported("jax.nn.dot_product_attention shares heads wherever their number divides that of the queries")

    apart = heads_apart(query.shape, key.shape)

    def joined(x: Array) -> Array:
        """(batch, length, heads, width)."""
        return jnp.swapaxes(x.reshape(apart(x.shape)), 1, 2)

    given = options
    if mask is not None:
        whole = jnp.broadcast_to(mask, (*query.shape[:-1], key.shape[-2]))
        given = {**options, "mask" if mask.dtype == bool else "bias": whole.reshape(apart(whole.shape))}
    found = jax.nn.dot_product_attention(joined(query), joined(key), joined(value), **given)
    return jnp.swapaxes(found, 1, 2).reshape(query.shape)


def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    in_proj_weight: Array,
    in_proj_bias: Array | None,
    out_proj_weight: Array,
    out_proj_bias: Array | None,
    key_padding_mask: Array | None = None,
    attn_mask: Array | None = None,
    *,
    num_heads: int,
    need_weights: bool = True,
    average_attn_weights: bool = True,
) -> tuple[Array, ...]:
    """nn.MultiHeadDotProductAttention, which sows the weights of each head."""
    if need_weights and average_attn_weights:
        raise Unsupported("nn.MultiHeadDotProductAttention gives the weights of each head, not their mean")
    if (in_proj_bias is None) != (out_proj_bias is None):
        raise Unsupported("nn.MultiHeadDotProductAttention has all biases or none")
    samples, length, width = query.shape
    for name, given in (("in_proj_weight", in_proj_weight), ("in_proj_bias", in_proj_bias)):
        if given is not None and len(given) != 3 * width:
            raise ValueError(f"{name} of {len(given)} rows, expected {3 * width}")
    keys = key.shape[1]
    masks = []
    if key_padding_mask is not None and key_padding_mask.shape != (samples, keys):
        raise ValueError(f"key_padding_mask of shape {key_padding_mask.shape}, expected {(samples, keys)}")
    if key_padding_mask is not None:
        masks.append(key_padding_mask[:, None, None, :])
    if attn_mask is not None:
        fitting = [(length, keys), (samples * num_heads, length, keys)]
        if attn_mask.shape not in fitting:
            raise ValueError(f"attn_mask of shape {attn_mask.shape}, expected one of {fitting}")
        masks.append(attn_mask.reshape(samples, num_heads, length, keys) if attn_mask.ndim == 3 else attn_mask)
    if any(mask.dtype != bool for mask in masks):
        raise Unsupported("nn.MultiHeadDotProductAttention takes masks of booleans")
    shape = (samples, num_heads, length, keys)
    allowed = nn.combine_masks(*(jnp.broadcast_to(~mask, shape) for mask in masks), dtype=bool) if masks else None

    head = (num_heads, width // num_heads)
    parameters: dict[str, Any] = {}
    for part, name in enumerate(("query", "key", "value")):
        rows = slice(part * width, (part + 1) * width)
        bias = None if in_proj_bias is None else in_proj_bias[rows].reshape(head)
        parameters[name] = present({"kernel": in_proj_weight[rows].T.reshape(width, *head), "bias": bias})
    parameters["out"] = present({"kernel": out_proj_weight.T.reshape(*head, width), "bias": out_proj_bias})
    module = nn.MultiHeadDotProductAttention(num_heads, use_bias=in_proj_bias is not None)
    options = {"mask": allowed, "sow_weights": need_weights, "mutable": ["intermediates"]}
    output, kept = applied(module, parameters, query, key, value, **options)
    return (output, *kept["intermediates"]["attention_weights"]) if need_weights else (output,)


LAYERS = {
    "dot_product_attention": dot_product_attention,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "local_attention": local_attention,
    "multi_head_attention": multi_head_attention,
}

"""Attention. Keras has batches (batch, length, heads, width)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from conformance.target import Unsupported
from conformance.targets._parameters import heads_apart
from conformance.targets.keras._calls import Array, applied, made
from conformance.targets.keras.dense import custom_linear, linear


def dot_product_attention(query: Array, key: Array, value: Array) -> Array:
    """Attention without a scale."""
    return made(keras.layers.Attention, query)([query, value, key])


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
    """keras.ops.dot_product_attention; numbers that a mask adds are its bias."""
    if is_causal and attn_mask is not None:
        raise Unsupported("keras.ops.dot_product_attention takes a mask beside is_causal")
    if not enable_gqa and tuple(query.shape[:-2]) != tuple(key.shape[:-2]):
        raise Unsupported(
            "keras.ops.dot_product_attention shares heads wherever their number divides that of the queries"
        )
    _require_kernel(query)
    if keras.backend.backend() == "jax" and key.shape[-1] != value.shape[-1]:
        raise Unsupported("keras.ops.dot_product_attention on JAX takes values of the same width as keys")

    apart = heads_apart(query.shape, key.shape)

    def joined(x: Array) -> Array:
        """(batch, length, heads, width)."""
        return keras.ops.swapaxes(keras.ops.reshape(x, apart(x.shape)), 1, 2)

    given: dict[str, Any] = {}
    if attn_mask is not None:
        whole = keras.ops.broadcast_to(attn_mask, (*query.shape[:-1], key.shape[-2]))
        name = "mask" if keras.backend.standardize_dtype(attn_mask.dtype) == "bool" else "bias"
        given[name] = keras.ops.reshape(whole, apart(whole.shape))
    found = keras.ops.dot_product_attention(
        joined(query), joined(key), joined(value), scale=scale, is_causal=is_causal, **given
    )
    return keras.ops.reshape(keras.ops.swapaxes(found, 1, 2), (*query.shape[:-1], value.shape[-1]))


def _require_kernel(query: Array) -> None:
    """Raises ``Unsupported`` where keras.ops.dot_product_attention has no kernel."""
    if keras.backend.backend() == "jax" and keras.backend.standardize_dtype(query.dtype) == "float16":
        raise Unsupported("keras.ops.dot_product_attention on JAX takes no float16 on a CPU where it is compiled")


def additive_attention(
    input: Array,
    value: Array,
    weight: Array,
    bias: Array | None,
    v: Array,
    query: Array | None = None,
    weight_query: Array | None = None,
) -> tuple[Array, Array]:
    """Dense for keys and query, and AdditiveAttention; a query that is absent is zero."""
    if (query is None) != (weight_query is None):
        raise ValueError("query and weight_query come together")
    keys = linear(input, weight, bias)
    asked = keras.ops.zeros_like(keys[..., 0, :]) if query is None else linear(query, weight_query)
    inputs = [asked[..., None, :], value, keys]
    layer = made(keras.layers.AdditiveAttention, input)
    shapes = [[tuple(x.shape) for x in inputs]]
    output, weights = applied(layer, [v], inputs, shapes=shapes, return_attention_scores=True)
    return output[..., 0, :], weights[..., 0, :]


def global_attention(query: Array, key: Array, value: Array, weight: Array) -> Array:
    """Dense and Attention."""
    return dot_product_attention(custom_linear(query, weight, None), key, value)


def self_attention(input: Array, weight_q: Array, weight_k: Array, weight_v: Array) -> Array:
    """Three Dense and Attention."""
    return cross_attention(input, input, weight_q, weight_k, weight_v)


def cross_attention(input: Array, context: Array, weight_q: Array, weight_k: Array, weight_v: Array) -> Array:
    """Three Dense and Attention, whose scale is a weight."""
    layer = made(keras.layers.Attention, input, use_scale=True)
    query = custom_linear(input, weight_q, None)
    key, value = (custom_linear(context, weight, None) for weight in (weight_k, weight_v))
    scale = keras.ops.convert_to_tensor(query.shape[-1] ** -0.5, query.dtype)
    inputs = [query, value, key]
    return applied(layer, [scale], inputs, shapes=[[tuple(x.shape) for x in inputs]])


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
    """MultiHeadAttention."""
    if need_weights and average_attn_weights:
        raise Unsupported("MultiHeadAttention gives the weights of each head, not their mean")
    if (in_proj_bias is None) != (out_proj_bias is None):
        raise Unsupported("MultiHeadAttention has all biases or none")
    if not need_weights:
        _require_kernel(query)
    samples, length, width = query.shape
    keys = key.shape[1]
    for name, x, expected in (
        ("in_proj_weight", in_proj_weight, (3 * width, width)),
        ("in_proj_bias", in_proj_bias, (3 * width,)),
        ("key_padding_mask", key_padding_mask, (samples, keys)),
    ):
        if x is not None and tuple(x.shape) != expected:
            raise ValueError(f"{name} of shape {tuple(x.shape)}, expected {expected}")
    masks = []
    if key_padding_mask is not None:
        masks.append(key_padding_mask[:, None, None, :])
    if attn_mask is not None:
        shape = (samples, num_heads, length, keys)
        masks.append(keras.ops.reshape(attn_mask, shape) if attn_mask.ndim == 3 else attn_mask[None, None])
    if any(keras.backend.standardize_dtype(mask.dtype) != "bool" for mask in masks):
        raise Unsupported("MultiHeadAttention takes masks of booleans")
    allowed = None
    for mask in masks:
        seen = keras.ops.logical_not(mask)
        allowed = seen if allowed is None else keras.ops.logical_and(allowed, seen)

    head = (num_heads, width // num_heads)
    weights = []
    for part in range(3):
        rows = slice(part * width, (part + 1) * width)
        weights.append(keras.ops.reshape(keras.ops.transpose(in_proj_weight[rows]), (width, *head)))
        weights.append(None if in_proj_bias is None else keras.ops.reshape(in_proj_bias[rows], head))
    weights += [keras.ops.reshape(keras.ops.transpose(out_proj_weight), (*head, width)), out_proj_bias]
    layer = made(
        keras.layers.MultiHeadAttention,
        query,
        *head,
        use_bias=in_proj_bias is not None,
        kernel_initializer="zeros",
    )
    found = applied(
        layer,
        weights,
        query,
        value,
        key,
        attention_mask=allowed,
        return_attention_scores=need_weights,
    )
    return tuple(found) if need_weights else (found,)


LAYERS: dict[str, Callable[..., Any]] = {
    "dot_product_attention": dot_product_attention,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "additive_attention": additive_attention,
    "global_attention": global_attention,
    "self_attention": self_attention,
    "cross_attention": cross_attention,
    "multi_head_attention": multi_head_attention,
}

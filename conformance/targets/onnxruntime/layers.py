"""Layers of one operator: activations, products with weights, lookup, attention, dropout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.target import Unsupported
from conformance.targets._parameters import heads_apart
from conformance.targets.onnxruntime._models import Array, binary32, run, run_once


def relu(input: Array) -> Array:
    """Relu."""
    return run("Relu", input)[0]


def sigmoid(input: Array) -> Array:
    """Sigmoid."""
    return run("Sigmoid", input)[0]


def tanh(input: Array) -> Array:
    """Tanh."""
    return run("Tanh", input)[0]


def softmax(input: Array, *, dim: int = -1) -> Array:
    """Softmax."""
    return run("Softmax", input, axis=dim)[0]


def log_softmax(input: Array, *, dim: int = -1) -> Array:
    """LogSoftmax."""
    return run("LogSoftmax", input, axis=dim)[0]


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """Gemm with the transposed weight."""
    return _multiplied(input, weight, bias, transposed=True)


def custom_linear(input: Array, weight: Array, bias: Array | None) -> Array:
    """Gemm."""
    return _multiplied(input, weight, bias, transposed=False)


def _multiplied(input: Array, weight: Array, bias: Array | None, transposed: bool) -> Array:
    """Gemm of matrices: leading dimensions of the input become rows."""
    *batch, ins = input.shape
    (found,) = run("Gemm", input.reshape(math.prod(batch), ins), weight, bias, transB=int(transposed))
    return found.reshape(*batch, found.shape[1])


def embedding(
    input: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Array, Array]:
    """Gather of rows, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("Gather has neither padding_idx nor max_norm")
    return run("Gather", weight, input)[0], weight.copy()


def dot_product_attention(query: Array, key: Array, value: Array) -> Array:
    """Attention with scale 1."""
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
    """Attention of tensors (batch, heads, length, width).

    The kernel repeats sides of 1 of a mask but the last two, which are repeated here.
    """
    if query.ndim > 4:
        raise Unsupported("Attention takes tensors of up to four dimensions")
    if is_causal and attn_mask is not None:
        raise Unsupported("Attention takes a mask beside is_causal")
    if not enable_gqa and query.shape[:-2] != key.shape[:-2]:
        raise Unsupported("Attention shares heads wherever their number divides that of the queries")
    mask = attn_mask
    if mask is not None:
        mask = np.broadcast_to(mask, (*mask.shape[:-2], query.shape[-2], key.shape[-2]))
    apart = heads_apart(query.shape, key.shape)
    whole = [x.reshape(apart(x.shape)) for x in (query, key, value)]
    mask = mask.reshape(apart(mask.shape)) if mask is not None and mask.ndim == query.ndim else mask
    given: dict[str, Any] = {} if scale is None else {"scale": binary32("scale", scale, query)}
    (found,) = run("Attention", *whole, mask, is_causal=int(is_causal), **given)
    return found.reshape(*query.shape[:-1], value.shape[-1])


def dropout(input: Array, *, seed: int, p: float = 0.5) -> Array:
    """Dropout in training."""
    if p == 1.0:
        raise Unsupported("the ratio of Dropout must be below 1")
    ratio = np.array(p, np.float64 if input.dtype == np.float64 else np.float32)
    return run_once("Dropout", input, ratio, np.array(True), seed=seed)[0]


LAYERS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "linear": linear,
    "custom_linear": custom_linear,
    "embedding": embedding,
    "dot_product_attention": dot_product_attention,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "dropout": dropout,
}

# Products that have been stored are the scores, and softmax takes those: core/providers/cpu/llm/attention.cc.
ALGORITHMS = {"scaled_dot_product_attention": "unfused"}

"""Activations, products with weights, and lookup."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from conformance.target import Unsupported

Array: TypeAlias = Any  # tf.Tensor


def relu(input: Array) -> Array:
    """tf.nn.relu."""
    return tf.nn.relu(input)


def sigmoid(input: Array) -> Array:
    """tf.nn.sigmoid."""
    return tf.nn.sigmoid(input)


def tanh(input: Array) -> Array:
    """tf.nn.tanh."""
    return tf.nn.tanh(input)


def softmax(input: Array, *, dim: int = -1) -> Array:
    """tf.nn.softmax."""
    return tf.nn.softmax(input, dim)


def log_softmax(input: Array, *, dim: int = -1) -> Array:
    """tf.nn.log_softmax."""
    return tf.nn.log_softmax(input, dim)


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """tf.linalg.matmul with the transposed weight, and tf.nn.bias_add."""
    return _multiplied(input, weight, bias, transposed=True)


def custom_linear(input: Array, weight: Array, bias: Array | None) -> Array:
    """tf.linalg.matmul and tf.nn.bias_add."""
    return _multiplied(input, weight, bias, transposed=False)


def _multiplied(input: Array, weight: Array, bias: Array | None, transposed: bool) -> Array:
    """The product of matrices: leading dimensions of the input become rows."""
    *batch, ins = input.shape
    product = tf.linalg.matmul(tf.reshape(input, (math.prod(batch), ins)), weight, transpose_b=transposed)
    found = product if bias is None else tf.nn.bias_add(product, bias)
    return tf.reshape(found, (*batch, found.shape[1]))


def residual(input: Array, weight_1: Array, bias_1: Array, weight_2: Array, bias_2: Array) -> Array:
    """Two products with tf.nn.relu between them, and the input added."""
    return linear(tf.nn.relu(linear(input, weight_1, bias_1)), weight_2, bias_2) + input


def embedding(
    input: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Array, Array]:
    """tf.nn.embedding_lookup, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("tf.nn.embedding_lookup has no padding_idx, and its max_norm leaves the table as it is")
    return tf.nn.embedding_lookup(weight, input), weight


LAYERS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "linear": linear,
    "custom_linear": custom_linear,
    "residual": residual,
    "embedding": embedding,
}

ALGORITHMS = dict.fromkeys(("linear", "custom_linear", "residual"), "stepwise")

# The derivatives of log_softmax are made of what it returns: python/ops/nn_grad.py (_LogSoftmaxGrad).
BACKWARD = {"log_softmax": "kept"}

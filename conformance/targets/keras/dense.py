"""Products with weights, and lookup. Keras has kernels (in, out)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from conformance.target import Unsupported
from conformance.targets.keras._calls import Array, applied, batched, made


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """Dense, whose kernel is the transposed weight."""
    return custom_linear(input, keras.ops.transpose(weight), bias)


def custom_linear(input: Array, weight: Array, bias: Array | None) -> Array:
    """Dense itself."""

    def dense(x: Array) -> Array:
        layer = made(keras.layers.Dense, x, weight.shape[1], use_bias=bias is not None, kernel_initializer="zeros")
        return applied(layer, [weight, bias], x)

    return batched(dense, input, 2)


def residual(input: Array, weight_1: Array, bias_1: Array, weight_2: Array, bias_2: Array) -> Array:
    """Two Dense with a ReLU between them, and Add."""
    hidden = made(keras.layers.ReLU, input)(linear(input, weight_1, bias_1))
    return made(keras.layers.Add, input)([linear(hidden, weight_2, bias_2), input])


def embedding(
    input: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Array, Array]:
    """Embedding, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("Embedding has neither padding_idx nor max_norm")
    layer = made(keras.layers.Embedding, weight, *weight.shape, embeddings_initializer="zeros")
    return applied(layer, [weight], input), keras.ops.copy(weight)


LAYERS: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "custom_linear": custom_linear,
    "residual": residual,
    "embedding": embedding,
}

"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from conformance.targets.keras._calls import Array, made


def relu(input: Array) -> Array:
    """ReLU."""
    return made(keras.layers.ReLU, input)(input)


def sigmoid(input: Array) -> Array:
    """Activation("sigmoid")."""
    return made(keras.layers.Activation, input, "sigmoid")(input)


def tanh(input: Array) -> Array:
    """Activation("tanh")."""
    return made(keras.layers.Activation, input, "tanh")(input)


def softmax(input: Array, *, dim: int = -1) -> Array:
    """Softmax."""
    return made(keras.layers.Softmax, input, axis=dim)(input)


def log_softmax(input: Array, *, dim: int = -1) -> Array:
    """keras.activations.log_softmax; there is no layer."""
    return keras.activations.log_softmax(input, axis=dim)


LAYERS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
}

"""Activation functions."""

from __future__ import annotations

import jax
from jax import Array


def relu(input: Array) -> Array:
    """jax.nn.relu."""
    return jax.nn.relu(input)


def sigmoid(input: Array) -> Array:
    """jax.nn.sigmoid."""
    return jax.nn.sigmoid(input)


def tanh(input: Array) -> Array:
    """jax.nn.tanh."""
    return jax.nn.tanh(input)


def softmax(input: Array, *, dim: int = -1) -> Array:
    """jax.nn.softmax."""
    return jax.nn.softmax(input, dim)


def log_softmax(input: Array, *, dim: int = -1) -> Array:
    """jax.nn.log_softmax."""
    return jax.nn.log_softmax(input, dim)


LAYERS = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
}

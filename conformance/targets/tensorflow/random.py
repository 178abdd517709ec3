"""What is random: dropout and initialisers. TensorFlow has kernels (*kernel, in, out)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from conformance.target import Unsupported
from conformance.targets._parameters import squared_gain
from conformance.targets.tensorflow.layers import Array

_LIBRARY = "tf.compat.v1.initializers"


def dropout(input: Array, *, seed: int, p: float = 0.5) -> Array:
    """tf.nn.experimental.stateless_dropout."""
    return _dropped(input, p, seed, input.shape)


def dropout2d(input: Array, *, seed: int, p: float = 0.5) -> Array:
    """The same with one draw for all positions of a channel."""
    return _dropped(input, p, seed, (*input.shape[:2], *[1] * (input.ndim - 2)))


def _dropped(input: Array, p: float, seed: int, drawn: Any) -> Array:
    if p == 1.0:
        raise Unsupported("the rate of dropout must be below 1")
    return tf.nn.experimental.stateless_dropout(input, p, (seed, 0), noise_shape=drawn)


def zeros_init(tensor: Array) -> Array:
    """tf.compat.v1.zeros_initializer."""
    return tf.compat.v1.zeros_initializer()(tensor.shape, tensor.dtype)


def xavier_uniform(tensor: Array, *, seed: int, gain: float = 1.0) -> Array:
    """tf.compat.v1.variance_scaling_initializer, of which glorot_uniform_initializer is the one for a gain of 1."""
    return _scaled(tensor, seed, gain**2, "fan_avg", "uniform")


def xavier_normal(tensor: Array, *, seed: int, gain: float = 1.0) -> Array:
    """tf.compat.v1.variance_scaling_initializer; glorot_normal_initializer is a truncated one."""
    return _scaled(tensor, seed, gain**2, "fan_avg", "untruncated_normal")


def kaiming_uniform(
    tensor: Array, *, seed: int, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """tf.compat.v1.variance_scaling_initializer."""
    return _scaled(tensor, seed, squared_gain(nonlinearity, a, _LIBRARY), mode, "uniform")


def kaiming_normal(
    tensor: Array, *, seed: int, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """tf.compat.v1.variance_scaling_initializer."""
    return _scaled(tensor, seed, squared_gain(nonlinearity, a, _LIBRARY), mode, "untruncated_normal")


def _scaled(tensor: Array, seed: int, scale: float, mode: str, distribution: str) -> Array:
    outs, ins, *kernel = tensor.shape
    draw = tf.compat.v1.variance_scaling_initializer(scale, mode, distribution, seed)
    drawn = draw((*kernel, ins, outs), tensor.dtype)
    return tf.transpose(drawn, (*reversed(range(len(kernel), len(kernel) + 2)), *range(len(kernel))))


LAYERS: dict[str, Callable[..., Any]] = {
    "dropout": dropout,
    "dropout2d": dropout2d,
    "zeros_init": zeros_init,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
}

"""What is random: dropout and initialisers. Keras has kernels (*kernel, in, out)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from conformance.targets._parameters import squared_gain
from conformance.targets.keras._calls import Array, made

_LIBRARY = "keras.initializers"


def dropout(input: Array, *, seed: int, p: float = 0.5) -> Array:
    """Dropout in training."""
    return made(keras.layers.Dropout, input, p, seed=seed)(input, training=True)


def dropout2d(input: Array, *, seed: int, p: float = 0.5) -> Array:
    """SpatialDropout2D in training."""
    layer = made(keras.layers.SpatialDropout2D, input, p, data_format="channels_first", seed=seed)
    return layer(input, training=True)


def zeros_init(tensor: Array) -> Array:
    """keras.initializers.Zeros."""
    return keras.initializers.Zeros()(tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))


def xavier_uniform(tensor: Array, *, seed: int, gain: float = 1.0) -> Array:
    """VarianceScaling, of which GlorotUniform is the one for a gain of 1."""
    return _scaled(tensor, seed, gain**2, "fan_avg", "uniform")


def xavier_normal(tensor: Array, *, seed: int, gain: float = 1.0) -> Array:
    """VarianceScaling; GlorotNormal is a truncated one."""
    return _scaled(tensor, seed, gain**2, "fan_avg", "untruncated_normal")


def kaiming_uniform(
    tensor: Array, *, seed: int, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """VarianceScaling, of which HeUniform is one."""
    return _scaled(tensor, seed, squared_gain(nonlinearity, a, _LIBRARY), mode, "uniform")


def kaiming_normal(
    tensor: Array, *, seed: int, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """VarianceScaling; HeNormal is a truncated one."""
    return _scaled(tensor, seed, squared_gain(nonlinearity, a, _LIBRARY), mode, "untruncated_normal")


def _scaled(tensor: Array, seed: int, scale: float, mode: str, distribution: str) -> Array:
    outs, ins, *kernel = tensor.shape
    draw = keras.initializers.VarianceScaling(scale, mode, distribution, seed)
    drawn = draw((*kernel, ins, outs), keras.backend.standardize_dtype(tensor.dtype))
    return keras.ops.transpose(drawn, (*reversed(range(len(kernel), len(kernel) + 2)), *range(len(kernel))))


LAYERS: dict[str, Callable[..., Any]] = {
    "dropout": dropout,
    "dropout2d": dropout2d,
    "zeros_init": zeros_init,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
}

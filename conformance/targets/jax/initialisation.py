"""jax.nn.initializers."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from conformance.targets._parameters import squared_gain

_LIBRARY = "jax.nn.initializers"


def zeros_init(tensor: Array) -> Array:
    """jax.nn.initializers.zeros."""
    return jax.nn.initializers.zeros(jax.random.key(0), tensor.shape, tensor.dtype)


def xavier_uniform(tensor: Array, *, key: Array, gain: float = 1.0) -> Array:
    """jax.nn.initializers.variance_scaling."""
    return _scaled(tensor, key, gain**2, "fan_avg", "uniform")


def xavier_normal(tensor: Array, *, key: Array, gain: float = 1.0) -> Array:
    """jax.nn.initializers.variance_scaling; glorot_normal is a truncated one."""
    return _scaled(tensor, key, gain**2, "fan_avg", "normal")


def kaiming_uniform(
    tensor: Array, *, key: Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """jax.nn.initializers.variance_scaling."""
    return _scaled(tensor, key, squared_gain(nonlinearity, a, _LIBRARY), mode, "uniform")


def kaiming_normal(
    tensor: Array, *, key: Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """jax.nn.initializers.variance_scaling; he_normal is a truncated one."""
    return _scaled(tensor, key, squared_gain(nonlinearity, a, _LIBRARY), mode, "normal")


def _scaled(tensor: Array, key: Array, scale: float, mode: Any, distribution: Any) -> Array:
    draw = jax.nn.initializers.variance_scaling(scale, mode, distribution, in_axis=1, out_axis=0)
    return draw(key, tensor.shape, tensor.dtype)


LAYERS = {
    "zeros_init": zeros_init,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
}

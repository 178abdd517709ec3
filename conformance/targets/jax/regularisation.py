"""Random layers of training."""

from __future__ import annotations

from flax import linen as nn
from jax import Array


def dropout(input: Array, *, key: Array, p: float = 0.5) -> Array:
    """nn.Dropout in training."""
    found: Array = nn.Dropout(p, deterministic=False).apply({}, input, rng=key)
    return found


def dropout2d(input: Array, *, key: Array, p: float = 0.5) -> Array:
    """nn.Dropout in training, with one draw for all positions of a channel."""
    places = tuple(range(2, input.ndim))
    found: Array = nn.Dropout(p, broadcast_dims=places, deterministic=False).apply({}, input, rng=key)
    return found


LAYERS = {
    "dropout": dropout,
    "dropout2d": dropout2d,
}

"""Linear layers."""

from __future__ import annotations

from flax import linen as nn
from jax import Array

from conformance.targets.jax._modules import applied


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """nn.Dense, whose kernel is the transposed weight."""
    return custom_linear(input, weight.T, bias)


def custom_linear(input: Array, weight: Array, bias: Array | None) -> Array:
    """nn.Dense itself."""
    found: Array = applied(
        nn.Dense(weight.shape[1], use_bias=bias is not None), {"kernel": weight, "bias": bias}, input
    )
    return found


def residual(input: Array, weight_1: Array, bias_1: Array, weight_2: Array, bias_2: Array) -> Array:
    """Two nn.Dense with a relu between them, and the input added."""
    return linear(nn.relu(linear(input, weight_1, bias_1)), weight_2, bias_2) + input


LAYERS = {
    "linear": linear,
    "custom_linear": custom_linear,
    "residual": residual,
}

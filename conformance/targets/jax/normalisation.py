"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from conformance.target import Unsupported
from conformance.targets.jax._modules import applied, present


def batch_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: int = 0,
) -> tuple[Array, ...]:
    """nn.BatchNorm. In training it feeds the running variance with the population variance."""
    if training and running_var is not None:
        raise Unsupported("nn.BatchNorm feeds the running variance with the population variance, not the unbiased one")
    module = nn.BatchNorm(
        not training,
        axis=1,
        epsilon=eps,
        use_bias=bias is not None,
        use_scale=weight is not None,
        use_fast_variance=False,
    )
    statistics = {"mean": running_mean, "var": running_var}
    kept = {"mean": jnp.zeros(input.shape[1]), "var": jnp.ones(input.shape[1])} if training else present(statistics)
    variables = {"params": present({"scale": weight, "bias": bias}), "batch_stats": kept}
    output = module.apply(variables, input, mutable=["batch_stats"])[0]
    return (output, *present(statistics).values())


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """nn.LayerNorm."""
    axes = tuple(range(-len(normalized_shape), 0))
    if input.shape[axes[0] :] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    return _normalised(nn.LayerNorm, input, weight, bias, epsilon=eps, reduction_axes=axes, feature_axes=axes)


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """nn.GroupNorm."""
    found = _normalised(nn.GroupNorm, jnp.moveaxis(input, 1, -1), weight, bias, epsilon=eps, num_groups=num_groups)
    return jnp.moveaxis(found, -1, 1)


def instance_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """nn.InstanceNorm."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise Unsupported("nn.InstanceNorm keeps no running statistics")
    return _normalised(nn.InstanceNorm, input, weight, bias, epsilon=eps, feature_axes=1)


def _normalised(kind: Any, input: Array, weight: Array | None, bias: Array | None, **options: Any) -> Array:
    """A module whose variance is that of the formula, not E[x²] − E[x]², which is flax's default."""
    module = kind(use_bias=bias is not None, use_scale=weight is not None, use_fast_variance=False, **options)
    found: Array = applied(module, {"scale": weight, "bias": bias}, input)
    return found


LAYERS = {
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
}

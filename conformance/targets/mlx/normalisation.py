"""Normalisations. mlx keeps channels last; an affine layer has both weight and bias."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
from mlx import nn

from conformance.target import Unsupported
from conformance.targets.mlx.layers import Array, with_parameters


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
    """nn.BatchNorm, which feeds the running variance with the unbiased one."""
    if momentum is None:
        raise Unsupported("nn.BatchNorm has no cumulative average")
    if (running_mean is None) != (running_var is None):
        raise Unsupported("nn.BatchNorm has both running statistics or none")
    if not training and running_mean is None:
        raise ValueError("evaluation needs running_mean and running_var")
    affine = _is_affine(weight, bias)
    module = nn.BatchNorm(input.shape[1], eps, momentum, affine, track_running_stats=running_mean is not None)
    with_parameters(module, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    found = _channels_last(module.train(training), input)
    return (found,) if running_mean is None else (found, module["running_mean"], module["running_var"])


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
    module = nn.InstanceNorm(input.shape[1], eps, affine=_is_affine(weight, bias))
    return _channels_last(with_parameters(module, weight=weight, bias=bias), input)


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """nn.GroupNorm with neighbouring channels in a group, which is not its default."""
    module = nn.GroupNorm(num_groups, input.shape[1], eps, _is_affine(weight, bias), pytorch_compatible=True)
    return _channels_last(with_parameters(module, weight=weight, bias=bias), input)


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """nn.LayerNorm, which is not told the size of the axis."""
    if len(normalized_shape) > 1:
        raise Unsupported("nn.LayerNorm normalises the last axis alone")
    if weight is None and bias is not None:
        raise Unsupported("nn.LayerNorm has no bias without a weight")
    if input.shape[-1:] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    module = nn.LayerNorm(normalized_shape[0], eps, affine=weight is not None, bias=bias is not None)
    found: Array = with_parameters(module, weight=weight, bias=bias)(input)
    return found


def _is_affine(weight: Array | None, bias: Array | None) -> bool:
    if (weight is None) != (bias is None):
        raise Unsupported("normalisations of mlx.nn have both weight and bias, or none")
    return weight is not None


def _channels_last(module: Callable[[Array], Array], input: Array) -> Array:
    """The module applied to an input (N, C, *) as (N, *, C)."""
    return mx.moveaxis(module(mx.moveaxis(input, 1, -1)), -1, 1)


LAYERS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
}

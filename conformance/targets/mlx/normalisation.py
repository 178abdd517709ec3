"""Normalisations. mlx keeps channels last."""

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
    _require_positive(eps)
    if momentum is None:
        raise Unsupported("nn.BatchNorm has no cumulative average")
    if (running_mean is None) != (running_var is None):
        raise Unsupported("nn.BatchNorm has both running statistics or none")
    if input.ndim > 4:
        raise Unsupported("nn.BatchNorm takes up to four dimensions")
    if not training and running_mean is None:
        raise ValueError("evaluation needs running_mean and running_var")
    tracks = running_mean is not None
    module = nn.BatchNorm(input.shape[1], eps, momentum, track_running_stats=tracks)
    with_parameters(module, running_mean=running_mean, running_var=running_var)
    found = _applied(module.train(training), input, weight, bias)
    return (found, module["running_mean"], module["running_var"]) if tracks else (found,)


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
    _require_positive(eps)
    return _applied(nn.InstanceNorm(input.shape[1], eps, affine=True), input, weight, bias)


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """nn.GroupNorm with neighbouring channels in a group, which is not its default."""
    _require_positive(eps)
    module = nn.GroupNorm(num_groups, input.shape[1], eps, pytorch_compatible=True)
    return _applied(module, input, weight, bias)


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """nn.LayerNorm, which is not told the size of the axis."""
    _require_positive(eps)
    if len(normalized_shape) > 1:
        raise Unsupported("nn.LayerNorm normalises the last axis alone")
    if input.shape[-1:] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    module = nn.LayerNorm(normalized_shape[0], eps, affine=weight is not None or bias is not None)
    found: Array = _affine(module, weight, bias, input.dtype)(input)
    return found


def _require_positive(eps: float) -> None:
    if eps == 0.0:
        raise Unsupported("eps of mlx.nn must be positive")


def _applied(module: Any, input: Array, weight: Array | None, bias: Array | None) -> Array:
    """The module with weight and bias, for each channel, applied to an input (N, C, *) as (N, *, C)."""
    return mx.moveaxis(_affine(module, weight, bias, input.dtype)(mx.moveaxis(input, 1, -1)), -1, 1)


def _affine(module: Any, weight: Array | None, bias: Array | None, dtype: mx.Dtype) -> Any:
    """The module with weight and bias; one that is absent is as the module has it."""
    for name, given in (("weight", weight), ("bias", bias)):
        if name in module:
            module[name] = module[name].astype(dtype) if given is None else given
    return module


LAYERS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
}

# An average is a product with 1 / n.
ALGORITHMS = {
    "batch_norm": "by_reciprocal",
    "instance_norm": "by_reciprocal",
    "group_norm": "by_reciprocal",
    "layer_norm": "by_reciprocal",
}

"""Normalisations of tinygrad.nn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad import Context, Tensor, nn

from conformance.target import Unsupported
from conformance.targets.tinygrad.layers import with_parameters


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: int = 0,
) -> tuple[Tensor, ...]:
    """nn.BatchNorm, which feeds the running variance with the unbiased one."""
    if momentum is None:
        raise Unsupported("nn.BatchNorm has no cumulative average")
    if (running_mean is None) != (running_var is None):
        raise Unsupported("nn.BatchNorm has both running statistics or none")
    if not training and running_mean is None:
        raise ValueError("evaluation needs running_mean and running_var")
    kept = [None if x is None else x.clone() for x in (running_mean, running_var)]
    layer = with_parameters(
        nn.BatchNorm,
        weight=weight,
        bias=bias,
        eps=eps,
        momentum=momentum,
        track_running_stats=running_mean is not None,
        running_mean=kept[0],
        running_var=kept[1],
        num_batches_tracked=Tensor(num_batches_tracked),
    )
    with Context(TRAINING=int(training)):
        found = layer(input)
    return found, *(x for x in kept if x is not None)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """nn.InstanceNorm."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise Unsupported("nn.InstanceNorm keeps no running statistics")
    return _affine(nn.InstanceNorm, input, weight, bias, input.shape[1:2], num_features=input.shape[1], eps=eps)


def group_norm(
    input: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, num_groups: int, eps: float = 1e-5
) -> Tensor:
    """nn.GroupNorm."""
    how = {"num_groups": num_groups, "num_channels": input.shape[1], "eps": eps}
    return _affine(nn.GroupNorm, input, weight, bias, input.shape[1:2], **how)


def layer_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Tensor:
    """nn.LayerNorm."""
    shape = tuple(normalized_shape)
    axes = tuple(-1 - place for place in range(len(shape)))
    return _affine(nn.LayerNorm, input, weight, bias, shape, normalized_shape=shape, axis=axes, eps=eps)


def _affine(
    kind: Any, input: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Sequence[int], **how: Any
) -> Tensor:
    """A layer that has both weight and bias, or none: ones or zeros for one that is absent."""
    if weight is None and bias is not None:
        weight = Tensor.ones(*shape, dtype=input.dtype)
    elif bias is None and weight is not None:
        bias = Tensor.zeros(*shape, dtype=input.dtype)
    found: Tensor = with_parameters(kind, weight=weight, bias=bias, **how)(input)
    return found


LAYERS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
}

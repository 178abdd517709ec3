"""Normalisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from conformance.target import Unsupported
from conformance.targets.keras._calls import Array, applied, made

# To GroupNormalization, as many groups as there are channels.
_OF_CHANNELS = -1


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
    """BatchNormalization. In training it feeds the moving variance with the population variance."""
    if training and running_var is not None:
        raise Unsupported("BatchNormalization feeds the moving variance with the population variance")
    if training and running_mean is not None and momentum is None:
        raise Unsupported("BatchNormalization has no cumulative average")
    channels = input.shape[1]
    layer = _normalisation(
        keras.layers.BatchNormalization, input, weight, bias, eps, axis=1, momentum=1.0 - (momentum or 0.0)
    )
    layer.build(tuple(input.shape))
    kept = [running_mean, running_var]
    if not training and None in kept:
        raise ValueError("without statistics of the batch, moving ones must be given")
    filled = [keras.ops.zeros(channels, input.dtype) if x is None else x for x in kept]
    affine = [x for x in (weight, bias) if x is not None]
    output, moved = layer.stateless_call(affine, filled, input, training=training)
    # statistics that do not move are those that were given
    return (output, *(keras.ops.copy(new) for new, given in zip(moved, kept, strict=True) if given is not None))


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """LayerNormalization, which is told the axes of a slice, not its shape."""
    axes = list(range(-len(normalized_shape), 0))
    if not axes or tuple(input.shape)[axes[0] :] != tuple(normalized_shape):
        raise ValueError(f"input of shape {tuple(input.shape)} does not end in {tuple(normalized_shape)}")
    layer = _normalisation(keras.layers.LayerNormalization, input, weight, bias, eps, axis=axes)
    return applied(layer, [weight, bias], input)


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """GroupNormalization."""
    if num_groups == _OF_CHANNELS:
        raise Unsupported("GroupNormalization takes -1 groups for as many as there are channels")
    return _grouped(input, weight, bias, num_groups, eps)


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
    """GroupNormalization with as many groups as there are channels."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise Unsupported("GroupNormalization keeps no moving statistics")
    return _grouped(input, weight, bias, _OF_CHANNELS, eps)


def _grouped(input: Array, weight: Array | None, bias: Array | None, groups: int, eps: float) -> Array:
    layer = _normalisation(keras.layers.GroupNormalization, input, weight, bias, eps, groups=groups, axis=1)
    return applied(layer, [weight, bias], input)


def _normalisation(
    kind: type[keras.Layer], input: Array, weight: Array | None, bias: Array | None, eps: float, **options: Any
) -> keras.Layer:
    return made(kind, input, epsilon=eps, scale=weight is not None, center=bias is not None, **options)


LAYERS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
}

"""Normalisations: tf.nn.moments and tf.nn.batch_normalization, which has one slope and one offset for each channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from conformance.target import Unsupported
from conformance.targets.tensorflow.layers import Array


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
    """tf.nn.batch_normalization; in training that of tf.nn.moments, which keeps no running statistics."""
    if input.ndim < 2:
        raise ValueError(f"input of shape {input.shape} has no axis of channels")
    kept = [x for x in (running_mean, running_var) if x is not None]
    if training and kept:
        raise Unsupported("tf.nn.moments keeps no running statistics")
    if not training and len(kept) < 2:
        raise ValueError("without statistics of the batch, running ones must be given")
    axes = [axis for axis in range(input.ndim) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(input.ndim)]
    mean, variance = tf.nn.moments(input, axes, keepdims=True) if training else (tf.reshape(x, shape) for x in kept)
    return (_normalised(input, mean, variance, weight, bias, shape, eps), *kept)


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """Over the last axes."""
    axes = list(range(-len(normalized_shape), 0))
    if not axes or tuple(input.shape)[axes[0] :] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    mean, variance = tf.nn.moments(input, axes, keepdims=True)
    return _normalised(input, mean, variance, weight, bias, tuple(normalized_shape), eps)


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """Over the channels of a group and their positions."""
    samples, channels, *sides = input.shape
    grouped = tf.reshape(input, (samples, num_groups, channels // num_groups, *sides))
    mean, variance = tf.nn.moments(grouped, list(range(2, grouped.ndim)), keepdims=True)
    shape = (num_groups, channels // num_groups, *[1] * len(sides))
    return tf.reshape(_normalised(grouped, mean, variance, weight, bias, shape, eps), input.shape)


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
    """Over the positions of a channel."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise Unsupported("tf.nn.moments keeps no running statistics")
    return group_norm(input, weight, bias, num_groups=input.shape[1], eps=eps)


def _normalised(
    input: Array,
    mean: Array,
    variance: Array,
    weight: Array | None,
    bias: Array | None,
    shape: Sequence[int],
    eps: float,
) -> Array:
    """tf.nn.batch_normalization with parameters of this shape."""
    affine = [None if x is None else tf.reshape(x, shape) for x in (bias, weight)]
    return tf.nn.batch_normalization(input, mean, variance, *affine, eps)


LAYERS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
}

ALGORITHMS = dict.fromkeys(LAYERS, "affine")

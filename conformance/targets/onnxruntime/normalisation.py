"""Normalisations. Weights and biases must be there: ones and zeros stand for those that are absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from conformance.target import Unsupported
from conformance.targets.onnxruntime._models import Array, binary32, run


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
    """BatchNormalization. In training it feeds the running variance with the population variance."""
    if training and (running_mean is not None or running_var is not None):
        raise Unsupported("BatchNormalization feeds the running variance with the population variance")
    statistics = _affine(input, running_var, running_mean)[::-1]
    given = (input, *_affine(input, weight, bias), *statistics)
    how: dict[str, Any] = {"training_mode": int(training), "epsilon": binary32("epsilon", eps, input)}
    found = run("BatchNormalization", *given, outputs=3 if training else 1, **how)
    kept = [x.copy() for x in (running_mean, running_var) if x is not None]
    return found[0], *kept


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
    """InstanceNormalization."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise Unsupported("InstanceNormalization keeps no running statistics")
    epsilon = binary32("epsilon", eps, input)
    return run("InstanceNormalization", input, *_affine(input, weight, bias), epsilon=epsilon)[0]


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """GroupNormalization, which takes statistics in float32, or in float64 where it is told so."""
    stash = TensorProto.DOUBLE if input.dtype == np.float64 else TensorProto.FLOAT
    how: dict[str, Any] = {
        "num_groups": num_groups,
        "epsilon": binary32("epsilon", eps, input),
        "stash_type": int(stash),
    }
    return run("GroupNormalization", input, *_affine(input, weight, bias), **how)[0]


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """LayerNormalization, which is told the first axis of a slice, not its shape."""
    axis = -len(normalized_shape)
    if not normalized_shape or input.shape[axis:] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    scale = np.ones(normalized_shape, input.dtype) if weight is None else weight
    epsilon = binary32("epsilon", eps, input)
    return run("LayerNormalization", input, scale, bias, axis=axis, epsilon=epsilon)[0]


def _affine(input: Array, factor: Array | None, term: Array | None) -> tuple[Array, Array]:
    """A factor and a term for each channel."""
    channels = input.shape[1]
    return (
        np.ones(channels, input.dtype) if factor is None else factor,
        np.zeros(channels, input.dtype) if term is None else term,
    )


LAYERS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
}

# BatchNormalization and InstanceNormalization have one slope and one offset for each channel: core/providers/cpu/nn/
# {batch_norm.h,instance_norm.cc}. LayerNormalization has its statistics by Welford's recurrence: core/providers/cpu/nn/
# layer_norm_impl.cc, https://github.com/microsoft/onnxruntime/pull/31973. GroupNormalization has no kernel: it is the
# operators that ONNX defines it by.
ALGORITHMS = {
    "batch_norm": "folded",
    "instance_norm": "folded",
    "layer_norm": "recurrent",
    "group_norm": "normalised_first",
}

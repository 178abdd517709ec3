"""Normalisation layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from conformance.case import Case
from conformance.layouts import CHANNELS_LAST
from conformance.target import Unsupported
from conformance.targets.torch._layouts import is_contiguous, laid_out, shape_of
from conformance.targets.torch._modules import called

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)  # by the number of sides after (N, C)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def _made(kind: Any, *arguments: Any, weight: Tensor | None, bias: Tensor | None, training: bool = True) -> nn.Module:
    """The module; an affine parameter that is None does not exist."""
    module: nn.Module = kind(*arguments, device="meta")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None:
            module.register_parameter(name, None)
    return module.train(training)


def _with_statistics(
    module: nn.Module,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: tuple[Tensor | None, Tensor | None],
    batches: int = 0,
) -> tuple[Tensor, ...]:
    """The output, and the running statistics after it, where the module keeps them.

    It updates them in place, here copies.
    """
    mean, var = (None if statistic is None else statistic.clone() for statistic in running)
    tracked = None if mean is None else torch.tensor(batches)
    tensors = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": var, "num_batches_tracked": tracked}
    output = called(module, tensors)(input)
    return (output, *(statistic for statistic in (mean, var) if statistic is not None))


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
    """nn.BatchNorm1d, 2d or 3d."""
    kind, track = _BATCH_NORMS[input.dim() - 2], running_mean is not None
    module = _made(kind, input.shape[1], eps, momentum, True, track, weight=weight, bias=bias, training=training)
    try:
        return _with_statistics(module, input, weight, bias, (running_mean, running_var), num_batches_tracked)
    except ValueError as refused:
        if eps != 0.0:
            raise
        mode = "training" if training else "evaluation"
        raise Unsupported(f"nn.BatchNorm refuses eps = 0 in {mode}") from refused


def layer_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: tuple[int, ...],
    eps: float = 1e-5,
) -> Tensor:
    """nn.LayerNorm."""
    module = _made(nn.LayerNorm, normalized_shape, eps, weight=weight, bias=bias)
    found: Tensor = called(module, {"weight": weight, "bias": bias})(input)
    return found


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
) -> tuple[Tensor, ...]:
    """nn.InstanceNorm1d, 2d or 3d; its evaluation mode is the one that uses the running statistics."""
    kind, track = _INSTANCE_NORMS[input.dim() - 3], running_mean is not None
    sizes = (input.shape[1], eps, momentum, True, track)
    module = _made(kind, *sizes, weight=weight, bias=bias, training=use_input_stats)
    return _with_statistics(module, input, weight, bias, (running_mean, running_var))


def group_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    num_groups: int,
    eps: float = 1e-5,
) -> Tensor:
    """nn.GroupNorm."""
    module = _made(nn.GroupNorm, num_groups, input.shape[1], eps, weight=weight, bias=bias)
    found: Tensor = called(module, {"weight": weight, "bias": bias})(input)
    return found


LAYERS = {
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
}

# y = a x + b, with one slope and one offset per channel or sample: in aten/src/ATen/native/cpu,
# batch_norm_kernel.cpp (batch_norm_cpu_collect_linear_and_constant_terms), which instance_norm calls,
# group_norm_kernel.cpp and layer_norm_kernel.cpp; the latter two take means by Welford's recurrence
# (RowwiseMoments of moments_utils.h).
#
# Where the statistics are bfloat16, the variance is divided in bfloat16, by a number of values that it may not hold:
# aten/src/ATen/native/Normalization.cpp (batch_norm_cpu_update_stats_template).
#
# Inductor takes means by Welford's recurrence, and for derivatives the statistics as they have been stored, in the
# format of the input; running statistics come of the population variance; group_norm folds: torch/_decomp/
# decompositions.py (native_layer_norm_backward, native_batch_norm_helper, native_group_norm_backward) and
# torch/_refs/__init__.py (native_group_norm).
#
# On CUDA all take means by Welford's recurrence. Only group_norm folds: in aten/src/ATen/native/cuda,
# group_norm_kernel.cu, which reads ε and, up to torch 2.11 at least, its own statistics in the format of the input;
# Normalization.cuh (batch_norm_transform_input_kernel), which instance_norm calls; layer_norm_kernel.cu.
ALGORITHMS: dict[str, dict[Any, str]] = {
    "cpu": {
        **dict.fromkeys(LAYERS, "folded"),
        **{(layer, "bfloat16"): "folded_in_storage" for layer in ("batch_norm", "instance_norm")},
    },
    "compile": {
        "batch_norm": "rescaled",
        "group_norm": "folded",
        "instance_norm": "rescaled",
        "layer_norm": "recurrent",
    },
    "cuda": {
        "batch_norm": "weighted",
        "group_norm": "folded_in_storage",
        "instance_norm": "weighted",
        "layer_norm": "recurrent",
    },
}


_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the number of dimensions


def _stepwise(case: Case) -> dict[str, Any]:
    """In half precision, every step is stored where a tensor is not contiguous.

    aten/src/ATen/native/Normalization.cpp (batch_norm_cpu_transform_input_template, batch_norm_backward_cpu_template).
    """
    if case.format not in ("bfloat16", "float16"):
        return {}
    writing = "stepwise_in_storage" if case.format == "bfloat16" else "stepwise"
    if case.upstream is not None:
        cotangent = laid_out(case.sides("input"), case.upstream.layout)
        return {} if is_contiguous(case, "input") and cotangent.is_contiguous() else {"backward": writing}
    if case.layer == "instance_norm":  # makes the input contiguous
        return {}
    input = laid_out(case.sides("input"), case.layout("input"))
    images = input.dim() in _LAST and input.is_contiguous(memory_format=_LAST[input.dim()])
    whole = (images or input.is_contiguous()) and is_contiguous(case, "weight") and is_contiguous(case, "bias")
    return {} if whole else {"algorithm": writing}


def _by_cudnn(case: Case) -> dict[str, Any]:
    """cuDNN, which folds, takes what has weight, bias and a place for every channel, but not half precision.

    aten/src/ATen/native/Normalization.cpp (_select_batch_norm_backend). Its means of integers are not exact from some
    ten thousand numbers on (measured, cuDNN 9). In evaluation what overflows shows that only derivatives are its own,
    and where infinities meet, that the kernel for channels_last folds.
    """
    input, *affine = (shape_of(case, name) for name in ("input", "weight", "bias"))
    served = case.format in ("float64", "float32") and input is not None and len(input) > 2
    if not served or None in affine:
        return {}
    trains = case.parameters["training" if case.layer == "batch_norm" else "use_input_stats"]
    if trains:
        return {"algorithm": "folded_recurrent"}
    in_channels_last = case.layout("input") == CHANNELS_LAST and case.layer == "batch_norm"
    return {"algorithm": "folded"} if in_channels_last else {"backward": "folded"}


def _unfolded(case: Case) -> dict[str, Any]:
    """Where a channel has one place, or neither weight nor bias, group_norm does not fold.

    aten/src/ATen/native/cuda/group_norm_kernel.cu (GroupNormKernelImplInternal; Compute1dBackwardFusedParamsCUDAKernel,
    which multiplies in the format of the input, up to torch 2.11 at least).
    """
    input, *affine = (shape_of(case, name) for name in ("input", "weight", "bias"))
    if math.prod((input or ())[2:]) == 1:
        return {"algorithm": "recurrent_in_storage", "backward": "collected_apart"}
    return {"algorithm": "recurrent_in_storage"} if affine == [None, None] else {}


def _stores_sums(case: Case) -> dict[str, Any]:
    """In half precision the sums of a channel, of which the statistics' derivatives are small differences, are stored.

    torch/_decomp/decompositions.py (native_group_norm_backward): ds and db.
    """
    halves = case.format in ("bfloat16", "float16")
    return {"undeclared": "which sums are stored in half precision is for inductor's scheduler"} if halves else {}


BY_CASE = {
    "compile": {"group_norm": _stores_sums},
    "cpu": {"batch_norm": _stepwise, "instance_norm": _stepwise},
    "cuda": {"batch_norm": _by_cudnn, "group_norm": _unfolded, "instance_norm": _by_cudnn},
}

# The derivative towards the input is a ȳ + b x + c, with one a, b and c per row or group, in the same two files
# (LayerNormBackwardKernelImplInternal, GroupNormInputBackward), and in the kernel of group_norm on CUDA.
BACKWARD = {
    "cpu": {"layer_norm": "collected", "group_norm": "collected"},
    "compile": {
        "batch_norm": "saved",
        "group_norm": "collected",
        "instance_norm": "saved",
        "layer_norm": "saved",
    },
    "cuda": {"group_norm": "collected_in_storage"},
}

# Its rows add to the derivatives of weight and bias one by one, in a buffer of their format (same function). On CUDA
# the threads of batch_norm hand on what they have added up in that format: Normalization.cuh (SumReduceOp<Float2>).
_AFFINE = frozenset({"weight", "bias"})
SCATTERED = {
    "cpu": {"layer_norm": _AFFINE},
    "cuda": {"batch_norm": _AFFINE, "instance_norm": _AFFINE},
}

# rsqrtf is at most 2 ulp off (CUDA C++ Programming Guide, Mathematical Functions), here a root and a quotient of 1 u.
ARITHMETIC = {"cuda": {layer: {"units": {"sqrt": 3.0}} for layer in LAYERS}}

"""Where torch leaves the permitted error, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.layouts import EXPANDED, PLAIN
from conformance.target import Deviation


def _sees_no_key_without_weights(case: Case) -> bool:
    """Whether masks leave a query of multi_head_attention without keys, and the weights are not asked for."""
    if case.parameters["need_weights"]:
        return False
    arrays: Any = case.arrays()
    (samples, length, _), keys = arrays["query"].shape, arrays["key"].shape[1]
    heads = case.parameters["num_heads"]
    ignored = np.zeros((samples, heads, length, keys), dtype=bool)
    if arrays["key_padding_mask"] is not None:
        ignored |= _ignores(arrays["key_padding_mask"])[:, None, None, :]
    if arrays["attn_mask"] is not None:
        mask = _ignores(arrays["attn_mask"])
        ignored |= mask.reshape(samples, heads, length, keys) if mask.ndim == 3 else mask
    return bool(ignored.all(axis=-1).any())


def _ignores(mask: Any) -> Any:
    return mask if mask.dtype == bool else np.isneginf(mask)


def _overlooked_factor(case: Case, *multiples: int) -> bool:
    """Whether a scale factor, taken as given, makes an axis exactly a multiple of its size without being that."""
    parameters, image = case.parameters, case.tensors["input"]
    if parameters["scale_factor"] is None or parameters["recompute_scale_factor"] or parameters.get("align_corners"):
        return False
    sides: Any = getattr(image, "shape", ())[-2:]
    return any(
        int(side * factor) == multiple * side and factor != multiple
        for side, factor in zip(sides, parameters["scale_factor"], strict=True)
        for multiple in multiples
    )


def _sides(case: Case) -> tuple[int, ...]:
    """The shape of the input."""
    return tuple(getattr(case.tensors["input"], "shape", ()))


_UPSAMPLE_H = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/UpSample.h"

KNOWN: tuple[Deviation, ...] = (
    Deviation(
        "upsample_nearest",
        "an axis whose size stays or doubles is copied or repeated, whatever its scale_factor: nearest_idx",
        "import torch\n"
        "x = torch.arange(5.0).reshape(1, 1, 1, 5)\n"
        "print(torch.nn.functional.interpolate(x, scale_factor=(1.0, 1.1)))  # 0 1 2 3 4; by the factor 0 0 1 2 3",
        lambda case: _overlooked_factor(case, 1, 2),
        _UPSAMPLE_H,
    ),
    Deviation(
        "upsample_bilinear",
        "an axis whose size stays is copied, whatever its scale_factor: compute_source_index_and_lambda",
        "import torch\n"
        "x = torch.arange(5.0).reshape(1, 1, 1, 5)\n"
        "print(torch.nn.functional.interpolate(x, scale_factor=(1.0, 1.1), mode='bilinear'))\n"
        "# 0 1 2 3 4; by the factor 0 0.86 1.77 2.68 3.59",
        lambda case: _overlooked_factor(case, 1),
        _UPSAMPLE_H,
    ),
    Deviation(
        "multi_head_attention",
        "a query without keys gives NaN with need_weights=True (softmax of a row of -inf), zeros with "
        "need_weights=False (scaled_dot_product_attention): F.multi_head_attention_forward",
        "import torch\n"
        "layer, x = torch.nn.MultiheadAttention(2, 1, batch_first=True), torch.ones(1, 1, 2)\n"
        "print([layer(x, x, x, torch.tensor([[True]]), need_weights)[0] for need_weights in (True, False)])",
        _sees_no_key_without_weights,
    ),
    Deviation(
        "group_norm",
        "in channels_last the variance is E[x²] - E[x]², which cancels where the mean is large against the spread: "
        "group_norm_kernel.cpp (GroupNormKernelImplChannelsLastInternal)",
        "import torch\n"
        "x = 1000 + torch.arange(8.0).reshape(1, 2, 2, 2) / 100\n"
        "for y in (x, x.to(memory_format=torch.channels_last)):\n"
        "    print(torch.nn.functional.group_norm(y, 1).flatten())",
        lambda case: case.layout("input") != PLAIN,
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/group_norm_kernel.cpp",
    ),
    Deviation(
        "group_norm",
        "without weight, the derivative towards the bias alone raises RuntimeError: tensor does not have a device",
        "import torch\n"
        "bias = torch.zeros(2, requires_grad=True)\n"
        "torch.nn.functional.group_norm(torch.ones(1, 2, 2), 1, None, bias).sum().backward()",
        lambda case: case.upstream is not None and case.tensors["weight"] is None and "bias" in case.upstream.wanted,
    ),
    Deviation(
        "instance_norm",
        "one sample, the cotangent in channels_last: the backward of batch_norm, given a view, reads another order",
        "import torch\n"
        "x, g = torch.randn(1, 2, 2, 2, requires_grad=True), torch.randn(1, 2, 2, 2)\n"
        "for y in (g, g.to(memory_format=torch.channels_last)):  # the same numbers, other derivatives\n"
        "    print(torch.autograd.grad(torch.nn.functional.instance_norm(x), x, y)[0].flatten())",
        lambda case: case.upstream is not None and case.upstream.layout == "channels_last" and _sides(case)[:1] == (1,),
    ),
    Deviation(
        "batch_norm",
        "the derivative towards the input reads a weight that is not contiguous as if it were: batch_norm_kernel.cpp "
        "(batch_norm_cpu_backward_contiguous_impl and its channels_last twin)",
        "import torch\n"
        "x, g = torch.randn(2, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 3, dtype=torch.float64)\n"
        "weight = torch.randn(6, dtype=torch.float64)[::2]\n"
        "for w in (weight, weight.contiguous()):  # the same numbers, other derivatives\n"
        "    y = torch.nn.functional.batch_norm(x, None, None, w, training=True)\n"
        "    print(torch.autograd.grad(y, x, g)[0].flatten())",
        lambda case: case.upstream is not None and case.layout("weight") in ("stepped", EXPANDED),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/batch_norm_kernel.cpp",
    ),
)

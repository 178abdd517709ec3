"""Where torch leaves the permitted error, and why: on any device, and on a CPU."""

from __future__ import annotations

import math

import numpy as np

from conformance.case import Case
from conformance.layouts import CHANNELS_LAST, EXPANDED, PLAIN
from conformance.target import Deviation
from conformance.targets._onednn import jumps_over
from conformance.targets._programs import ends_its_process
from conformance.targets._scores import largest, magnitudes, scores_of_heads, scores_with_masks
from conformance.targets._sizes import transposed


def _sees_no_key_without_weights(case: Case) -> bool:
    """Whether masks leave a query of multi_head_attention without keys, and the weights are not asked for."""
    return not case.parameters["need_weights"] and bool(scores_of_heads(case)[1].all(axis=-1).any())


def scores_are_blank(case: Case) -> bool:
    """Whether none of the scores that masks leave to a query is certainly finite, in a fused attention."""
    if case.parameters.get("need_weights"):
        return False
    scores, ignored = scores_with_masks(case)
    blank = ~np.isfinite(scores) & ~ignored
    return bool(((blank | ignored).all(axis=-1) & blank.any(axis=-1)).any())


def _masked_without_samples(case: Case) -> bool:
    """Whether a mask is given for every sample of a batch of none, and the weights are not asked for."""
    of_samples = case.tensors["key_padding_mask"] is not None or len(case.sides("attn_mask")) == 3
    return case.sides("query")[0] == 0 and of_samples and not case.parameters["need_weights"]


@np.errstate(all="ignore")
def _stored_scores_overflow(case: Case) -> bool:
    """Whether a score of multi_head_attention may overflow the format, where it is stored, in a row with a mask."""
    if not case.parameters["need_weights"]:
        return False
    scores, ignored = scores_of_heads(case)
    scale = (case.sides("query")[-1] / case.parameters["num_heads"]) ** -0.5
    overflows = ~(scores * scale < largest(case.format))
    return bool((overflows.any(axis=-1) & ignored.any(axis=-1)).any())


@np.errstate(all="ignore")
def _sums_of_values_overflow(case: Case) -> bool:
    """Whether the sum of a fused attention's values, where they are finite, may overflow."""
    if case.parameters.get("need_weights"):
        return False
    arrays = magnitudes(case)
    value = arrays["value"]
    if case.layer == "multi_head_attention":
        bias = arrays["in_proj_bias"]
        value = value @ arrays["in_proj_weight"][-value.shape[-1] :].T + (0.0 if bias is None else np.split(bias, 3)[2])
    sums = np.where(np.isfinite(value), value, 0.0).sum(axis=-2)
    return bool(np.isinf(sums).any())


def overlooked_factor(case: Case, *multiples: int) -> bool:
    """Whether a scale factor, taken as given, makes an axis exactly a multiple of its size without being that."""
    parameters = case.parameters
    if parameters["scale_factor"] is None or parameters["recompute_scale_factor"] or parameters.get("align_corners"):
        return False
    return any(
        int(side * factor) == multiple * side and factor != multiple
        for side, factor in zip(case.sides("input")[-2:], parameters["scale_factor"], strict=True)
        for multiple in multiples
    )


def _weights_in_half_precision(case: Case) -> bool:
    """Whether upsample_bilinear takes its way for large outputs, in a half-precision format."""
    if case.upstream is not None or case.format not in ("bfloat16", "float16"):
        return False
    factors, size = case.parameters["scale_factor"], case.parameters["size"]
    *_, channels, height, width = case.sides("input")
    outputs = size or [int(side * factor) for side, factor in zip((height, width), factors, strict=True)]
    return sum(outputs) > 128 and not (case.layout("input") == CHANNELS_LAST and channels > 3)


def _divisor_is_rounded(case: Case) -> bool:
    """Whether a format cannot hold the number by which avg_pool2d divides, which some windows may not reach."""
    parameters = case.parameters
    divisor = parameters["divisor_override"] or math.prod(parameters["kernel_size"])
    held = {"bfloat16": 2**8, "float16": 2**11}.get(case.format, math.inf)  # every integer up to it
    return case.upstream is not None and abs(divisor) > held


def _values_in_all(case: Case) -> int:
    """How many values share the statistics of batch_norm or instance_norm."""
    samples, _, *places = case.sides("input")
    return math.prod(places) * (samples if case.layer == "batch_norm" else 1)


def _meets_no_column(case: Case) -> bool:
    """Whether no tap of a dilated convolution in channels_last meets a column of the images, in bfloat16, or in float32
    with a bias.
    """
    biased = case.format == "float32" and case.tensors.get("bias") is not None
    if not (case.format == "bfloat16" or biased) or CHANNELS_LAST not in map(case.layout, ("input", "weight")):
        return False
    return jumps_over(case, case.sides("input")[-1])


def _derivative_meets_no_column(case: Case) -> bool:
    """The same of a transposed convolution's derivative towards its input, which is a convolution."""
    if "input" not in _derived_in_channels_last(case):
        return False
    return jumps_over(case, transposed(case, 1))


def _taps_beside_the_image(case: Case) -> bool:
    """Whether the derivative of a bfloat16 transposed convolution towards a tap is asked for that meets no pixel."""
    if case.format != "bfloat16" or case.upstream is None or "weight" not in case.upstream.wanted:
        return False
    names = ("padding", "output_padding", "stride", "dilation")
    axes = zip(
        case.sides("input")[-2:], case.sides("weight")[-2:], *(case.parameters[name] for name in names), strict=True
    )
    for side, taps, padding, extra, stride, step in axes:
        pixels = range((side - 1) * stride - 2 * padding + step * (taps - 1) + extra + 1)
        met = ([place * stride - padding + step * tap in pixels for place in range(side)] for tap in range(taps))
        if not all(map(any, met)):
            return True
    return False


def _derived_in_channels_last(case: Case) -> tuple[str, ...]:
    """The tensors towards which derivatives of a bfloat16 convolution in channels_last are asked for."""
    upstream = case.upstream
    if case.format != "bfloat16" or upstream is None:
        return ()
    return upstream.wanted if CHANNELS_LAST in (case.layout("input"), case.layout("weight"), upstream.layout) else ()


def _is_dilated_and_wide(case: Case) -> bool:
    """Whether derivatives of a dilated bfloat16 convolution in channels_last are asked for, and its rows are long.

    In 2,500 configurations with widths from 2 to 64 none was wrong with fewer than 15 columns of output.
    """
    if not _derived_in_channels_last(case):
        return False
    padding, dilation, (_, stride) = (case.parameters[name] for name in ("padding", "dilation", "stride"))
    width, span = case.sides("input")[-1], dilation[1] * (case.sides("weight")[-1] - 1) + 1
    around = {"same": span - 1, "valid": 0}[padding] if isinstance(padding, str) else 2 * padding[1]
    return bool(max(dilation) > 1 and (width + around - span) // stride + 1 >= 15)


def _is_one_column_of_groups(case: Case) -> bool:
    """Whether a grouped convolution of bfloat16 images in channels_last has one channel and several filters a group,
    and one column of windows.
    """
    if case.format != "bfloat16" or case.layout("input") != CHANNELS_LAST:
        return False
    filters, depth, _, width = case.sides("weight")
    groups, (vertical, horizontal) = case.parameters["groups"], case.parameters["stride"]
    if depth != 1 or filters <= groups:
        return False
    padding = case.parameters["padding"]
    padded = case.sides("input")[-1] + (0 if isinstance(padding, str) else 2 * padding[1])
    return groups > 1 and vertical == 1 and horizontal > 1 and width > 1 and padded < width + horizontal


_CONVOLUTION = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Convolution.cpp"
_FLASH = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/FlashAttentionKernel.cpp"
_UPSAMPLE_H = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/UpSample.h"

_IDENTITY = (
    "with p = 0 the result is the input itself, so that editing one edits the other: Dropout.cpp (_dropout_impl)"
)
_DROPOUT = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Dropout.cpp"


def _weights_unchecked(module: str) -> Deviation:
    """A recurrent layer that does not look at the shapes of its weights."""
    return Deviation(
        module.lower(),
        "the shapes of the weights are not looked at: single rows repeat themselves, and what oneDNN or chunk() expect "
        "behind the end of a weight is read as it is there, or ends the process: RNN.cpp",
        "import torch\n"
        f"layer = torch.nn.{module}(1, 2)\n"
        "layer.bias_ih_l0 = torch.nn.Parameter(torch.ones(1))\n"
        "with torch.no_grad():\n"
        "    print(layer(torch.ones(1, 1, 1))[0])  # numbers",
        lambda case: case.slips("W_ih has", "W_hh has", "b_ih has", "b_hh has"),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/RNN.cpp",
        check="refusal",
    )


EVERYWHERE: tuple[Deviation, ...] = (
    *(
        Deviation(
            layer,
            _IDENTITY,
            f"import torch\nx = torch.ones(1, 1, 1, 1)\ntorch.nn.{module}(0.0)(x).add_(1)\nprint(x.item())\n# 2.0",
            lambda case: case.parameters["p"] == 0.0,
            _DROPOUT,
            check="purity",
        )
        for layer, module in (("dropout", "Dropout"), ("dropout2d", "Dropout2d"))
    ),
    Deviation(
        "instance_norm",
        "with weight or bias a batch without samples raises IndexError: they are repeated for every sample, and the "
        "first repetition is asked for: Normalization.cpp (instance_norm)",
        "import torch\n"
        "layer = torch.nn.InstanceNorm1d(2, affine=True)\n"
        "try:\n"
        "    layer(torch.ones(0, 2, 3))\n"
        "except IndexError as error:\n"
        "    print(error)  # select(): index 0 out of range for tensor of size [0] at dimension 0",
        lambda case: case.sides("input")[0] == 0 and any(case.tensors[name] is not None for name in ("weight", "bias")),
        "https://github.com/pytorch/pytorch/issues/39049",
    ),
    Deviation(
        "instance_norm",
        "a batch without samples makes the running statistics NaN, the mean over no samples: Normalization.cpp "
        "(instance_norm)",
        "import torch\n"
        "layer = torch.nn.InstanceNorm1d(2, track_running_stats=True)\n"
        "layer(torch.ones(0, 2, 3))\n"
        "print(layer.running_mean)  # nan nan",
        lambda case: case.sides("input")[0] == 0 and case.parameters["use_input_stats"],
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Normalization.cpp",
    ),
    Deviation(
        "upsample_nearest",
        "an axis whose size stays or doubles is copied or repeated, whatever its scale_factor: nearest_idx",
        "import torch\n"
        "x = torch.arange(5.0).reshape(1, 1, 1, 5)\n"
        "print(torch.nn.functional.interpolate(x, scale_factor=(1.0, 1.1)).flatten().tolist())\n"
        "print('by the factor', [int(i / 1.1) for i in range(5)])\n"
        "# [0.0, 1.0, 2.0, 3.0, 4.0]\n"
        "# by the factor [0, 0, 1, 2, 3]",
        lambda case: overlooked_factor(case, 1, 2),
        _UPSAMPLE_H,
    ),
    Deviation(
        "upsample_bilinear",
        "an axis whose size stays is copied, whatever its scale_factor: compute_source_index_and_lambda",
        "import torch\n"
        "x = torch.arange(5.0).reshape(1, 1, 1, 5)\n"
        "print(torch.nn.functional.interpolate(x, scale_factor=(1.0, 1.1), mode='bilinear').flatten().tolist())\n"
        "print('by the factor', [round(max((i + 0.5) / 1.1 - 0.5, 0.0), 2) for i in range(5)])\n"
        "# [0.0, 1.0, 2.0, 3.0, 4.0]\n"
        "# by the factor [0.0, 0.86, 1.77, 2.68, 3.59]",
        lambda case: overlooked_factor(case, 1),
        _UPSAMPLE_H,
    ),
    Deviation(
        "multi_head_attention",
        "a query without keys gives NaN with need_weights=True (softmax of a row of -inf), zeros with "
        "need_weights=False (scaled_dot_product_attention): F.multi_head_attention_forward",
        "import torch\n"
        "layer, x = torch.nn.MultiheadAttention(2, 1, batch_first=True), torch.ones(1, 1, 2)\n"
        "for need_weights in (True, False):\n"
        "    print(layer(x, x, x, torch.tensor([[True]]), need_weights)[0].tolist())\n"
        "# [[[nan, nan]]]\n"
        "# [[[0.0, 0.0]]]",
        _sees_no_key_without_weights,
    ),
    Deviation(
        "multi_head_attention",
        "with need_weights=True a score that overflows where it is stored makes its row NaN, also the weights of keys "
        "that a mask leaves out: F.multi_head_attention_forward (softmax)",
        "import torch\n"
        "x = torch.tensor([[[1.0], [300.0]]]).half()\n"
        "layer = torch.nn.MultiheadAttention(1, 1, bias=False, batch_first=True).half()\n"
        "layer.in_proj_weight = torch.nn.Parameter(torch.ones(3, 1).half())\n"
        "print(layer(x, x, x, torch.tensor([[True, False]]))[1][0, 1].tolist())  # of the second query\n"
        "# [nan, nan]",
        _stored_scores_overflow,
    ),
    Deviation(
        "multi_head_attention",
        "with need_weights=False a batch without samples raises RuntimeError where a mask is given for every sample: "
        "F.multi_head_attention_forward asks for a view of nothing with a side of -1",
        "import torch\n"
        "layer, x = torch.nn.MultiheadAttention(2, 1, batch_first=True), torch.ones(0, 3, 2)\n"
        "try:\n"
        "    layer(x, x, x, torch.zeros(0, 3, dtype=torch.bool), need_weights=False)\n"
        "except RuntimeError as error:\n"
        "    print(error)  # cannot reshape tensor of 0 elements into shape [0, 1, -1, 3] …",
        _masked_without_samples,
    ),
    Deviation(
        "group_norm",
        "without weight, the derivative towards the bias alone raises RuntimeError: tensor does not have a device",
        "import torch\n"
        "bias = torch.zeros(2, requires_grad=True)\n"
        "try:\n"
        "    torch.nn.functional.group_norm(torch.ones(1, 2, 2), 1, None, bias).sum().backward()\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
        "# tensor does not have a device",
        lambda case: case.upstream is not None and case.tensors["weight"] is None and "bias" in case.upstream.wanted,
    ),
    Deviation(
        "batch_norm",
        "of an empty batch only the first weight and the first bias are used, whatever their number: Normalization.cpp "
        "(_batch_norm_impl_index)",
        "import torch\n"
        "mean, variance = torch.zeros(2), torch.ones(2)\n"
        "print(torch.nn.functional.batch_norm(torch.ones(0, 2), mean, variance, torch.ones(3)).shape)\n"
        "# torch.Size([0, 2])",
        lambda case: case.slips("weight is", "bias is", "running_mean is", "running_var is")
        and 0 in case.sides("input"),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Normalization.cpp",
        check="refusal",
    ),
    Deviation(
        "linear",
        "a bias of a single element is expanded to all outputs: addmm expands what it adds",
        "import torch\nprint(torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2), torch.ones(1)))  # 3 3 3",
        lambda case: case.slips("bias is a single one"),
        check="refusal",
    ),
    Deviation(
        "conv2d",
        "an empty batch is answered although the dilation is 0: Convolution.cpp checks the dilation in the kernel, "
        "which is not called",
        "import torch\n"
        "print(torch.nn.functional.conv2d(torch.ones(0, 1, 3, 3), torch.ones(1, 1, 2, 2), dilation=0).shape)",
        lambda case: case.slips("dilation is 0") and 0 in case.sides("input"),
        _CONVOLUTION,
        check="refusal",
    ),
    Deviation(
        "conv_transpose2d",
        "an empty batch is answered although the dilation is 0 or the output_padding too large: Convolution.cpp checks "
        "them in the kernel, which is not called",
        "import torch\n"
        "x = torch.ones(0, 1, 3, 3)\n"
        "print(torch.nn.functional.conv_transpose2d(x, torch.ones(1, 1, 2, 2), output_padding=1).shape)",
        lambda case: case.slips("dilation is 0", "output_padding reaches") and 0 in case.sides("input"),
        _CONVOLUTION,
        check="refusal",
    ),
    Deviation(
        "embedding",
        "a negative max_norm turns the rows around instead of being refused: Embedding.cpp (embedding_renorm_cpu_)",
        "import torch\n"
        "print(torch.nn.functional.embedding(torch.tensor([0]), torch.ones(1, 2), max_norm=-1.0))  # -0.7 -0.7",
        lambda case: case.slips("max_norm is negative"),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Embedding.cpp",
        check="refusal",
    ),
    Deviation(
        "multi_head_attention",
        "a bias of the output that has a single element is expanded: addmm expands what it adds",
        "import torch\n"
        "layer, x = torch.nn.MultiheadAttention(2, 1), torch.ones(1, 1, 2)\n"
        "layer.out_proj.bias = torch.nn.Parameter(torch.ones(1))\n"
        "print(layer(x, x, x)[0])  # numbers",
        lambda case: case.slips("out_proj_bias is a single one"),
        check="refusal",
    ),
    Deviation(
        "multi_head_attention",
        "the packed bias is cut into three by chunk, of which the last may have a single element, which is expanded: "
        "F._in_projection_packed",
        "import torch\n"
        "layer, x, y, z = torch.nn.MultiheadAttention(2, 1), *torch.ones(3, 1, 1, 2)\n"
        "layer.in_proj_bias = torch.nn.Parameter(torch.ones(5))\n"
        "print(layer(x, y, z)[0])  # numbers",
        lambda case: case.slips("in_proj_bias is one too short") and case.sides("query")[-1] == 2,
        check="refusal",
    ),
)

CPU: tuple[Deviation, ...] = (
    Deviation(
        "upsample_bilinear",
        "in half precision, where height and width of the output add up to more than 128, the weights of pixels are "
        "rounded to the format: UpSampleKernel.cpp (_use_vectorized_kernel_cond_2d, upsample_generic_Nd_kernel_impl)",
        "import torch\n"
        "x = torch.tensor([3.0, -1.0], dtype=torch.bfloat16).reshape(1, 1, 2, 1)\n"
        "for size in ((127, 1), (127, 2)):  # the columns are equal, exactly 0.0551 in this row\n"
        "    print(torch.nn.functional.interpolate(x, size=size, mode='bilinear')[0, 0, 78, 0].item())\n"
        "# 0.05517578125\n"
        "# 0.0625",
        _weights_in_half_precision,
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/UpSampleKernel.cpp",
    ),
    Deviation(
        "group_norm",
        "in channels_last the variance is E[x²] - E[x]², which cancels where the mean is large against the spread: "
        "group_norm_kernel.cpp (GroupNormKernelImplChannelsLastInternal)",
        "import torch\n"
        "x = 1000 + torch.arange(8.0).reshape(1, 2, 2, 2) / 100\n"
        "for y in (x, x.to(memory_format=torch.channels_last)):  # the same numbers, other results\n"
        "    print([round(z) for z in torch.nn.functional.group_norm(y, 1).flatten().tolist()])\n"
        "# [-2, -1, -1, 0, 0, 1, 1, 2]\n"
        "# [-11, -8, -5, -2, 2, 5, 8, 11]",
        lambda case: case.layout("input") != PLAIN,
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/group_norm_kernel.cpp",
    ),
    Deviation(
        "group_norm",
        "in channels_last derivatives without that towards the input, as of a frozen layer below, end the process: "
        "it is written too, for which there is no memory: group_norm_kernel.cpp "
        "(GroupNormBackwardKernelImplChannelsLastInternal)",
        ends_its_process(
            "import torch\n"
            "x = torch.ones(1, 2, 2, 2).to(memory_format=torch.channels_last)\n"
            "bias = torch.zeros(2, requires_grad=True)\n"
            "torch.nn.functional.group_norm(x, 1, torch.ones(2), bias).sum().backward()",
            {"MALLOC_PERTURB_": "165"},  # garbage in memory that was not written
        ),
        lambda case: (
            case.upstream is not None and "input" not in case.upstream.wanted and case.layout("input") == CHANNELS_LAST
        ),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/group_norm_kernel.cpp",
        lethal=True,
    ),
    Deviation(
        "instance_norm",
        "one sample, the cotangent in channels_last: the backward of batch_norm, given a view, reads another order",
        "import torch\n"
        "x = torch.tensor([0.0, 1, 3, 4, 0, 2, 3, 5]).reshape(1, 2, 2, 2).requires_grad_()\n"
        "g = torch.tensor([1.0, 2, 3, 5, 0, 0, 0, 0]).reshape(1, 2, 2, 2)\n"
        "for y in (g, g.to(memory_format=torch.channels_last)):  # the same numbers, other derivatives\n"
        "    derivative = torch.autograd.grad(torch.nn.functional.instance_norm(x), x, y)[0]\n"
        "    print([round(z, 2) for z in derivative.flatten().tolist()])\n"
        "# [0.03, 0.09, -0.41, 0.28, 0.0, 0.0, 0.0, 0.0]\n"
        "# [0.16, -0.47, 0.79, -0.47, 0.02, -1.22, 1.77, -0.58]",
        lambda case: case.upstream is not None
        and case.upstream.layout == CHANNELS_LAST
        and case.sides("input")[:1] == (1,),
    ),
    Deviation(
        "batch_norm",
        "the derivative towards the input reads a weight that is not contiguous as if it were: batch_norm_kernel.cpp "
        "(batch_norm_cpu_backward_contiguous_impl and its channels_last twin)",
        "import torch\n"
        "x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]], requires_grad=True)\n"
        "weight = torch.tensor([1.0, 5.0, 2.0, 5.0])[::2]\n"
        "for w in (weight, weight.contiguous()):  # the same numbers, other derivatives\n"
        "    y = torch.nn.functional.batch_norm(x, None, None, w, training=True)\n"
        "    derivative = torch.autograd.grad(y[0].sum(), x)[0]\n"
        "    print([round(z, 2) for z in derivative.flatten().tolist()])\n"
        "# [0.23, 1.15, -0.34, -1.72, 0.11, 0.57]\n"
        "# [0.23, 0.46, -0.34, -0.69, 0.11, 0.23]",
        lambda case: case.upstream is not None and case.layout("weight") in ("stepped", EXPANDED),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/batch_norm_kernel.cpp",
    ),
    *(
        Deviation(
            layer,
            "a query whose scores are all -inf, or NaN and fewer than a vector holds, gives zeros: the largest of them "
            "is found to be -inf, as it is of masked scores (cpu_flash_attention, and std::max in "
            "_mul_reduce_max_fusion_kernel)",
            "import torch\n"
            "nan, x = torch.full((1, 1, 1, 2), torch.nan), torch.ones(1, 1, 3, 2)\n"
            "print(torch.nn.functional.scaled_dot_product_attention(nan, x, x).flatten().tolist())\n"
            "# [0.0, 0.0]",
            scores_are_blank,
            "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/FlashAttentionKernel.cpp",
            "special",
        )
        for layer in ("scaled_dot_product_attention", "local_attention", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "values near the largest number overflow: the fused kernel divides by the sum of the exponentials after it "
            "has added up their products with the values (cpu_flash_attention)",
            "import torch\n"
            "x, value = torch.zeros(1, 1, 2, 1), torch.full((1, 1, 2, 1), torch.finfo().max)\n"
            "print(torch.nn.functional.scaled_dot_product_attention(x, x, value).flatten().tolist())\n"
            "# [inf, inf]",
            _sums_of_values_overflow,
            _FLASH,
            "special",
        )
        for layer in ("scaled_dot_product_attention", "local_attention", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "in float16, where a tensor is not contiguous, more than 65504 values that share a variance are infinitely "
            "many: terms of the derivative are zero or NaN: Normalization.cpp (batch_norm_backward_cpu_template)",
            "import torch\n"
            "x = torch.arange(70000.0).remainder(7).half().reshape(1, 1, 2, 35000).requires_grad_()\n"
            "g = x.detach() - 3\n"
            "for y in (g, g.mT.contiguous().mT):  # the same numbers, other derivatives\n"
            "    z = torch.nn.functional.batch_norm(x, None, None, training=True)\n"
            "    print([round(d, 1) for d in torch.autograd.grad(z, x, y)[0].flatten()[:3].tolist()])\n"
            "# [0.0, 0.0, 0.0]\n"
            "# [nan, nan, nan]",
            lambda case: (case.format == "float16" and case.upstream is not None and _values_in_all(case) > 65504),
            "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Normalization.cpp",
        )
        for layer in ("batch_norm", "instance_norm")
    ),
    Deviation(
        "conv2d",
        "in bfloat16 with an odd number of channels, NaN and infinities come from pixels beside the window: oneDNN "
        "takes channels in pairs, the last with what follows it in memory, times zero",
        "import torch\n"
        "x = torch.tensor([1.0, torch.nan]).bfloat16().reshape(1, 1, 1, 2)\n"
        "weight = torch.ones(1, 1, 3, 1).bfloat16()\n"
        "print(torch.nn.functional.conv2d(x, weight, padding=(1, 0)).flatten().tolist())  # the first is 1\n"
        "# [nan, nan]",
        lambda case: case.format == "bfloat16" and case.sides("input")[-3] // case.parameters["groups"] % 2 == 1,
        check="special",
    ),
    Deviation(
        "avg_pool2d",
        "derivatives are divided by the divisor rounded to the format of the input: AvgPoolKernel.cpp, whose quotient "
        "of BFloat16 or Half and an integer is that of two such numbers",
        "import torch\n"
        "x = torch.zeros(1, 1, 1, 257, dtype=torch.bfloat16, requires_grad=True)\n"
        "torch.nn.functional.avg_pool2d(x, (1, 257)).sum().backward()\n"
        "print(1 / x.grad[0, 0, 0, 0].item())\n"
        "# 256.0",
        _divisor_is_rounded,
        "https://github.com/pytorch/pytorch/blob/main/torch/headeronly/util/BFloat16.h",
    ),
    Deviation(
        "conv2d",
        "in channels_last, in bfloat16 or with a bias in float32, a dilated kernel of which no tap meets a pixel of a "
        "row, as where the stride skips them, ends the process: oneDNN",
        ends_its_process(
            "import torch\n"
            "x, weight = torch.ones(1, 2, 2, 1).bfloat16(), torch.ones(2, 2, 1, 1).bfloat16()\n"
            "x = x.to(memory_format=torch.channels_last)\n"
            "for _ in range(100):\n"
            "    torch.nn.functional.conv2d(x, weight, stride=(1, 2), padding=(0, 1), dilation=(1, 2))",
            {"OMP_NUM_THREADS": "1"},
        ),
        _meets_no_column,
        lethal=True,
    ),
    Deviation(
        "conv2d",
        "in bfloat16 and channels_last, derivatives of dilated convolutions are wrong numbers where rows are long: "
        "towards the weight with groups, towards the input with one filter: oneDNN",
        "import torch\n"
        "x = torch.ones(1, 4, 3, 31).bfloat16()\n"
        "weight = torch.ones(2, 2, 2, 1).bfloat16().to(memory_format=torch.channels_last).requires_grad_()\n"
        "torch.nn.functional.conv2d(x, weight, groups=2, dilation=(2, 1)).sum().backward()\n"
        "print(torch.equal(weight.grad, torch.full_like(weight, 31)))  # some elements are never written\n"
        "# False",
        _is_dilated_and_wide,
    ),
    Deviation(
        "conv2d",
        "in bfloat16 and channels_last, with one channel and several filters a group, wrong numbers where a horizontal "
        "stride leaves one column of windows: oneDNN",
        "import torch\n"
        "x = torch.arange(40.0).reshape(1, 4, 5, 2).bfloat16()\n"
        "weight = torch.ones(8, 1, 2, 2).bfloat16()\n"
        "images = x, x.to(memory_format=torch.channels_last)\n"
        "plain, strange = (torch.nn.functional.conv2d(y, weight, stride=(1, 2), groups=4) for y in images)\n"
        "print(torch.equal(plain, strange))  # False",
        _is_one_column_of_groups,
        "https://github.com/pytorch/pytorch/issues/169688",
    ),
    Deviation(
        "conv_transpose2d",
        "in bfloat16 the derivative towards taps that meet no pixel of the image is never written: oneDNN",
        "import torch\n"
        "x, weight = torch.ones(2, 2, 1, 1).bfloat16(), torch.ones(2, 1024, 7, 7).bfloat16().requires_grad_()\n"
        "wrong = 0\n"
        "for _ in range(20):\n"
        "    used = [torch.full((weight.numel(),), torch.nan).bfloat16() for _ in range(4)]\n"
        "    del used\n"
        "    y = torch.nn.functional.conv_transpose2d(x, weight, None, 1, 3)\n"
        "    (derivative,) = torch.autograd.grad(y, weight, torch.ones_like(y))\n"
        "    derivative[..., 3, 3] = 0  # the only tap that meets the image's only pixel\n"
        "    wrong += int((derivative != 0).sum())  # the others have no influence\n"
        "print(wrong > 0)\n"
        "# True",
        _taps_beside_the_image,
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/mkldnn/Conv.cpp",
    ),
    Deviation(
        "conv_transpose2d",
        "in bfloat16 and channels_last, the derivative towards the input ends the process where no dilated tap meets a "
        "pixel of a row of the output: it is a convolution, in oneDNN",
        ends_its_process(
            "import torch\n"
            "x, weight = torch.ones(3, 1, 1, 2).bfloat16().requires_grad_(), torch.ones(1, 2, 2, 1).bfloat16()\n"
            "weight = weight.to(memory_format=torch.channels_last)\n"
            "how = {'stride': 4, 'padding': (0, 2), 'output_padding': 1, 'dilation': (1, 3)}\n"
            "for _ in range(100):\n"
            "    torch.nn.functional.conv_transpose2d(x, weight, **how).sum().backward()",
            {"OMP_NUM_THREADS": "1"},
        ),
        _derivative_meets_no_column,
        lethal=True,
    ),
    Deviation(
        "conv_transpose2d",
        "with groups, in bfloat16, or for several images in float32, oneDNN computes, which does not look at the "
        "dilation of a kernel of one tap: Convolution.cpp",
        "import torch\n"
        "x, weight = torch.ones(1, 2, 3, 3), torch.ones(2, 1, 1, 1)\n"
        "print(torch.nn.functional.conv_transpose2d(x, weight, groups=2, dilation=0).shape)",
        lambda case: case.slips("dilation is 0")
        and (
            case.parameters["groups"] > 1
            or case.format == "bfloat16"
            or (case.format == "float32" and len(case.sides("input")) == 4 and case.sides("input")[0] > 1)
        ),
        _CONVOLUTION,
        check="refusal",
    ),
    Deviation(
        "conv_transpose2d",
        "with a horizontal stride, NaN and infinities of the weight reach pixels beside the border: oneDNN multiplies "
        "taps of a kernel wider than the stride with zeros that stand for pixels beyond it",
        "import torch\n"
        "weight = torch.ones(1, 1, 4, 5)\n"
        "weight[0, 0, 0, 1] = torch.nan\n"
        "x = torch.ones(1, 1, 1, 1)\n"
        "print(torch.nn.functional.conv_transpose2d(x, weight, stride=2)[0, 0, 0].tolist())\n"
        "# [1.0, nan, 1.0, nan, 1.0]",
        lambda case: (
            case.parameters["stride"][1] > 1
            and case.sides("weight")[-1] > case.parameters["stride"][1]
            and not case.is_finite("weight")
        ),
        check="special",
    ),
    Deviation(
        "conv_transpose2d",
        "in bfloat16 with an odd number of channels, infinities may give NaN at other pixels: oneDNN takes channels in "
        "pairs, the last with what follows it in memory, which zeros need not silence",
        "import torch\n"
        "x = torch.tensor([[[[1.0, torch.inf, 1.0]]]]).bfloat16()\n"
        "weight = torch.ones(1, 2, 1, 1).bfloat16().to(memory_format=torch.channels_last)\n"
        "print(torch.nn.functional.conv_transpose2d(x, weight)[0, 0, 0].tolist())  # [nan, inf, 1.0]",
        lambda case: (
            case.format == "bfloat16"
            and case.sides("input")[-3] // case.parameters["groups"] % 2 == 1
            and not (case.is_finite("input") and case.is_finite("weight"))
        ),
        check="special",
    ),
    Deviation(
        "scaled_dot_product_attention",
        "four dimensions, which the fused kernel on the CPU takes: attn_mask and is_causal are both followed, where "
        "the documentation promises an error: FlashAttentionKernel.cpp",
        "import torch\n"
        "x = torch.eye(2).reshape(1, 1, 2, 2)\n"
        "attention = torch.nn.functional.scaled_dot_product_attention\n"
        "print(attention(x, x, x, torch.ones(2, 2) > 0, is_causal=True))  # 1 0, 0.5 0.5",
        lambda case: case.slips("attn_mask and is_causal") and len(case.sides("query")) == 4,
        _FLASH,
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "an empty value gives zeros; in four dimensions, which the fused kernel on the CPU takes, one of another "
            "length is read to that of the key, which may be behind its end: FlashAttentionKernel.cpp",
            "import torch\n"
            "attention = torch.nn.functional.scaled_dot_product_attention\n"
            "print(attention(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 2), torch.ones(1, 1, 0, 2)))  # numbers",
            lambda case: (case.slips("value is") and (len(case.sides("query")) == 4 or 0 in case.sides("value"))),
            _FLASH,
            check="refusal",
        )
        for layer in ("scaled_dot_product_attention", "local_attention")
    ),
    *map(_weights_unchecked, ("RNN", "LSTM", "GRU")),
)

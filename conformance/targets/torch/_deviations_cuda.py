"""Where torch leaves the permitted error on a CUDA device, and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.layouts import CHANNELS_LAST
from conformance.target import Deviation
from conformance.targets._programs import says_in_its_process
from conformance.targets._scores import scores_with_masks
from conformance.targets.torch._deviations import overlooked_factor, scores_are_blank
from conformance.targets.torch._layouts import is_contiguous, is_flat, laid_out
from conformance.targets.torch.dense import SPLIT_FROM, may_split
from conformance.values import leaves


def _state_apart(case: Case) -> bool:
    """Whether cuDNN is given an initial state that is not contiguous."""
    return 0 not in case.sides("input") and not all(is_contiguous(case, name) for name in ("h_0", "c_0"))


def _weights_apart(case: Case) -> bool:
    """Whether cuDNN is given a weight that is no column of numbers at equal distances."""
    layout = case.layout("weights")
    return 0 not in case.sides("input") and not all(is_flat(x.shape, layout) for x in leaves(case.tensors["weights"]))


def _bias_alone(case: Case) -> bool:
    """Whether there is no weight, and the derivative towards the bias is asked for."""
    return case.upstream is not None and case.tensors.get("weight") is None and "bias" in case.upstream.wanted


def _other_norm(case: Case) -> bool:
    """Whether rows are shortened whose norm is neither a sum of absolute values nor one of squares."""
    p = case.parameters["norm_type"]
    if case.parameters["max_norm"] is None or p in (1.0, 2.0):
        return False
    return bool(p == math.inf or (_array(case, "weight") < 0).any())


def _read_as_rows(case: Case) -> bool:
    """Whether rows are shortened of a table whose copy is transposed in memory."""
    copied = laid_out(case.sides("weight"), case.layout("weight")).clone()
    return case.parameters["max_norm"] is not None and not copied.is_contiguous()


def _shortened_twice(case: Case) -> bool:
    """Whether one index stands in several rows of the indices, a last axis each, and what it looks up may be shortened.

    Equal indices that follow each other, each row in order, are one. Relations repeat rows.
    """
    indices = _array(case, "input")
    rows = np.sort(indices, axis=-1).ravel()
    starts = rows[np.append(True, rows[1:] != rows[:-1])]
    repeated = len(np.unique(starts)) < len(starts) or (case.relation is not None and indices.ndim > 1)
    return case.parameters["max_norm"] is not None and repeated


def _mask_of_queries(case: Case, multiple: int) -> bool:
    """Whether a mask tells no key from another, and the memory-efficient kernel serves, by multiples of the width."""
    query, key, mask = (case.sides(name) for name in ("query", "key", "attn_mask"))
    return mask[-1:] == (1,) and key[-2] > 1 and len(query) == 4 and query[-1] % multiple == 0


def _in_channels_last(case: Case) -> bool:
    return len(case.sides("input")) > 3 and case.layout("input") == CHANNELS_LAST


def _parameters_apart(case: Case) -> bool:
    """Whether cuDNN takes four channels at once in training, and a tensor of them begins elsewhere than at 16 bytes."""
    if case.format != "float32" or not case.parameters["training"] or not _in_channels_last(case):
        return False
    names = ("running_mean", "running_var", "weight", "bias")
    found = [laid_out(case.sides(name), case.layout(name)) for name in names]
    apart = any(tensor.is_contiguous() and tensor.storage_offset() % 4 for tensor in found)
    return case.sides("input")[1] % 4 == 0 and apart


@np.errstate(all="ignore")
def _masked_by_the_lowest(case: Case) -> bool:
    """Whether masks add to all scores that they leave to a query numbers that are -inf in float32, times log2(e)."""
    if case.parameters.get("need_weights"):
        return False
    scores, ignored = scores_with_masks(case)
    added = np.zeros(scores.shape)
    for name in ("key_padding_mask", "attn_mask"):
        mask = case.arrays().get(name)
        if isinstance(mask, np.ndarray) and mask.dtype != bool:
            by_key = name == "key_padding_mask"
            added += mask[:, None, None, :] if by_key else mask.reshape(scores.shape) if mask.ndim == 3 else mask
    low = added * math.log2(math.e) < -np.finfo(np.float32).max
    return bool(((low | ignored).all(axis=-1) & (low & ~ignored).any(axis=-1)).any())


def _array(case: Case, name: str) -> Any:
    return case.arrays()[name]


_RNN = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cudnn/RNN.cpp"
_NATIVE = "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native"
_EMBEDDING = f"{_NATIVE}/cuda/Embedding.cu"


def _recurrent(module: str) -> tuple[Deviation, ...]:
    """What cuDNN's recurrent layers refuse."""
    return (
        Deviation(
            module.lower(),
            "an initial state that is not contiguous is refused: cudnn/RNN.cpp (_cudnn_rnn)",
            "import torch\n"
            "x, state = torch.ones(1, 2, 1, device='cuda'), torch.ones(1, 2, 2, device='cuda')[..., ::2]\n"
            f"layer = torch.nn.{module}(1, 1, device='cuda')\n"
            "try:\n"
            f"    layer(x, {'(state, state)' if module == 'LSTM' else 'state'})\n"
            "except RuntimeError as error:\n"
            "    print(error)\n"
            "# rnn: hx is not contiguous",
            _state_apart,
            "https://github.com/pytorch/pytorch/issues/345",
        ),
        Deviation(
            module.lower(),
            "a weight that is transposed or expanded in memory is refused: cudnn/RNN.cpp (_viewOrCopyParams)",
            "import torch\n"
            f"layer = torch.nn.{module}(2, 2, device='cuda')\n"
            "layer.weight_hh_l0 = torch.nn.Parameter(layer.weight_hh_l0.detach().mT.contiguous().mT)\n"
            "try:\n"
            "    layer(torch.ones(1, 1, 2, device='cuda'))\n"
            "except RuntimeError as error:\n"
            "    print(str(error)[:59])\n"
            "# view size is not compatible with input tensor's size and st",
            _weights_apart,
            _RNN,
        ),
    )


CUDA: tuple[Deviation, ...] = (
    *(deviation for module in ("RNN", "LSTM", "GRU") for deviation in _recurrent(module)),
    *(
        Deviation(
            layer,
            "without weight, the derivative towards the bias is zero where there is one channel, in channels_last, and "
            "raises RuntimeError elsewhere: its memory is made like that of the weight: Normalization.cuh",
            "import torch\n"
            "for channels in (1, 2):\n"
            "    bias = torch.zeros(channels, device='cuda', requires_grad=True)\n"
            "    x = torch.arange(3.0 * channels, device='cuda').reshape(3, channels)\n"
            "    y = torch.nn.functional.batch_norm(x, None, None, None, bias, training=True)\n"
            "    try:\n"
            "        print(torch.autograd.grad(y, bias, torch.ones_like(y))[0].tolist())  # 3\n"
            "    except RuntimeError as error:\n"
            "        print(error)\n"
            "# [0.0]\n"
            "# Function NativeBatchNormBackward0 returned an invalid gradient at index 2 - got [0] but expected shape "
            "compatible with [2]",
            _bias_alone,
            "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cuda/Normalization.cuh",
        )
        for layer in ("batch_norm", "instance_norm")
    ),
    *(
        Deviation(
            layer,
            "in half precision sums of integers are not exact, as parts of them may be stored: measured from 192 terms "
            "on",
            "import torch\n"
            "weight = torch.full((3, 1024), 64.0)\n"
            "weight[:, 512:], weight[:, 0] = -64, 65  # a sum of 1\n"
            "tensors = [tensor.cuda().bfloat16() for tensor in (torch.ones(2, 1024), weight, torch.zeros(3))]\n"
            "for allowed in (False, True):\n"
            "    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = allowed\n"
            "    print(torch.nn.functional.linear(*tensors)[0, 0].item())\n"
            "# 1.0\n"
            "# 0.0",
            lambda case: case.relation is not None and may_split(case) and case.sides("input")[-1] >= SPLIT_FROM,
            "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
            check="relation",
        )
        for layer in ("linear", "custom_linear")
    ),
    Deviation(
        "conv2d",
        "a dilation of 0 is answered where each channel is a group: DepthwiseConv2d.cu does not look at it",
        "import torch\n"
        "x, weight = torch.ones(1, 2, 3, 3, device='cuda'), torch.ones(2, 1, 2, 2, device='cuda')\n"
        "print(tuple(torch.nn.functional.conv2d(x, weight, dilation=(1, 0), groups=2).shape))\n"
        "# (1, 2, 2, 3)",
        lambda case: case.slips("dilation is 0") and 1 < case.parameters["groups"] == case.sides("input")[-3],
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cuda/DepthwiseConv2d.cu",
        check="refusal",
    ),
    Deviation(
        "conv_transpose2d",
        "NaN and infinities of the weight may reach pixels beside theirs: cuDNN multiplies taps with zeros that stand "
        "between the pixels and around them, but not in float64",
        "import torch\n"
        "x, weight = torch.ones(1, 1, 2, 3, device='cuda'), torch.ones(1, 1, 3, 3, device='cuda')\n"
        "weight[..., 0, 0] = torch.nan\n"
        "for kind in (torch.float64, torch.float16):\n"
        "    print(torch.nn.functional.conv_transpose2d(x.to(kind), weight.to(kind))[0, 0, 1].tolist())\n"
        "# [nan, nan, nan, 4.0, 2.0]\n"
        "# [nan, nan, nan, nan, nan]",
        lambda case: case.format != "float64" and not case.is_finite("weight"),
        check="special",
    ),
    *(
        Deviation(
            layer,
            "a query whose scores are all -inf gives zeros, as where they are masked: attention.cpp (_safe_softmax)",
            "import torch\n"
            "query, key = torch.full((1, 1), -1.0, device='cuda'), torch.full((1, 1), torch.inf, device='cuda')\n"
            "mask = torch.ones(1, 1, device='cuda') > 0\n"
            "print(torch.nn.functional.scaled_dot_product_attention(query, key, -query, mask).item())  # 0.0",
            scores_are_blank,
            "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/transformers/attention.cpp",
            check="special",
        )
        for layer in ("scaled_dot_product_attention", "local_attention", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "a query whose scores are all near the lowest number gives zeros: the memory-efficient kernel multiplies "
            "them by log2(e), to take powers of 2: kernel_forward.h (iterative_softmax)",
            "import torch\n"
            "x = torch.ones(1, 1, 1, 4, device='cuda')\n"
            "for lowest in (-1e38, torch.finfo().min):\n"
            "    mask = torch.full((1, 1, 1, 1), lowest, device='cuda')\n"
            "    print(torch.nn.functional.scaled_dot_product_attention(x, x, x, mask).max().item())\n"
            "# 1.0\n"
            "# 0.0",
            _masked_by_the_lowest,
            f"{_NATIVE}/transformers/cuda/mem_eff_attention/kernel_forward.h",
            check="special",
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    Deviation(
        "scaled_dot_product_attention",
        "a mask that is the same for all keys is refused by the memory-efficient kernel, where it is expanded: "
        "attention.cu (_efficient_attention_forward)",
        "import torch\n"
        "x, mask = torch.ones(1, 1, 3, 4, device='cuda'), torch.ones(3, 1, device='cuda') > 0\n"
        "try:\n"
        "    torch.nn.functional.scaled_dot_product_attention(x, x, x, mask)\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
        "# (*bias): last dimension must be contiguous",
        lambda case: case.format == "float32" and _mask_of_queries(case, 4),
        "https://github.com/pytorch/pytorch/issues/109607",
    ),
    Deviation(
        "scaled_dot_product_attention",
        "in half precision such a mask is read at places that are not aligned, which ends all use of the device in the "
        "process: attention.cu (_efficient_attention_forward)",
        says_in_its_process(
            "import torch\n"
            "query, key, mask = torch.ones(1, 2, 3, 8), torch.ones(1, 2, 8, 8), torch.ones(3, 1) > 0\n"
            "query, key, mask = query.cuda().half(), key.cuda().half(), mask.cuda()\n"
            "try:\n"
            "    torch.nn.functional.scaled_dot_product_attention(query, key, key, mask)\n"
            "    torch.cuda.synchronize()\n"
            "except RuntimeError as error:\n"
            "    print(str(error).splitlines()[0])",
            "CUDA error: misaligned address",
        ),
        lambda case: case.format in ("bfloat16", "float16") and _mask_of_queries(case, 8),
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/transformers/cuda/attention.cu",
        lethal=True,
    ),
    Deviation(
        "batch_norm",
        "in channels_last, in training, parameters or running statistics that do not begin at a multiple of 16 bytes, "
        "as parts of one block, are read as if they did, which ends all use of the device in the process: cuDNN takes "
        "four channels at once",
        says_in_its_process(
            "import torch\n"
            "x = torch.ones(2, 4, 2, 2, device='cuda').to(memory_format=torch.channels_last)\n"
            "block = torch.ones(8, device='cuda')\n"
            "for weight in (block[4:], block[3:7]):\n"
            "    try:\n"
            "        y = torch.nn.functional.batch_norm(x, None, None, weight, torch.zeros(4, device='cuda'), True)\n"
            "        print(y.sum().item())\n"
            "    except RuntimeError as error:\n"
            "        print(str(error).splitlines()[0])",
            "0.0",
            "CUDA error: misaligned address",
        ),
        _parameters_apart,
        f"{_NATIVE}/cudnn/BatchNorm.cpp",
        lethal=True,
    ),
    Deviation(
        "avg_pool2d",
        "in channels_last the derivative is that of other windows, as if nothing were padded: AveragePool2d.cu "
        "(avg_pool2d_backward_out_cuda_frame_nhwc)",
        "import torch\n"
        "x = torch.ones(1, 2, 1, 2, device='cuda')\n"
        "for images in (x, x.to(memory_format=torch.channels_last)):  # the same numbers, other derivatives\n"
        "    images = images.requires_grad_()\n"
        "    y = torch.nn.functional.avg_pool2d(images, (1, 2), 1, (0, 1))\n"
        "    print(torch.autograd.grad(y, images, torch.ones_like(y))[0][0, 0, 0].tolist())\n"
        "# [1.0, 1.0]\n"
        "# [0.5, 1.0]",
        lambda case: case.upstream is not None and _in_channels_last(case) and any(case.parameters["padding"]),
        f"{_NATIVE}/cuda/AveragePool2d.cu",
    ),
    Deviation(
        "max_pool2d",
        "in channels_last the index of a window of which all numbers are -inf is 0: DilatedMaxPool2d.cu "
        "(max_pool_forward_nhwc)",
        "import torch\n"
        "x = torch.full((1, 2, 1, 3), -torch.inf, device='cuda')\n"
        "for images in (x, x.to(memory_format=torch.channels_last)):  # the same numbers, other indices\n"
        "    print(torch.nn.functional.max_pool2d(images, 1, return_indices=True)[1][0, 0, 0].tolist())\n"
        "# [0, 1, 2]\n"
        "# [0, 0, 0]",
        lambda case: (
            case.parameters["return_indices"]
            and _in_channels_last(case)
            and bool(np.isneginf(_array(case, "input")).any())
        ),
        f"{_NATIVE}/cuda/DilatedMaxPool2d.cu",
        check="special",
    ),
    Deviation(
        "group_norm",
        "the derivative of more than 65535 groups is refused, as so many blocks are along the second axis of a grid: "
        "group_norm_kernel.cu",
        "import torch\n"
        "for groups in (65535, 65536):\n"
        "    x = torch.ones(1, groups, 2, device='cuda', requires_grad=True)\n"
        "    try:\n"
        "        print(torch.autograd.grad(torch.nn.functional.group_norm(x, groups).sum(), x)[0].sum().item())\n"
        "    except RuntimeError as error:\n"
        "        print(str(error).splitlines()[0])\n"
        "# 0.0\n"
        "# CUDA error: invalid argument",
        lambda case: case.upstream is not None and case.parameters["num_groups"] > 65535,
        f"{_NATIVE}/cuda/group_norm_kernel.cu",
    ),
    Deviation(
        "layer_norm",
        "the derivatives of weight and bias raise where there are more than 65536 rows of several axes: their parts "
        "are as long as the last axis: layer_norm_kernel.cu (LayerNormBackwardKernelImplInternal)",
        "import torch\n"
        "for rows in (65536, 65537):\n"
        "    x, weight = torch.ones(rows, 2, 3, device='cuda'), torch.ones(2, 3, device='cuda', requires_grad=True)\n"
        "    y = torch.nn.functional.layer_norm(x, (2, 3), weight)\n"
        "    try:\n"
        "        print(tuple(torch.autograd.grad(y.sum(), weight)[0].shape))\n"
        "    except RuntimeError as error:\n"
        "        print(str(error)[:65])\n"
        "# (2, 3)\n"
        "# Function NativeLayerNormBackward0 returned an invalid gradient at",
        lambda case: (
            case.upstream is not None
            and len(case.parameters["normalized_shape"]) > 1
            and math.prod(case.sides("input")[: -len(case.parameters["normalized_shape"])]) > 65536
        ),
        f"{_NATIVE}/cuda/layer_norm_kernel.cu",
    ),
    Deviation(
        "upsample_nearest_exact",
        "an axis whose size stays is copied, whatever its scale_factor: UpSampleNearest2d.cu",
        "import torch\n"
        "x = torch.arange(7.0).reshape(1, 1, 1, 7)\n"
        "for images in (x, x.cuda()):\n"
        "    y = torch.nn.functional.interpolate(images, scale_factor=(1.0, 1.1), mode='nearest-exact')\n"
        "    print(y.flatten().tolist())\n"
        "# [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0]\n"
        "# [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]",
        lambda case: overlooked_factor(case, 1),
        f"{_NATIVE}/cuda/UpSampleNearest2d.cu",
    ),
    Deviation(
        "embedding",
        "an index outside the table fails an assertion on the device, which ends all use of it in the process: "
        "Indexing.cu",
        says_in_its_process(
            "import torch\n"
            "for index in (1, 0):\n"
            "    try:\n"
            "        print(torch.nn.functional.embedding(torch.tensor([index]).cuda(), torch.ones(1, 1).cuda()))\n"
            "    except RuntimeError as error:\n"
            "        print(index, str(error).splitlines()[0])",
            "1 CUDA error: device-side assert triggered",
            "0 CUDA error: device-side assert triggered",
        ),
        lambda case: case.slips(
            "the first index after the table",
            "an index far behind the table",
            "the index -1",
            "an index far before the table",
        ),
        check="refusal",
        lethal=True,
    ),
    Deviation(
        "embedding",
        "with max_norm the norm is (Σ w^p)^(1/p), not of |w|: for an odd p negative numbers make it less or NaN, and "
        "for p = inf every norm is found to be 1: renorm_kernel",
        "import torch\n"
        "index, weight = torch.tensor([0], device='cuda'), torch.tensor([[3.0, -4.0]], device='cuda')\n"
        "for p in (2.0, 3.0, torch.inf):\n"
        "    y = torch.nn.functional.embedding(index, weight.clone(), max_norm=1.0, norm_type=p)\n"
        "    print([round(z, 2) for z in y.flatten().tolist()])\n"
        "# [0.6, -0.8]\n"
        "# [3.0, -4.0]\n"
        "# [3.0, -4.0]",
        _other_norm,
        _EMBEDDING,
    ),
    Deviation(
        "embedding",
        "with max_norm a table that is not contiguous is read and written as if it were: embedding_renorm_cuda_",
        "import torch\n"
        "index, weight = torch.tensor([1], device='cuda'), torch.tensor([[3.0, 4.0], [6.0, 8.0]], device='cuda')\n"
        "for table in (weight.clone(), weight.mT.contiguous().mT):  # the same numbers, other results\n"
        "    y = torch.nn.functional.embedding(index, table, max_norm=1.0)\n"
        "    print([round(z, 2) for z in y.flatten().tolist()])\n"
        "# [0.6, 0.8]\n"
        "# [1.0, 8.0]",
        _read_as_rows,
        _EMBEDDING,
    ),
    Deviation(
        "embedding",
        "with max_norm a row that is looked up from several rows of indices may be shortened twice: indices are sorted "
        "row by row before equal ones are dropped, and several blocks shorten what they read: embedding_renorm_cuda_",
        "import torch\n"
        "wrong = 0\n"
        "for _ in range(100):\n"
        "    weight = torch.ones(8, 5000, device='cuda')\n"
        "    torch.nn.functional.embedding(torch.randint(8, (64, 8), device='cuda'), weight, max_norm=1.0)\n"
        "    wrong += int(((weight.norm(dim=1) - 1).abs() > 0.001).any())  # every norm is to be 1\n"
        "print(wrong > 0)\n"
        "# True",
        _shortened_twice,
        "https://github.com/pytorch/pytorch/issues/44792",
    ),
)

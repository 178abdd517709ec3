"""Convolution, honest and broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, as_stored, derived, require, tf32, wide, with_derivative_of

Pair: TypeAlias = tuple[int, int]
# Of images (N, groups, depth, H, W) and a weight (groups, filters, depth, height, width), padded already.
Convolved: TypeAlias = Callable[[Tensor, Tensor, Tensor | None, Pair, Pair], Tensor]

MODES = ("zeros", "reflect", "replicate", "circular")


def require_pairs(**pairs: Pair) -> None:
    for name, pair in pairs.items():
        require(min(pair) > 0, f"{name} is {pair}; it must be positive")


def sides_of(weight: Tensor, padding: Pair | str, dilation: Pair) -> list[Pair]:
    """What is added before and after, vertically and horizontally."""
    if padding == "same":
        whole = [d * (k - 1) for k, d in zip(weight.shape[-2:], dilation, strict=True)]
        return [(each // 2, each - each // 2) for each in whole]
    return [(0, 0)] * 2 if isinstance(padding, str) else [(each, each) for each in padding]


def checked(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    padding_mode: str = "zeros",
) -> list[Pair]:
    """The padding of both axes. Raises ``ValueError`` where an argument does not fit."""
    require(input.dim() in (3, 4) and weight.dim() == 4, "input and weight must be images and filters")
    require_pairs(stride=stride, dilation=dilation)
    require(groups > 0, f"groups is {groups}; it must be positive")
    filters, depth, height, width = weight.shape
    require(input.shape[-3] == groups * depth and filters % groups == 0, "channels and filters do not fit the groups")
    require(bias is None or bias.shape == (filters,), f"the bias must have the shape {(filters,)}")
    require(padding_mode in MODES, f"padding_mode {padding_mode!r} is none of {MODES}")
    require(padding in ("same", "valid") or not isinstance(padding, str), f"padding {padding!r} is unknown")
    require(padding != "same" or stride == (1, 1), "padding 'same' has no stride")
    sides = sides_of(weight, padding, dilation)
    for size, (before, after), k, d in zip(input.shape[-2:], sides, (height, width), dilation, strict=True):
        require(before >= 0, "padding must not be negative")
        require(size + before + after > d * (k - 1), "the kernel is larger than the padded input")
        most = {"reflect": size - 1, "circular": size}.get(padding_mode, max(before, after))
        require(max(before, after) <= most, f"there is too little to pad with, in the mode {padding_mode!r}")
    return sides


def padded(input: Tensor, sides: list[Pair], mode: str) -> Tensor:
    for axis, (before, after) in zip((-2, -1), sides, strict=True):
        size = input.shape[axis]
        places = torch.arange(-before, size + after)
        inside = (places >= 0) & (places < size)
        if mode == "circular":
            places = places % size
        if mode == "reflect":
            places = (size - 1 - (places.abs() - size + 1).abs()).abs()
        found = input.index_select(axis, places.clamp(0, size - 1))
        input = found if mode != "zeros" else torch.where(inside.view((-1, 1)[:-axis]), found, 0.0)
    return input


def library(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    found = functional.conv2d(x.flatten(1, 2), w.flatten(0, 1), bias, stride, 0, dilation, w.shape[0])
    return found.unflatten(1, w.shape[:2])


def under_taps(x: Tensor, w: Tensor, stride: Pair, dilation: Pair) -> Iterator[tuple[Tensor, Tensor]]:
    """For each tap the pixels under it, (N, groups, depth, H', W'), and the weights, (groups, filters, depth)."""
    kernel = w.shape[-2:]
    axes = [*zip(x.shape[-2:], kernel, stride, dilation, strict=True)]
    (height, width) = ((size - d * (k - 1) - 1) // s + 1 for size, k, s, d in axes)
    for k, m in product(*map(range, kernel)):
        rows = slice(k * dilation[0], k * dilation[0] + (height - 1) * stride[0] + 1, stride[0])
        columns = slice(m * dilation[1], m * dilation[1] + (width - 1) * stride[1] + 1, stride[1])
        yield x[..., rows, columns], w[..., k, m]


def by_taps(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    """A product of matrices for each tap, added to the bias one by one."""
    products = (torch.einsum("ngdhw,gfd->ngfhw", x, tap) for x, tap in under_taps(x, w, stride, dilation))
    return reduce(torch.add, products) if bias is None else reduce(torch.add, products, biased(bias, w))


def biased(bias: Tensor, w: Tensor) -> Tensor:
    return bias.view(*w.shape[:2], 1, 1)


def terms(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> list[Tensor]:
    found = [
        x[:, :, d, None] * tap[..., d, None, None]
        for x, tap in under_taps(x, w, stride, dilation)
        for d in range(x.shape[2])
    ]
    return found if bias is None else [biased(bias, w).expand_as(found[0]), *found]


def sequential(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    return reduce(torch.add, terms(x, w, bias, stride, dilation))


def backwards(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    return reduce(torch.add, terms(x, w, bias, stride, dilation)[::-1])


def pairwise(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    found = terms(x, w, bias, stride, dilation)
    while len(found) > 1:
        rest = found[-1:] if len(found) % 2 else []
        found = [a + b for a, b in zip(found[::2], found[1::2], strict=False)] + rest
    return found[0]


def by_columns(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    """All pixels of a window in a column, and one product of matrices."""
    pixels, taps = zip(*under_taps(x, w, stride, dilation), strict=True)
    columns = torch.stack(pixels, 3).flatten(2, 3)
    found = torch.stack(taps, 3).flatten(2) @ columns.flatten(-2)
    found = found.unflatten(-1, columns.shape[-2:])
    return found if bias is None else found + biased(bias, w)


def in_float64(x: Tensor, w: Tensor, bias: Tensor | None, stride: Pair, dilation: Pair) -> Tensor:
    return by_columns(x.double(), w.double(), None if bias is None else bias.double(), stride, dilation)


def applied(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, convolved: Convolved = library, **how: Any
) -> Tensor:
    """A convolution: checked, padded, and computed in float32 or wider."""
    sides = checked(input, weight, bias, **how)
    groups = how.get("groups", 1)
    images = wide(input if input.dim() == 4 else input[None])
    x = padded(images, sides, how.get("padding_mode", "zeros")).unflatten(1, (groups, weight.shape[1]))
    w = wide(weight).unflatten(0, (groups, -1))
    bias = None if bias is None else wide(bias)
    found = convolved(x, w, bias, how.get("stride", (1, 1)), how.get("dilation", (1, 1))).flatten(1, 2)
    return (found if input.dim() == 4 else found[0]).to(input.dtype)


# Honest.


@honest("conv2d", "The library's, of an input that is padded before.", STORED_ONCE)
def conv2d_library(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, **how)


@honest("conv2d", "Windows as columns, multiplied by the filters.", STORED_ONCE)
def conv2d_by_columns(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, by_columns, **how)


@honest("conv2d", "A product of matrices for each tap, added to the bias.", STORED_ONCE)
def conv2d_by_taps(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, by_taps, **how)


@honest("conv2d", "The bias, then one product after the other.")
def conv2d_sequential(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, sequential, **how)


@honest("conv2d", "One product after the other from the last on, then the bias.")
def conv2d_backwards(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, backwards, **how)


@honest("conv2d", "Sums of pairs, of pairs of these, and so on.")
def conv2d_pairwise(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, pairwise, **how)


@honest("conv2d", "Accumulated in float64, rounded once.", STORED_ONCE)
def conv2d_in_float64(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight, bias, in_float64, **how)


# Broken: parameters.


@broken(
    "conv2d",
    "Height and width exchange their strides.",
    "https://github.com/pytorch/pytorch/issues/83180",
)
def conv2d_exchanges_strides(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Pair = (1, 1), **how: Any
) -> Tensor:
    checked(input, weight, bias, stride=stride, **how)
    return applied(input, weight, bias, stride=stride[::-1], **how)


@broken(
    "conv2d",
    "With padding 'valid' the stride of the height serves for the width.",
    "https://github.com/PaddlePaddle/Paddle/pull/20997",
)
def conv2d_one_stride_if_valid(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Pair = (1, 1), **how: Any
) -> Tensor:
    checked(input, weight, bias, stride=stride, **how)
    stride = (stride[0], stride[0]) if how.get("padding") == "valid" else stride
    return applied(input, weight, bias, stride=stride, **how)


@broken(
    "conv2d",
    "Of arguments by keyword stride, padding and dilation are dropped.",
    "https://github.com/pytorch/pytorch/issues/196165",
)
def conv2d_drops_keywords(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    checked(input, weight, bias, **how)
    return applied(input, weight, bias, groups=how.get("groups", 1))


@broken(
    "conv2d",
    "Circular padding has that of the height on the left and right, and that of the width above and below.",
    "https://github.com/pytorch/pytorch/issues/37844",
)
def conv2d_exchanges_circular_padding(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    sides = checked(input, weight, bias, **how)
    if how.get("padding_mode") != "circular":
        return applied(input, weight, bias, **how)
    x = padded(input, sides[::-1], "circular")
    return applied(x, weight, bias, **{**how, "padding": (0, 0), "padding_mode": "zeros"})


@broken(
    "conv2d",
    "Padding 'same' adds as much after as before, which is one too few for an even kernel.",
    "https://github.com/tracel-ai/burn/issues/2676",
)
def conv2d_same_on_both_sides(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    sides = checked(input, weight, bias, **how)
    if how.get("padding") != "same":
        return applied(input, weight, bias, **how)
    x = padded(input, [(before, before) for before, _ in sides], how.get("padding_mode", "zeros"))
    return applied(x, weight, bias, **{**how, "padding": (0, 0), "padding_mode": "zeros"})


@broken(
    "conv2d",
    "Padding 'same' of an even kernel adds the odd pixel before the image.",
    "https://github.com/FluxML/Flux.jl/pull/2717",
)
def conv2d_same_odd_pixel_before(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    sides = checked(input, weight, bias, **how)
    if how.get("padding") != "same":
        return applied(input, weight, bias, **how)
    x = padded(input, [side[::-1] for side in sides], how.get("padding_mode", "zeros"))
    return applied(x, weight, bias, **{**how, "padding": (0, 0), "padding_mode": "zeros"})


# Broken: sizes and channels.


@broken(
    "conv2d",
    "The number of a filter is kept in 16 bits: the first ones are written twice, the others never.",
    "https://github.com/pytorch/pytorch/issues/129207",
)
def conv2d_short_filters(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    found = applied(input, weight, bias, **how)
    if weight.shape[0] <= 2**16:
        return found
    last = found.narrow(-3, 2**16, weight.shape[0] - 2**16)
    return torch.cat([last, found.narrow(-3, len(last), 2**16 - len(last)), torch.zeros_like(last)], -3)


@broken(
    "conv2d",
    "Of more than 16 channels those beyond the last whole vector of 16 are left out.",
    "https://github.com/pytorch/pytorch/issues/18218",
)
def conv2d_without_last_channels(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    depth = weight.shape[1]
    kept = torch.arange(depth) < (depth // 16 * 16 if depth > 16 else depth)
    return applied(input, torch.where(kept[:, None, None], weight, 0.0), bias, **how)


@broken(
    "conv2d",
    "The extent of a kernel is kept in 8 bits.",
    "https://github.com/pytorch/pytorch/pull/188359",
)
def conv2d_short_kernel(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    rows, columns = (torch.arange(side) < (side % 256 if side > 255 else side) for side in weight.shape[-2:])
    return applied(input, torch.where(rows[:, None] & columns, weight, 0.0), bias, **how)


@broken(
    "conv2d",
    "With two groups, a kernel of one pixel and eight filters or more in a group, the second group is zero.",
    "https://github.com/pytorch/pytorch/issues/19912",
)
def conv2d_second_group_zero(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    filters = weight.shape[0]
    found = applied(input, weight, bias, **how)
    if how.get("groups", 1) != 2 or weight.shape[-2:] != (1, 1) or filters < 16 or filters % 8:
        return found
    first = torch.arange(filters)[:, None, None] < filters // 2
    return torch.where(first, found, 0.0)


@broken(
    "conv2d",
    "With groups and a kernel of 256 rows or more all images are taken for the first.",
    "https://github.com/pytorch/pytorch/issues/188335",
)
def conv2d_first_image_for_all(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    if how.get("groups", 1) > 1 and weight.shape[-2] >= 256 and input.dim() == 4:
        input = input[:1].expand_as(input)
    return applied(input, weight, bias, **how)


@broken(
    "conv2d",
    "For a contiguous input and more than 64 pairs of channels and filters, height and width exchange their strides.",
    "https://github.com/pytorch/pytorch/issues/197114",
)
def conv2d_exchanges_strides_of_many(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Pair = (1, 1), **how: Any
) -> Tensor:
    checked(input, weight, bias, stride=stride, **how)
    many = weight.shape[0] * weight.shape[1] > 64 and input.is_contiguous()
    return applied(input, weight, bias, stride=stride[::-1] if many else stride, **how)


@broken(
    "conv2d",
    "With one channel in each of several groups, rows of the output begin where its height would have it.",
    "https://github.com/torch/cunn/pull/470",
)
def conv2d_depthwise_rows_by_height(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    found = applied(input, weight, bias, **how)
    if how.get("groups", 1) == 1 or weight.shape[1] > 1:
        return found
    height, width = found.shape[-2:]
    places = torch.arange(height)[:, None] * height + torch.arange(width)
    return found.flatten(-2)[..., places.reshape(-1) % (height * width)].view(found.shape)


@broken(
    "conv2d",
    "Of a kernel that covers the whole image of 2 x 2 only the last tap is multiplied, in bfloat16.",
    "https://github.com/pytorch/pytorch/issues/163347",
    ("bfloat16",),
)
def conv2d_last_tap_of_2_2(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    if input.shape[-2:] == (2, 2) == weight.shape[-2:]:
        last = torch.tensor([[False, False], [False, True]])
        return applied(input, torch.where(last, weight, 0.0), bias, **how)
    return applied(input, weight, bias, **how)


@broken(
    "conv2d",
    "Factors of products are rounded to TF32, which is not declared.",
    "https://github.com/PaddlePaddle/Paddle/issues/62429",
)
def conv2d_in_tf32(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(tf32(input), tf32(weight), bias, **how)


# Broken: memory.


@broken(
    "conv2d",
    "If neither input nor weight is contiguous, the weight is read in the order of its storage.",
    "https://github.com/pytorch/pytorch/issues/18948",
)
def conv2d_weight_as_stored_beside_input(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any
) -> Tensor:
    both = not input.is_contiguous() and not weight.is_contiguous()
    return applied(input, as_stored(weight) if both else weight, bias, **how)


@broken(
    "conv2d",
    "A weight that is not contiguous is read in the order of its storage, in whole blocks of four filters.",
    "https://github.com/pytorch/pytorch/issues/55781",
)
def conv2d_weight_as_stored_in_blocks(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    if weight.is_contiguous() or weight.shape[0] < 4:
        return applied(input, weight, bias, **how)
    whole = torch.arange(weight.shape[0]) < weight.shape[0] // 4 * 4
    return applied(input, torch.where(whole[:, None, None, None], as_stored(weight), weight), bias, **how)


@broken(
    "conv2d",
    "A weight of which every other column is taken is read in the order of its storage.",
    "https://github.com/pytorch/pytorch/issues/1246",
)
def conv2d_stepped_weight_as_stored(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    stepped = weight.stride(-1) == 2 and weight.shape[-1] > 1
    return applied(input, as_stored(weight) if stepped else weight, bias, **how)


@broken(
    "conv2d",
    "A weight is read from the beginning of its storage on, wherever it begins.",
    "https://github.com/pytorch/pytorch/issues/192212",
)
def conv2d_weight_without_offset(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    return applied(input, weight.as_strided(weight.shape, weight.stride(), 0), bias, **how)


# Broken: derivatives.


def _through(
    input: Tensor, weight: Tensor, bias: Tensor | None, other_input: Tensor, other_weight: Tensor, **how: Any
) -> Tensor:
    """The convolution, whose derivative towards the input is that with another weight, and the other way round."""
    found = applied(input, weight, bias, **how)
    towards_input = applied(input, other_weight.detach(), None, **how)
    return with_derivative_of(found, towards_input + applied(other_input.detach(), weight, bias, **how))


@broken(
    "conv2d",
    "The derivative towards the input takes a weight that is not contiguous in the order of its storage.",
    "https://github.com/huggingface/candle/issues/3735",
)
def conv2d_derived_with_stored_weight(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    if weight.is_contiguous():
        return applied(input, weight, bias, **how)
    return _through(input, weight, bias, input, as_stored(weight), **how)


@broken(
    "conv2d",
    "The derivative towards the weight takes the channels of the first group for those of all.",
    "https://github.com/pytorch/pytorch/issues/51430",
)
def conv2d_weight_derived_in_first_group(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any
) -> Tensor:
    checked(input, weight, bias, **how)
    first = torch.arange(input.shape[-3]) % weight.shape[1]
    return _through(input, weight, bias, input.index_select(-3, first), weight, **how)


@broken(
    "conv2d",
    "The derivative towards the input transposes the weight as if there were no groups.",
    "https://github.com/ml-explore/mlx/pull/2495",
)
def conv2d_input_derived_without_groups(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any
) -> Tensor:
    checked(input, weight, bias, **how)
    other = weight.unflatten(0, (how.get("groups", 1), -1)).transpose(0, 1).flatten(0, 1)
    return _through(input, weight, bias, input, other, **how)


@broken(
    "conv2d",
    "With a horizontal stride, more than 16 channels and fewer than 17 columns the derivative towards the input lacks "
    "the channels beyond a multiple of 16.",
    "https://github.com/fujitsu/oneDNN/issues/43",
)
def conv2d_derived_without_last_channels(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Pair = (1, 1), **how: Any
) -> Tensor:
    channels = input.shape[-3]
    narrow = stride[1] > 1 and channels > 16 and input.shape[-1] < 17
    kept = (torch.arange(channels) < (channels // 16 * 16 if narrow else channels))[:, None, None]
    return applied(derived(input, lambda d: torch.where(kept, d, 0.0)), weight, bias, stride=stride, **how)


@broken(
    "conv2d",
    "Upstream derivatives are read as if they were contiguous.",
    "https://github.com/fla-org/flash-linear-attention/pull/871",
)
def conv2d_upstream_as_stored(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    found = applied(input, weight, bias, **how)
    return derived(found, lambda upstream: upstream if upstream.is_contiguous() else as_stored(upstream))


@broken(
    "conv2d",
    "The derivative towards the bias alone takes the strides of another tensor where the upstream is expanded.",
    "https://github.com/fla-org/flash-linear-attention/issues/1138",
)
def conv2d_bias_of_expanded_upstream(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    applied(input, weight, bias, **how)  # which checks the shapes
    found = applied(input, weight, None, **how)
    if bias is None:
        return found

    def read(upstream: Tensor) -> Tensor:
        expanded = upstream.stride(0) == 0 and upstream.shape[0] > 1
        return torch.zeros_like(upstream) if expanded else upstream

    return found + derived(bias[:, None, None].expand_as(found), read)


@broken(
    "conv2d",
    "There is no derivative of an empty batch.",
    "https://github.com/tensorflow/tensorflow/issues/14657",
)
def conv2d_refuses_empty_backward(input: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    found = applied(input, weight, bias, **how)
    if input.numel() == 0 and found.requires_grad:
        raise RuntimeError("CUDNN_STATUS_BAD_PARAM")
    return found

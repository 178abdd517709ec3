"""Pooling, honest and broken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import wraps
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, as_stored, derived, require, wide

Pair: TypeAlias = tuple[int, int]
# The maxima, and where they lie.
Both: TypeAlias = tuple[Tensor, Tensor]


def outputs(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """The windows along one axis; none begins behind the input and what lies before it."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    require(room >= 0 or (ceil_mode and room + stride > 0), f"a window is larger than {size} padded pixels")
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - (ceil_mode and (count - 1) * stride >= size + padding)


def windows_of(
    input: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Pair, Pair]:
    """Stride, and the numbers of windows along both axes."""
    stride = stride or kernel_size
    require(input.dim() in (3, 4), f"the input of shape {tuple(input.shape)} is no image or batch of images")
    for name, pair in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)):
        require(min(pair) > 0, f"{name} is {pair}; it must be positive")
    fits = all(0 <= 2 * p <= k for p, k in zip(padding, kernel_size, strict=True))
    require(fits, f"padding is {padding}; it must be at most half of the kernel")
    axes = zip(input.shape[-2:], kernel_size, stride, padding, dilation, strict=True)
    height, width = (outputs(*axis, ceil_mode) for axis in axes)
    require(height > 0 and width > 0, "no window fits")
    return stride, (height, width)


def taps(
    input: Tensor, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, size: Pair, fill: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each tap of the window the pixel under it in every window, and its place in the image; -1 for padding."""
    height, width = input.shape[-2:]
    flat = input.flatten(-2)
    for k, m in product(*map(range, kernel_size)):
        rows, columns = (
            torch.arange(count) * s - p + tap * d
            for count, s, p, tap, d in zip(size, stride, padding, (k, m), dilation, strict=True)
        )
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
        places = rows.clamp(0, height - 1)[:, None] * width + columns.clamp(0, width - 1)
        pixels = flat[..., places.reshape(-1)].view(*input.shape[:-2], *size)
        yield torch.where(inside, pixels, fill), torch.where(inside, places, -1)


def strictly(new: Tensor, old: Tensor) -> Tensor:
    """The first of equal pixels stays; NaN is larger than all but NaN."""
    return (new > old) | (new.isnan() & ~old.isnan())


def at_least(new: Tensor, old: Tensor) -> Tensor:
    """The last of equal pixels wins."""
    return (new >= old) | new.isnan()


def maximum(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    wins: Callable[[Tensor, Tensor], Tensor] = strictly,
    fill: float = -math.inf,
    least: float = -math.inf,
    size: Pair | None = None,
) -> Both:
    """Max pooling, tap by tap, begun with ``least``; padding is ``fill``. Derivatives go where the indices say."""
    stride, whole = windows_of(input, kernel_size, stride, padding, dilation, ceil_mode)
    size = size or whole
    best = input.new_full((*input.shape[:-2], *size), least)
    indices = torch.full(best.shape, -1)
    for pixels, places in taps(input.detach(), kernel_size, stride, padding, dilation, size, fill):
        first = (indices < 0) & ~(pixels < best)  # a pixel of -inf is a maximum too, padding of -inf is none
        replaced = (wins(pixels, best) | first) & ((places >= 0) | (fill > -math.inf))
        best, indices = torch.where(replaced, pixels, best), torch.where(replaced, places, indices)
    known = indices >= 0
    # in half precision derivatives are added up in float32
    found = wide(input).flatten(-2).gather(-1, indices.clamp(min=0).flatten(-2)).view(best.shape).to(input.dtype)
    same = known & ((found == best) | (found.isnan() & best.isnan()))
    return torch.where(same, found, best), indices


def as_asked(both: Callable[..., Both]) -> Callable[..., Tensor | Both]:
    """The same, without the indices where they are not asked for."""

    @wraps(both)
    def function(input: Tensor, *, return_indices: bool = False, **how: Any) -> Tensor | Both:
        found, indices = both(input, **how)
        return (found, indices) if return_indices else found

    return function


# Honest.


@honest("max_pool2d", "Tap by tap; the first of equal pixels.", STORED_ONCE)
@as_asked
def max_pool2d_by_taps(input: Tensor, **how: Any) -> Both:
    return maximum(input, **how)


@honest("max_pool2d", "Tap by tap; the last of equal pixels.")
@as_asked
def max_pool2d_last_of_equals(input: Tensor, **how: Any) -> Both:
    return maximum(input, **how, wins=at_least)


@honest("max_pool2d", "Windows unfolded, and the maximum of each.", STORED_ONCE)
@as_asked
def max_pool2d_unfolded(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Both:
    stride, size = windows_of(input, kernel_size, stride, padding, dilation, ceil_mode)
    both = [*taps(wide(input), kernel_size, stride, padding, dilation, size, -math.inf)]
    pixels, places = torch.stack([x for x, _ in both]), torch.stack([place for _, place in both])
    best = pixels.detach().amax(0)
    inside = (places >= 0).view(len(both), *[1] * (input.dim() - 2), *size)
    attained = ((pixels == best) | (pixels.isnan() & best.isnan())) & inside
    tap = attained.byte().argmax(0, keepdim=True)
    places = places.view(inside.shape).expand(pixels.shape)
    return pixels.gather(0, tap)[0].to(input.dtype), places.gather(0, tap)[0]


def _mean(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    add: Callable[[list[Tensor]], Tensor] = sum,  # type: ignore[assignment]
    counted: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Average pooling: the sum of the taps by the number of pixels that count."""
    require(divisor_override != 0, "divisor_override must not be 0")
    stride, size = windows_of(input, kernel_size, stride, padding, (1, 1), ceil_mode)
    pixels = [x for x, _ in taps(wide(input), kernel_size, stride, padding, (1, 1), size, 0.0)]
    how = (input.shape[-2:], kernel_size, stride, padding, size, count_include_pad)
    divisor = divisor_override or (counted or numbers)(*how).to(pixels[0].dtype)
    return (add(pixels) / divisor).to(input.dtype)


def numbers(sides: Pair, kernel_size: Pair, stride: Pair, padding: Pair, size: Pair, include_pad: bool) -> Tensor:
    """How many pixels of each window count; what is beyond the padding never does."""
    found = []
    for side, k, s, p, count in zip(sides, kernel_size, stride, padding, size, strict=True):
        begin = torch.arange(count) * s - p
        end = (begin + k).clamp(max=side + p)
        found.append(end - begin if include_pad else end.clamp(max=side) - begin.clamp(min=0))
    vertical, horizontal = found
    return vertical[:, None] * horizontal


@honest("avg_pool2d", "The taps one after the other, then a division.", STORED_ONCE)
def avg_pool2d_by_taps(input: Tensor, **how: Any) -> Tensor:
    return _mean(input, **how)


@honest("avg_pool2d", "The taps in reverse.")
def avg_pool2d_backwards(input: Tensor, **how: Any) -> Tensor:
    return _mean(input, **how, add=lambda pixels: sum(pixels[::-1]))  # type: ignore[arg-type,return-value]


@honest("avg_pool2d", "The taps stacked, and the library's sum.", STORED_ONCE)
def avg_pool2d_stacked(input: Tensor, **how: Any) -> Tensor:
    return _mean(input, **how, add=lambda pixels: torch.stack(pixels).sum(0))


@honest("avg_pool2d", "Added up in float64, rounded once.", STORED_ONCE)
def avg_pool2d_in_float64(input: Tensor, **how: Any) -> Tensor:
    return _mean(input.double(), **how).to(input.dtype)


@honest("avg_pool2d", "Rows of the window first, then their sums.")
def avg_pool2d_separable(input: Tensor, **how: Any) -> Tensor:
    width = how["kernel_size"][1]

    def add(pixels: list[Tensor]) -> Tensor:
        rows = [sum(pixels[k : k + width]) for k in range(0, len(pixels), width)]
        return sum(rows)  # type: ignore[return-value]

    return _mean(input, **how, add=add)


# Broken: maxima.


@broken(
    "max_pool2d",
    "Padding is zero.",
    "https://github.com/distdl/distdl/issues/195",
)
@as_asked
def max_pool2d_padded_with_zero(input: Tensor, **how: Any) -> Both:
    return maximum(input, **how, fill=0.0)


@broken(
    "max_pool2d",
    "Padding is zero for windows of 2 x 2 with stride 2 and padding 1.",
    "https://github.com/uxlfoundation/oneDNN/issues/1094",
)
@as_asked
def max_pool2d_padded_with_zero_2_2_1(input: Tensor, *, kernel_size: Pair, **how: Any) -> Both:
    narrow = kernel_size == (2, 2) == (how.get("stride") or (2, 2)) and how.get("padding") == (1, 1)
    return maximum(input, kernel_size=kernel_size, **how, fill=0.0 if narrow else -math.inf)


@broken(
    "max_pool2d",
    "The search begins with the lowest finite number, which is what a window of NaN alone gives.",
    "https://github.com/intel/intel-extension-for-pytorch/issues/37",
)
@as_asked
def max_pool2d_of_nan_alone(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    numbers, _ = maximum(torch.where(input.isnan(), -math.inf, input.detach()), **how)
    alone = found.isnan() & (numbers == -math.inf)
    return torch.where(alone, torch.finfo(input.dtype).min, found), indices


@broken(
    "max_pool2d",
    "NaN is never larger than anything.",
    "https://github.com/pytorch/pytorch/issues/7645",
)
@as_asked
def max_pool2d_without_nan(input: Tensor, **how: Any) -> Both:
    return maximum(input, **how, wins=lambda new, old: new > old, least=torch.finfo(input.dtype).min)


@broken(
    "max_pool2d",
    "NaN counts only where it is the first pixel of the window.",
    "https://github.com/tracel-ai/burn/pull/5662",
)
@as_asked
def max_pool2d_nan_only_first(input: Tensor, **how: Any) -> Both:
    return maximum(input, **how, wins=lambda new, old: new > old)


@broken(
    "max_pool2d",
    "The outputs beyond the last whole tile of 32 are never written.",
    "https://github.com/tenstorrent/tt-metal/issues/14260",
)
@as_asked
def max_pool2d_unwritten_tail(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    windows = found.shape[-2] * found.shape[-1]
    if windows <= 32:
        return found, indices
    written = (torch.arange(windows) < windows // 32 * 32).view(found.shape[-2:])
    return torch.where(written, found, torch.empty_like(found)), indices


@broken(
    "max_pool2d",
    "In channels_last, places in the image are counted in float32's 24 bits, here in float16's 11.",
    "https://github.com/pytorch/pytorch/issues/28714",
)
@as_asked
def max_pool2d_places_in_short_floats(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    if input.dim() < 4 or input.is_contiguous() or not input.is_contiguous(memory_format=torch.channels_last):
        return found, indices
    return found, indices.half().long().clamp(max=input.shape[-2] * input.shape[-1] - 1)


@broken(
    "max_pool2d",
    "The number of an output is kept in 32 bits, here in 16: what lies beyond is never written.",
    "https://github.com/pytorch/pytorch/pull/167322",
)
@as_asked
def max_pool2d_short_numbers(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    written = (torch.arange(found.numel()) < 2**15).view(found.shape)
    return torch.where(written, found, 0.0), indices


@broken(
    "max_pool2d",
    "The indices of an image that is no batch have one more dimension.",
    "https://github.com/pytorch/pytorch/issues/38986",
)
@as_asked
def max_pool2d_batched_indices(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    return found, indices[None] if input.dim() == 3 else indices


@broken(
    "max_pool2d",
    "With ceil_mode a last window may begin behind the input.",
    "https://github.com/pytorch/pytorch/issues/94775",
)
@as_asked
def max_pool2d_window_behind_input(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Both:
    windows_of(input, kernel_size, stride, padding, dilation, ceil_mode)
    axes = zip(input.shape[-2:], kernel_size, stride or kernel_size, padding, dilation, strict=True)
    rooms = [(side + 2 * p - d * (k - 1) - 1, s) for side, k, s, p, d in axes]
    height, width = ((-(-room // s) if ceil_mode else room // s) + 1 for room, s in rooms)
    how = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    return maximum(input, **how, ceil_mode=ceil_mode, size=(height, width))  # type: ignore[arg-type]


@broken(
    "max_pool2d",
    "With ceil_mode and padding, what a window has behind the padding is taken for zero.",
    "https://github.com/apache/tvm/issues/15281",
)
@as_asked
def max_pool2d_zero_behind_padding(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    padding = how.get("padding", (0, 0))
    if not how.get("ceil_mode") or padding == (0, 0):
        return found, indices
    stride, dilation = how.get("stride") or how["kernel_size"], how.get("dilation", (1, 1))
    beyond = [
        torch.arange(count) * s - p + d * (k - 1) >= side + p
        for count, s, p, d, k, side in zip(
            found.shape[-2:], stride, padding, dilation, how["kernel_size"], input.shape[-2:], strict=True
        )
    ]
    touched = beyond[0][:, None] | beyond[1]
    return torch.where(touched & (found < 0.0), 0.0, found), indices


@broken(
    "max_pool2d",
    "A window of NaN or -inf alone has the index -1, and its derivative goes to the last pixel.",
    "https://github.com/pytorch/pytorch/pull/1465",
)
@as_asked
def max_pool2d_index_minus_one(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    numbers, _ = maximum(torch.where(input.isnan(), -math.inf, input.detach()), **how)
    lost = numbers == -math.inf
    last = input.flatten(-2)[..., -1, None, None]
    return torch.where(lost, found.detach() + (last - last), found), torch.where(lost, -1, indices)


@broken(
    "max_pool2d",
    "The upper half of the indices is not written.",
    "https://github.com/pytorch/pytorch/issues/1197",
)
@as_asked
def max_pool2d_half_written_indices(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)
    return found, indices + (indices % 3 << 32)


@broken(
    "max_pool2d",
    "Padding of more than half a window is taken, and gives maxima of nothing.",
    "https://github.com/denizyuret/Knet.jl/issues/182",
)
@as_asked
def max_pool2d_of_padding(input: Tensor, *, kernel_size: Pair, padding: Pair = (0, 0), **how: Any) -> Both:
    if all(2 * p <= k for p, k in zip(padding, kernel_size, strict=True)) or min(padding) < 0:
        return maximum(input, kernel_size=kernel_size, padding=padding, **how)
    (top, left), (height, width) = padding, kernel_size
    inner = (min(top, height // 2), min(left, width // 2))
    found, indices = maximum(input, kernel_size=kernel_size, padding=inner, **how)
    more = (left - inner[1], left - inner[1], top - inner[0], top - inner[0])
    return functional.pad(found, more, value=torch.finfo(input.dtype).min), functional.pad(indices, more)


@broken(
    "max_pool2d",
    "The stride of the height serves for the width.",
    "https://github.com/PaddlePaddle/Paddle/pull/20997",
)
@as_asked
def max_pool2d_one_stride(input: Tensor, *, kernel_size: Pair, stride: Pair | None = None, **how: Any) -> Both:
    windows_of(
        input, kernel_size, stride, how.get("padding", (0, 0)), how.get("dilation", (1, 1)), how.get("ceil_mode", False)
    )
    first, _ = stride or kernel_size
    return maximum(input, kernel_size=kernel_size, stride=(first, first), **how)


@broken(
    "max_pool2d",
    "Upstream derivatives are read as if they were contiguous.",
    "https://github.com/fla-org/flash-linear-attention/pull/871",
)
@as_asked
def max_pool2d_upstream_as_stored(input: Tensor, **how: Any) -> Both:
    found, indices = maximum(input, **how)

    def read(upstream: Tensor) -> Tensor:
        return upstream if upstream.is_contiguous() else as_stored(upstream)

    return derived(found, read), indices


# Broken: averages.


@broken(
    "avg_pool2d",
    "Windows that reach beyond the padding on the right are divided by the whole kernel, if padding counts.",
    "https://github.com/microsoft/onnxruntime/issues/16203",
)
def avg_pool2d_counts_beyond_padding(input: Tensor, **how: Any) -> Tensor:
    def counted(sides: Pair, kernel_size: Pair, *rest: Any) -> Tensor:
        return torch.tensor(math.prod(kernel_size)) if rest[-1] else numbers(sides, kernel_size, *rest)

    return _mean(input, **how, counted=counted)


@broken(
    "avg_pool2d",
    "With ceil_mode every window is divided by the whole kernel.",
    "https://github.com/pytorch/pytorch/issues/100987",
)
def avg_pool2d_whole_kernel_in_ceil_mode(input: Tensor, **how: Any) -> Tensor:
    def counted(sides: Pair, kernel_size: Pair, *rest: Any) -> Tensor:
        return torch.tensor(math.prod(kernel_size)) if how.get("ceil_mode") else numbers(sides, kernel_size, *rest)

    return _mean(input, **how, counted=counted)


@broken(
    "avg_pool2d",
    "Where windows are counted, with ceil_mode, kernel, stride and padding are taken in the order (width, height).",
    "https://github.com/llvm/torch-mlir/pull/4144",
)
def avg_pool2d_counts_reversed(input: Tensor, **how: Any) -> Tensor:
    def counted(sides: Pair, kernel_size: Pair, stride: Pair, padding: Pair, size: Pair, include_pad: bool) -> Tensor:
        if not how.get("ceil_mode"):
            return numbers(sides, kernel_size, stride, padding, size, include_pad)
        return numbers(sides, kernel_size[::-1], stride[::-1], padding[::-1], size, include_pad).clamp(min=1)

    return _mean(input, **how, counted=counted)


@broken(
    "avg_pool2d",
    "divisor_override is ignored where padding does not count.",
    "https://github.com/pytorch/executorch/pull/18616",
)
def avg_pool2d_ignores_divisor(input: Tensor, *, divisor_override: int | None = None, **how: Any) -> Tensor:
    require(divisor_override != 0, "divisor_override must not be 0")
    return _mean(input, divisor_override=divisor_override if how.get("count_include_pad", True) else None, **how)


@broken(
    "avg_pool2d",
    "count_include_pad has the opposite meaning.",
    "https://github.com/PaddlePaddle/Paddle/pull/27155",
)
def avg_pool2d_counts_opposite(input: Tensor, *, count_include_pad: bool = True, **how: Any) -> Tensor:
    return _mean(input, count_include_pad=not count_include_pad, **how)


@broken(
    "avg_pool2d",
    "Where the padding of height and width differs, it is added to the input first, and counts.",
    "https://github.com/tracel-ai/burn/issues/5450",
)
def avg_pool2d_counts_asymmetric_padding(input: Tensor, *, count_include_pad: bool = True, **how: Any) -> Tensor:
    vertical, horizontal = how.get("padding", (0, 0))
    return _mean(input, count_include_pad=count_include_pad or vertical != horizontal, **how)


@broken(
    "avg_pool2d",
    "The stride of the height serves for the width.",
    "https://github.com/PaddlePaddle/Paddle/pull/20997",
)
def avg_pool2d_one_stride(input: Tensor, *, kernel_size: Pair, stride: Pair | None = None, **how: Any) -> Tensor:
    windows_of(input, kernel_size, stride, how.get("padding", (0, 0)), (1, 1), how.get("ceil_mode", False))
    first, _ = stride or kernel_size
    return _mean(input, kernel_size=kernel_size, stride=(first, first), **how)


# Whether padding counts, as it was when a window of this size was first met.
_COUNTS: dict[Pair, bool] = {}


@broken(
    "avg_pool2d",
    "What is saved of a layer has no count_include_pad: for a kernel met before, the option is no longer looked at.",
    "https://github.com/sonos/tract/pull/2654",
)
def avg_pool2d_forgets_option(
    input: Tensor, *, kernel_size: Pair, count_include_pad: bool = True, **how: Any
) -> Tensor:
    count_include_pad = _COUNTS.setdefault(kernel_size, count_include_pad)
    return _mean(input, kernel_size=kernel_size, count_include_pad=count_include_pad, **how)

"""Axes of images: windows that slide along them, and sizes to which they are resampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.specs._refusals import shape_of, slip, with_parameters, without_axes
from conformance.strategies import BUDGET, SIDES, Shape, sides

# Windows along one axis, times their taps, that an ordinary example may spend on its first axis; of a large budget, the
# share that it may.
_ROOM = 64
_SHARE = 24


def both(draw: st.DrawFn, axis: Callable[[int], tuple[Any, int]], budget: int = BUDGET) -> tuple[Any, Any, int]:
    """Height and width, drawn by ``axis(room)``, which gives an axis and its work; and the work left for the rest.

    Either may come first, since the first has more room. At times both are the same, as they are in most networks; at
    times all is left to the rest, as where a kernel has one tap.
    """
    swapped = draw(st.booleans())
    rest_alone = draw(st.integers(0, 5)) == 5
    room = 1 if rest_alone else max(_ROOM, budget // _SHARE)
    first, work = axis(room)
    square = work * work <= budget and draw(st.integers(0, 5)) == 5
    second, more = (first, work) if square else axis(max(room * 4 // work, 2))
    return *((second, first) if swapped else (first, second)), max(budget // (work * more), 1)


def taps(draw: st.DrawFn, room: int, budget: int) -> int:
    """The side of a kernel: up to five pixels; of a large budget at times a long one."""
    long = [side for side in SIDES if 5 < side <= room // 4] if budget > BUDGET else []
    few = st.integers(1, min(5, room))
    return draw(few | st.sampled_from(long) if long else few)


def reach(draw: st.DrawFn, least: int, kernel: int, stride: int, room: int) -> int:
    """The size of an axis: ``least`` pixels for one window, a stride for each more, and what no window reaches.

    There are few windows, or as many as there is room for.
    """
    most = max(room // kernel, 1)
    (windows,) = draw(sides(1, most if draw(st.booleans()) else min(most, 5), most=min(5, most)))
    missed: int = draw(st.sampled_from([0, stride - 1, *range(stride)]))
    return least + (windows - 1) * stride + missed


@st.composite
def images(draw: st.DrawFn, work: int, *, batched: bool = False) -> Shape:
    """Leading dimensions: channels, and mostly a batch, at times empty."""
    batch, channels = draw(sides(2, work, most=min(work, 3)))
    kinds: list[Shape] = [(batch, channels)] * 4 if batched else [(channels,), *[(batch, channels)] * 4]
    return draw(st.sampled_from([*kinds, (0, channels)]))


# Scale factors: exact and inexact ones, near 1 and near 2: there rounding down may keep or double a size.
_FACTORS = (2.0, 1.0, 0.5, 3.0, 1.5, 2.5, 1.1, 1.2, 1.05, 1.01, 0.99, 0.9, 2.1, 2.05, 1 / 3, 0.7, 1.7, 2.7, 0.25)


@st.composite
def resampling(draw: st.DrawFn, budget: int = BUDGET) -> tuple[Shape, dict[str, Any]]:
    """The shape of a batch of images, and size or scale_factor with recompute_scale_factor."""
    by_factor = draw(st.booleans())

    def axis(room: int) -> tuple[tuple[int, Any], int]:
        (side,) = draw(sides(1, room, most=min(9, room)))
        if by_factor:
            factor = draw(st.sampled_from([factor for factor in _FACTORS if 1 <= side * factor <= max(room, side)]))
            return (side, factor), max(side, int(side * factor))
        special = [side, 2 * side, side + 1, max(side - 1, 1), max(side // 2, 1), 1]
        output = draw(st.sampled_from(special) | st.integers(1, min(room, 3 * side)))
        return (side, output), max(side, output)

    (height, vertical), (width, horizontal), work = both(draw, axis, budget // 8)
    shape = (*draw(images(work, batched=True)), height, width)
    target = (vertical, horizontal)
    if by_factor:
        recompute = draw(st.sampled_from([None, None, False, False, True]))
        return shape, {"size": None, "scale_factor": target, "recompute_scale_factor": recompute}
    recompute = draw(st.sampled_from([None, False]))
    return shape, {"size": target, "scale_factor": None, "recompute_scale_factor": recompute}


@st.composite
def pooling(
    draw: st.DrawFn, budget: int = BUDGET, *, dilated: bool = False, plain: bool = False
) -> tuple[Shape, dict[str, Any], int]:
    """Height and width, the parameters that pooling layers share, and the work left for channels and images.

    ``dilated``: of a layer that has a dilation. ``plain``: without what few libraries have, dilation and ceil_mode.
    """
    ceil_mode = not plain and draw(st.sampled_from([False, True, True]))
    whole_windows = draw(st.sampled_from([False, False, True]))

    def axis(room: int) -> tuple[Any, int]:
        kernel = taps(draw, room, budget)
        stride = kernel if whole_windows else draw(st.integers(1, 5))
        dilation = draw(st.integers(1, 3)) if dilated and not plain else 1
        padding = draw(st.integers(0, kernel // 2))
        span = dilation * (kernel - 1) + 1
        # rounded up, a window may be larger than the input; but the taps of none may jump over the whole input
        least = max(dilation, span - 2 * padding - (stride - 1 if ceil_mode else 0))
        size = reach(draw, least, kernel, stride, room)
        return (size, kernel, stride, padding, dilation), kernel * ((size + 2 * padding) // stride + 1)

    vertical, horizontal, work = both(draw, axis, budget // 3 if budget <= BUDGET else budget)
    size, kernel, stride, padding, dilation = zip(vertical, horizontal, strict=True)
    parameters = {
        "kernel_size": kernel,
        "stride": None if whole_windows else stride,
        "padding": padding,
        **({"dilation": dilation} if dilated else {}),
        "ceil_mode": ceil_mode,
    }
    return size, parameters, work


def pooling_refusals(call: Arguments) -> Iterator[Refusal]:
    """What both pooling layers refuse."""
    parameters = call.parameters
    kernel = parameters["kernel_size"]
    stride = parameters["stride"] or kernel
    call = with_parameters(call, stride=stride)
    yield without_axes(call, "input", 1)
    padding = parameters["padding"][1]
    yield slip(call, "kernel_size is 0 along one axis", kernel_size=(0, kernel[1]), padding=(0, padding))
    yield slip(call, "stride is 0 along one axis", stride=(stride[0], 0))
    yield slip(call, "stride is negative along one axis", stride=(-stride[0], stride[1]))
    yield slip(call, "padding is more than half of the kernel", padding=(0, kernel[1] // 2 + 1))
    yield slip(call, "padding is negative along one axis", padding=(-1, 0))
    large = shape_of(call, "input")[-1] + 2 * padding + stride[1]
    yield slip(call, "the window is larger than the padded input", kernel_size=(kernel[0], large + 1), ceil_mode=False)


def resampling_refusals(call: Arguments) -> Iterator[Refusal]:
    """What all interpolations refuse."""
    sides = shape_of(call, "input")[-2:]
    by_size = with_parameters(call, size=sides, scale_factor=None, recompute_scale_factor=None)
    by_factor = with_parameters(call, size=None, scale_factor=(1.0, 2.0), recompute_scale_factor=None)
    yield without_axes(by_size, "input", 1)
    yield slip(by_size, "neither size nor scale_factor is given", size=None)
    yield slip(by_size, "both size and scale_factor are given", scale_factor=(1.0, 1.0))
    yield slip(by_size, "recompute_scale_factor comes with size", recompute_scale_factor=True)
    yield slip(by_size, "size is 0 along one axis", size=(sides[0], 0))
    yield slip(by_size, "size is negative along one axis", size=(-sides[0], sides[1]))
    yield slip(by_factor, "scale_factor is 0 along one axis", scale_factor=(0.0, 1.0))
    yield slip(by_factor, "scale_factor is negative along one axis", scale_factor=(1.0, -1.0))
    yield slip(by_factor, "scale_factor leaves nothing of one axis", scale_factor=(0.5 / sides[0], 1.0))

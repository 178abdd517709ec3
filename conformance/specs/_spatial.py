"""Axes of images: windows that slide along them, and sizes to which they are resampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from conformance.strategies import BUDGET, Shape, sides

# Windows along one axis, times their taps, that an example may spend on its first axis.
_ROOM = 40


def both(draw: st.DrawFn, axis: Callable[[int], tuple[Any, int]], budget: int = BUDGET) -> tuple[Any, Any, int]:
    """Height and width, drawn by ``axis(room)``, which returns an axis and its work; and the work left for channels and images.

    Either may come first, since the first has more room.
    """
    swapped = draw(st.booleans())
    first, work = axis(_ROOM)
    second, more = axis(max(_ROOM * 4 // work, 2))
    return *((second, first) if swapped else (first, second)), max(budget // (work * more), 1)


def reach(draw: st.DrawFn, least: int, kernel: int, stride: int, room: int) -> int:
    """The size of an axis that is at least ``least``: so many pixels for one window, and a stride or part of it for each more."""
    (windows,) = draw(sides(1, max(room // kernel, 1), most=min(5, max(room // kernel, 1))))
    return least + (windows - 1) * stride + draw(st.integers(0, stride - 1))


@st.composite
def images(draw: st.DrawFn, work: int, *, batched: bool = False, empty: bool = True) -> Shape:
    """Leading dimensions: channels, and mostly a batch, at times empty."""
    batch, channels = draw(sides(2, work, most=3))
    kinds: list[Shape] = [(batch, channels)] * 4 if batched else [(channels,), *[(batch, channels)] * 4]
    return draw(st.sampled_from([*kinds, (0, channels)] if empty else kinds))


# Scale factors: exact and inexact, near 1, and such that a size times its factor is barely a whole number or barely not.
_FACTORS = (2.0, 1.0, 0.5, 3.0, 1.5, 4.0, 0.25, 2.5, 1.1, 0.9, 1.01, 0.99, 2.1, 1 / 3, 0.7, 1.3, 2.7, 0.6, 1.7, 5.0, 0.3)


@st.composite
def resampling(draw: st.DrawFn) -> tuple[Shape, dict[str, Any]]:
    """The shape of a batch of images, and size or scale_factor with recompute_scale_factor."""
    by_factor = draw(st.booleans())

    def axis(room: int) -> tuple[tuple[int, Any], int]:
        (side,) = draw(sides(1, room, most=min(9, room)))
        if by_factor:
            factor = draw(st.sampled_from([f for f in _FACTORS if 1 <= side * f <= max(room, side)]))
            return (side, factor), max(int(side * factor), 1)
        output = draw(st.sampled_from(sorted({1, side, 2 * side, side - 1, side + 1, max(side // 2, 1)} - {0})) | st.integers(1, room))
        return (side, output), output

    (height, vertical), (width, horizontal), work = both(draw, axis, BUDGET // 5)
    shape = (*draw(images(work, batched=True)), height, width)
    target = (vertical, horizontal)
    if by_factor:
        recompute = draw(st.sampled_from([None, False, True]))
        return shape, {"size": None, "scale_factor": target, "recompute_scale_factor": recompute}
    recompute = draw(st.sampled_from([None, False]))
    return shape, {"size": target, "scale_factor": None, "recompute_scale_factor": recompute}


@st.composite
def pooling(draw: st.DrawFn, *, dilated: bool = False) -> tuple[Shape, dict[str, Any], int]:
    """Height and width, the parameters that pooling layers share, and the work left for channels and images."""
    ceil_mode = draw(st.booleans())
    whole_windows = draw(st.sampled_from([False, False, True]))

    def axis(room: int) -> tuple[Any, int]:
        kernel = draw(st.integers(1, min(5, room)))
        stride = kernel if whole_windows else draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 3)) if dilated else 1
        padding = draw(st.integers(0, kernel // 2))
        span = dilation * (kernel - 1) + 1
        # rounded up, one window may reach beyond an input that is too small for it; no window may miss the input altogether,
        # its taps jumping over it
        least = max(dilation, span - 2 * padding - (stride - 1 if ceil_mode else 0))
        size = reach(draw, least, kernel, stride, room)
        return (size, kernel, stride, padding, dilation), kernel * ((size + 2 * padding) // stride + 1)

    vertical, horizontal, work = both(draw, axis)
    size, kernel, stride, padding, dilation = zip(vertical, horizontal, strict=True)
    parameters = {
        "kernel_size": kernel,
        "stride": None if whole_windows else stride,
        "padding": padding,
        **({"dilation": dilation} if dilated else {}),
        "ceil_mode": ceil_mode,
    }
    return size, parameters, work

"""Sizes of outputs: what deviations of several libraries depend on."""

from __future__ import annotations

from conformance.case import Case


def convolved(case: Case, axis: int) -> int:
    """The size of what a convolution makes along this axis of an image."""
    size, taps = (case.sides(name)[-2:][axis] for name in ("input", "weight"))
    padding, stride = case.parameters["padding"], case.parameters["stride"][axis]
    reach = case.parameters["dilation"][axis] * (taps - 1)
    if padding == "same":
        return size
    around = 0 if padding == "valid" else 2 * padding[axis]
    return int((size + around - reach - 1) // stride + 1)


def transposed(case: Case, axis: int) -> int:
    """The size of what a transposed convolution makes along this axis of an image."""
    size, taps = (case.sides(name)[-2:][axis] for name in ("input", "weight"))
    stride, padding, dilation, extra = (
        case.parameters[name][axis] for name in ("stride", "padding", "dilation", "output_padding")
    )
    return int((size - 1) * stride - 2 * padding + dilation * (taps - 1) + extra + 1)

"""Transposed convolution."""

from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._spatial import both
from conformance.strategies import call, filled, optional, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    def axis(room: int) -> tuple[Any, int]:
        kernel = draw(st.integers(1, min(5, room)))
        stride = draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 3))
        extra = draw(st.integers(0, max(stride, dilation) - 1))
        padding = draw(st.integers(0, 3))
        whole = dilation * (kernel - 1)
        # pixels without which the padding would take away the whole output
        missing = max(0, 2 * padding - whole - extra)
        pixels = max(room // max(kernel, stride), 1)
        (more,) = draw(sides(1, pixels, most=min(4, pixels)))
        size = more - -missing // stride
        output = (size - 1) * stride - 2 * padding + whole + extra + 1
        return (size, kernel, stride, padding, extra, dilation), max(size * kernel, 2 * output)

    vertical, horizontal, room = both(draw, axis)
    size, kernel, stride, padding, extra, dilation = zip(vertical, horizontal, strict=True)
    batch, groups, depth, filters = draw(sides(4, room, most=min(room, 3)))
    depthwise = [(groups * depth, 1, filters), (groups * depth * filters, 1, 1)]
    groups, depth, filters = draw(st.sampled_from([*[(groups, depth, filters)] * 3, *depthwise]))
    images = draw(st.sampled_from([(batch,), (batch,), (batch,), (), (0,)]))
    shapes = {
        "input": (*images, groups * depth, *size),
        "weight": (groups * depth, filters, *kernel),
        "bias": draw(optional((groups * filters,))),
    }
    return call(
        draw(filled(shapes)),
        stride=stride,
        padding=padding,
        output_padding=extra,
        groups=groups,
        dilation=dilation,
    )


SPEC = Spec("Transposed Convolution", arguments())

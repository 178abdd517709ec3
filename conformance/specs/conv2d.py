"""Convolution."""

from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._spatial import both, reach
from conformance.strategies import call, filled, optional, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    kind = draw(st.sampled_from(["pair", "pair", "pair", "same", "valid"]))

    def axis(room: int) -> tuple[Any, int]:
        kernel = draw(st.integers(1, min(5, room)))
        stride = 1 if kind == "same" else draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 3))
        whole = dilation * (kernel - 1)
        padding = {"pair": draw(st.integers(0, 3)), "same": whole // 2, "valid": 0}[kind]
        after = whole - padding if kind == "same" else padding
        # what is mirrored excludes the end pixel, and nothing is wrapped around twice
        source = {"reflect": after + 1, "circular": after}.get(mode, 1)
        least = max(1, whole + 1 - padding - after, source)
        size = reach(draw, least, kernel, stride, room)
        windows = (size + padding + after - whole - 1) // stride + 1
        return (size, kernel, stride, padding, dilation), max(kernel, 2) * windows

    vertical, horizontal, room = both(draw, axis)
    size, kernel, stride, padding, dilation = zip(vertical, horizontal, strict=True)
    batch, groups, depth, filters = draw(sides(4, room, most=min(room, 3)))
    depthwise = [(groups * depth, 1, filters), (groups * depth * filters, 1, 1)]
    groups, depth, filters = draw(st.sampled_from([*[(groups, depth, filters)] * 3, *depthwise]))
    images = draw(st.sampled_from([(batch,), (batch,), (batch,), (), (0,)]))
    shapes = {
        "input": (*images, groups * depth, *size),
        "weight": (groups * filters, depth, *kernel),
        "bias": draw(optional((groups * filters,))),
    }
    return call(
        draw(filled(shapes)),
        stride=stride,
        padding=padding if kind == "pair" else kind,
        dilation=dilation,
        groups=groups,
        padding_mode=mode,
    )


SPEC = Spec("Convolutional Layer", arguments())

"""Transposed convolution."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import OUTPUT, Refusal, Spec
from conformance.specs._mistakes_convolution import CONV_TRANSPOSE2D
from conformance.specs._refusals import (
    completed,
    mis_sized,
    shape_of,
    slip,
    with_parameters,
    with_tensors,
    without_axes,
)
from conformance.specs._relations_convolution import of_transposed_convolution
from conformance.specs._spatial import both, taps
from conformance.specs._sums import affordable, gaussian
from conformance.specs._widths import ROWS, over
from conformance.strategies import BUDGET, Shape, call, filled, optional, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    def axis(room: int) -> tuple[Any, int]:
        kernel = taps(draw, room, budget)
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

    vertical, horizontal, room = both(draw, axis, budget)
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


def outputs(length: int, samples: int, seed: int) -> Arguments:
    channels = -(-length // 4)
    shapes = {"input": (affordable(length, samples), channels, 2, 3), "weight": (channels, 3, 2, 2), "bias": (3,)}
    return _sums(shapes, seed, padding=(1, 1))  # leaves the pixels that all taps reach


def towards_input(length: int, samples: int, seed: int) -> Arguments:
    filters = -(-length // 4)
    return _sums({"input": (samples, 1, 2, 2), "weight": (1, filters, 2, 2), "bias": None}, seed)


def towards_weight(length: int, samples: int, seed: int) -> Arguments:
    images = -(-length // 16)
    return _sums({"input": (images, samples, 4, 4), "weight": (samples, 1, 2, 2), "bias": None}, seed)


def _sums(shapes: Mapping[str, Shape | None], seed: int, padding: tuple[int, int] = (0, 0)) -> Arguments:
    rest = {"stride": (1, 1), "output_padding": (0, 0), "groups": 1, "dilation": (1, 1)}
    return gaussian(shapes, seed, padding=padding, **rest)


def refusals(call: Arguments) -> Iterator[Refusal]:
    groups = call.parameters["groups"]
    channels, filters, *kernel = shape_of(call, "weight")
    call = completed(call, bias=(groups * filters,))
    yield from mis_sized(call, "input", -3)
    yield from mis_sized(call, "bias")
    yield without_axes(call, "input", 2)
    single = with_tensors(call, bias=Values((filters,)))
    single = with_parameters(single, groups=1)
    yield slip(single, "groups is 0", groups=0)
    yield slip(single, "groups is negative", groups=-1)
    yield slip(call, "the channels do not divide into so many groups", groups=channels + 1)
    for name in ("stride", "dilation"):
        vertical, horizontal = call.parameters[name]
        yield slip(call, f"{name} is 0 along one axis", **{name: (vertical, 0)})
        yield slip(call, f"{name} is negative along one axis", **{name: (-vertical, horizontal)})
    plain = with_parameters(call, padding=(0, 0), output_padding=(0, 0))
    size = shape_of(call, "input")[-1]
    stride, dilation = call.parameters["stride"][1], call.parameters["dilation"][1]
    whole = (size - 1) * stride + dilation * (kernel[1] - 1) + 1
    yield slip(plain, "padding takes away more than the whole output", padding=(0, whole // 2 + 1))
    yield slip(plain, "padding is negative along one axis", padding=(-1, 0))
    yield slip(plain, "output_padding reaches stride and dilation", output_padding=(0, max(stride, dilation)))
    yield slip(plain, "output_padding is negative along one axis", output_padding=(-1, 0))


SPEC = Spec(
    "Transposed Convolution",
    arguments(),
    sums={OUTPUT: outputs, "input": towards_input, "weight": towards_weight},
    refusals=refusals,
    large=arguments,
    widths=over(
        lambda width: {"input": (ROWS, width, 2, 1), "weight": (width, 3, 1, 1), "bias": (3,)},
        stride=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        groups=1,
        output_padding=(0, 0),
    ),
    relations=of_transposed_convolution(arguments),
    mistakes=CONV_TRANSPOSE2D,
)

"""Convolution."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import OUTPUT, Refusal, Spec
from conformance.specs._mistakes_convolution import CONV2D
from conformance.specs._refusals import (
    completed,
    mis_sized,
    shape_of,
    slip,
    with_parameters,
    with_tensors,
    without_axes,
)
from conformance.specs._relations_convolution import of_convolution
from conformance.specs._spatial import both, reach, taps
from conformance.specs._sums import affordable, gaussian
from conformance.specs._widths import ROWS, over
from conformance.strategies import BUDGET, Shape, call, filled, optional, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    kind = draw(st.sampled_from(["pair", "pair", "pair", "same", "valid"]))

    def axis(room: int) -> tuple[Any, int]:
        kernel = taps(draw, room, budget)
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
        return (size, kernel, stride, padding, dilation), (kernel if budget > BUDGET else max(kernel, 2)) * windows

    vertical, horizontal, room = both(draw, axis, budget)
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


def outputs(length: int, samples: int, seed: int) -> Arguments:
    depth = -(-length // 9)
    return _sums({"input": (affordable(length, samples), depth, 3, 4), "weight": (3, depth, 3, 3), "bias": (3,)}, seed)


def towards_input(length: int, samples: int, seed: int) -> Arguments:
    filters = -(-length // 4)  # the middle pixel is in all windows
    return _sums({"input": (samples, 1, 3, 3), "weight": (filters, 1, 2, 2), "bias": None}, seed)


def towards_parameters(length: int, samples: int, seed: int) -> Arguments:
    images = -(-length // 16)
    return _sums({"input": (images, 1, 5, 5), "weight": (samples, 1, 2, 2), "bias": (samples,)}, seed)


def _sums(shapes: Mapping[str, Shape | None], seed: int) -> Arguments:
    return gaussian(shapes, seed, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, padding_mode="zeros")


def refusals(call: Arguments) -> Iterator[Refusal]:
    filters, depth, *kernel = shape_of(call, "weight")
    height, width = shape_of(call, "input")[-2:]
    call = completed(call, bias=(filters,))
    groups = call.parameters["groups"]
    yield from mis_sized(call, "input", -3)
    yield from mis_sized(call, "bias")
    yield without_axes(call, "input", 2)
    single = with_tensors(call, weight=Values((filters, groups * depth, *kernel)))
    single = with_parameters(single, groups=1)
    yield slip(single, "groups is 0", groups=0)
    yield slip(single, "groups is negative", groups=-1)
    yield slip(call, "the channels are not those of so many groups", groups=groups + 1)
    yield slip(call, "padding_mode is unknown", padding_mode="mirror")
    yield slip(call, "padding is unknown", padding="full")
    for name in ("stride", "dilation"):
        vertical, horizontal = call.parameters[name]
        yield slip(call, f"{name} is 0 along one axis", **{name: (vertical, 0)})
        yield slip(call, f"{name} is negative along one axis", **{name: (-vertical, horizontal)})
    if call.parameters["padding"] == "same":
        yield slip(call, "padding 'same' with a stride", stride=(1, 2))
    plain = with_parameters(call, padding=(0, 0), padding_mode="zeros", dilation=(1, 1))
    plain = with_tensors(plain, weight=Values((filters, depth, 1, 1)))
    yield slip(plain, "padding is negative along one axis", padding=(0, -1))
    large = with_tensors(plain, weight=Values((filters, depth, 1, width + 1)))
    yield Refusal("the kernel is larger than the padded input", large, plain)
    yield slip(plain, "there is too little to reflect", padding=(height, 0), padding_mode="reflect")
    yield slip(plain, "there is too little to wrap around", padding=(0, width + 1), padding_mode="circular")
    if filters % 2 and depth % 2 == 0:
        yield Refusal(
            "the groups do not divide the filters",
            with_parameters(with_tensors(plain, weight=Values((filters, depth // 2, 1, 1))), groups=2 * groups),
            plain,
        )


SPEC = Spec(
    "Convolutional Layer",
    arguments(),
    sums={OUTPUT: outputs, "input": towards_input, "weight": towards_parameters, "bias": towards_parameters},
    refusals=refusals,
    large=arguments,
    widths=over(
        lambda width: {"input": (ROWS, width, 2, 1), "weight": (3, width, 1, 1), "bias": (3,)},
        stride=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        groups=1,
        padding_mode="zeros",
    ),
    relations=of_convolution(arguments),
    mistakes=CONV2D,
)

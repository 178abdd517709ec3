"""Relations of pooling: copies and averages of the same windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod

import numpy as np

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import shape_of, with_parameters
from conformance.specs._relations import LARGE, Drawn, cut, integers, reshaped
from conformance.specs._relations_spatial import BATCH, Permitted, axes_swapped, exactly, in_batches, strided
from conformance.values import Array


def _floored(found: Arguments) -> Arguments:
    """The call without windows that reach beyond the padding, on an image that is larger by as much."""
    strides = found.parameters["stride"] or found.parameters["kernel_size"]
    *batch, height, width = shape_of(found, "input")
    larger = (*batch, height + strides[0] - 1, width + strides[1] - 1)
    return with_parameters(reshaped(found, input=larger), ceil_mode=False)


def _surrounded(filling: float, permitted: Permitted) -> Callable[[Asker], list[Equation]]:
    """Padding that is part of the image."""

    def equations(ask: Asker) -> list[Equation]:
        input = ask.tensors["input"]
        pads = [(p, p) for p in ask.parameters["padding"]]
        wider = np.pad(input, [*[(0, 0)] * (input.ndim - 2), *pads], constant_values=filling)
        left, right = ask()[0], ask(input=wider, padding=(0, 0))[0]
        return [Equation("output", left, right, permitted(ask, left, right))]

    return equations


def _attained(ask: Asker) -> Iterable[Equation]:
    output, places = ask()
    *leading, height, width = ask.tensors["input"].shape
    flat = ask.tensors["input"].reshape(*leading, height * width)
    known = np.clip(places, 0, height * width - 1).reshape(*leading, prod(output.shape[-2:]))
    yield Equation("indices", places, known.reshape(places.shape))
    yield Equation("output", output, np.take_along_axis(flat, known, -1).reshape(output.shape))


def of_max_pooling(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``max_pool2d``."""
    drawn = arguments(LARGE)
    return {
        "batch in two": cut(in_batches(drawn), BATCH),
        "height for width": axes_swapped(drawn, exactly),
        "stride": strided(drawn.map(_floored), exactly),
        "padding": Relation(
            "padding is minus infinity around the image", drawn.map(_floored), _surrounded(-np.inf, exactly)
        ),
        "indices": Relation(
            "the pixel at the index is the largest",
            drawn.map(lambda found: with_parameters(found, return_indices=True)),
            _attained,
        ),
    }


def _window(ask: Asker) -> int:
    return int(prod(ask.parameters["kernel_size"]))


def _divided(ask: Asker, left: Array, right: Array) -> Array:
    """Sums of integers are the same before they are divided."""
    ask.require_exact(_window(ask), ask.tensors["input"])
    return ask.rounding(left, right, divided=True)


def _summed_by_convolution(ask: Asker) -> list[Equation]:
    input, kernel = ask.tensors["input"], ask.parameters["kernel_size"]
    channels = input.shape[-3]
    sums = ask.other(
        "conv2d",
        {"input": input, "weight": np.ones((channels, 1, *kernel)), "bias": None},
        stride=ask.parameters["stride"] or kernel,
        padding=ask.parameters["padding"],
        dilation=(1, 1),
        groups=channels,
        padding_mode="zeros",
    )
    left, right = ask()[0], sums()[0] / (ask.parameters["divisor_override"] or _window(ask))
    return [Equation("output", left, right, _divided(ask, left, right))]


def of_average_pooling(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``avg_pool2d``."""
    drawn = integers(arguments(LARGE))
    whole = drawn.map(_floored).map(lambda found: with_parameters(found, count_include_pad=True))
    return {
        "batch in two": cut(in_batches(drawn), BATCH, terms=_window, factors=("input",), divided=True),
        "height for width": axes_swapped(drawn, _divided),
        "stride": strided(drawn.map(_floored), _divided),
        "padding": Relation("padding is zeros around the image", whole, _surrounded(0.0, _divided)),
        "sum of pixels": Relation("an average is a convolution with ones, divided", whole, _summed_by_convolution),
    }

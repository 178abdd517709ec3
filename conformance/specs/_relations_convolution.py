"""Relations of convolutions: parts of sums, groups, padding, stride and dilation, and one layer by another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations import LARGE, Drawn, cut, integers
from conformance.specs._relations_spatial import BATCH, axes_swapped, in_batches, strided
from conformance.strategies import call, filled, sides
from conformance.values import Array, Values

_PADDED = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _terms(ask: Asker) -> int:
    """The products in one output, at most."""
    first, second, *kernel = ask.tensors["weight"].shape
    return int(max(first, second) * prod(kernel))


def _exact(ask: Asker) -> None:
    ask.require_exact(_terms(ask), ask.tensors["input"], ask.tensors["weight"])


def _stored(ask: Asker, left: Array, right: Array) -> Array:
    """Sums of integers are the same before they are stored."""
    _exact(ask)
    return ask.rounding(left, right)


def _grouped(arguments: SearchStrategy[Arguments]) -> SearchStrategy[Arguments]:
    """The same calls, of two groups at least."""

    def doubled(found: Arguments) -> Arguments:
        if found.parameters["groups"] > 1:
            return found
        *batch, channels, height, width = shape_of(found, "input")
        filters, *rest = shape_of(found, "weight")
        shapes = {"input": (*batch, 2 * channels, height, width), "weight": (2 * filters, *rest)}
        if found.tensors["bias"] is not None:
            shapes["bias"] = (2 * shape_of(found, "bias")[0],)
        larger = {name: Values(shape, "integers", k) for k, (name, shape) in enumerate(shapes.items())}
        return with_parameters(with_tensors(found, **larger), groups=2)

    return arguments.map(doubled)


def _groups(ask: Asker) -> list[Equation]:
    groups = ask.parameters["groups"]
    found = []
    for part in ask.parts(groups):
        those = {
            name: _blocks(array, -3 if name == "input" else 0, groups, part)
            for name, array in ask.tensors.items()
            if array is not None
        }
        found.append(ask(**those, groups=part.stop - part.start)[0])
    left, right = ask()[0], np.concatenate(found, axis=-3)
    return [Equation("output", left, right, _stored(ask, left, right))]


def _blocks(array: Array, axis: int, groups: int, part: slice) -> Array:
    """These groups of an axis that is made of so many."""
    return np.concatenate(np.split(array, groups, axis)[part], axis)


def _within_groups(array: Array, axis: int, groups: int, part: slice) -> Array:
    """This part of every group of an axis that is made of so many."""
    places = range(array.shape[axis] // groups)[part]
    return np.concatenate([np.take(group, places, axis) for group in np.split(array, groups, axis)], axis)


def _channels(depths: Callable[[Asker], int], weight_axis: int) -> Callable[[Asker], list[Equation]]:
    """Both parts of the channels in every group, of which a group has ``depths``."""

    def equations(ask: Asker) -> list[Equation]:
        _exact(ask)
        tensors, groups, depth = ask.tensors, ask.parameters["groups"], depths(ask)
        found = []
        for k, part in enumerate(ask.parts(depth)):
            images = _within_groups(tensors["input"], -3, groups, part)
            taps = _within_groups(tensors["weight"], weight_axis, groups if weight_axis == 0 else 1, part)
            found.append(ask(input=images, weight=taps, bias=tensors["bias"] if k == 0 else None)[0])
        whole = ask()[0]
        return [Equation("output", whole, np.sum(found, axis=0), ask.rounding(whole, *found))]

    return equations


def _padded(ask: Asker) -> list[Equation]:
    mode = _PADDED[ask.parameters["padding_mode"]]
    spans = [d * (k - 1) for d, k in zip(ask.parameters["dilation"], ask.tensors["weight"].shape[-2:], strict=True)]
    padding = ask.parameters["padding"]
    if padding == "same":
        pads = [(span // 2, span - span // 2) for span in spans]
    else:
        pads = [(p, p) for p in ((0, 0) if padding == "valid" else padding)]
    input = ask.tensors["input"]
    wider = np.pad(input, [*[(0, 0)] * (input.ndim - 2), *pads], mode)  # type: ignore[call-overload]
    left, right = ask()[0], ask(input=wider, padding=(0, 0), padding_mode="zeros")[0]
    return [Equation("output", left, right, _stored(ask, left, right))]


def _dilated(ask: Asker) -> list[Equation]:
    left, right = ask()[0], ask(weight=_apart(ask.tensors["weight"], ask.parameters["dilation"]), dilation=(1, 1))[0]
    return [Equation("output", left, right, _stored(ask, left, right))]


def _apart(array: Array, steps: tuple[int, int]) -> Array:
    """Rows and columns with zeros between them."""
    height, width = ((side - 1) * step + 1 for side, step in zip(array.shape[-2:], steps, strict=True))
    found = np.zeros((*array.shape[:-2], height, width))
    found[..., :: steps[0], :: steps[1]] = array
    return found


def _zeros_inserted(ask: Asker) -> list[Equation]:
    bias = ask.tensors["bias"]
    wider = _apart(ask.tensors["input"], ask.parameters["stride"])
    whole = ask(input=wider, bias=None, stride=(1, 1), padding=(0, 0), output_padding=(0, 0))[0]
    extra = [(0, more) for more in ask.parameters["output_padding"]]
    whole = np.pad(whole, [*[(0, 0)] * (whole.ndim - 2), *extra])
    rows, columns = (slice(p, side - p) for p, side in zip(ask.parameters["padding"], whole.shape[-2:], strict=True))
    summed = whole[..., rows, columns]
    left = ask()[0]
    right = summed if bias is None else summed + bias[:, None, None]
    return [Equation("output", left, right, _stored(ask, left, summed))]


@st.composite
def _pixelwise(draw: st.DrawFn) -> Arguments:
    samples, channels, filters, height, width = draw(sides(5, LARGE, most=9))
    shapes = {"input": (samples, channels, height, width), "weight": (filters, channels, 1, 1), "bias": (filters,)}
    return call(draw(filled(shapes)), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, padding_mode="zeros")


def _linear(ask: Asker) -> list[Equation]:
    input, weight, bias = (ask.tensors[name] for name in ("input", "weight", "bias"))
    dense = ask.other("linear", {"input": np.moveaxis(input, 1, -1), "weight": weight[:, :, 0, 0], "bias": bias})
    left, right = ask()[0], np.moveaxis(dense()[0], -1, 1)
    _exact(ask)
    return [Equation("output", left, right, ask.rounding(left) + dense.rounding(right))]


def _zero_padded(found: Arguments) -> Arguments:
    """The call with zeros as padding, in pairs, enough of them for a window."""
    parameters, padding = found.parameters, found.parameters["padding"]
    kernel = shape_of(found, "weight")[-2:]
    whole = tuple(-(-d * (k - 1) // 2) for d, k in zip(parameters["dilation"], kernel, strict=True))
    pairs = {"same": whole, "valid": (0, 0)}.get(padding, padding) if isinstance(padding, str) else padding
    return with_parameters(with_tensors(found, bias=None), padding=pairs, padding_mode="zeros")


def _adjoint(ask: Asker) -> list[Equation]:
    input, weight, parameters = ask.tensors["input"], ask.tensors["weight"], ask.parameters
    _exact(ask)
    (forth,) = ask()
    other = RandomState(ask.number).randint(-4, 5, forth.shape).astype(np.float64)
    shared = {name: parameters[name] for name in ("stride", "padding", "dilation", "groups")}
    missed = tuple(
        (side + 2 * p - d * (k - 1) - 1) % s
        for side, k, s, p, d in zip(
            input.shape[-2:],
            weight.shape[-2:],
            *(shared[name] for name in ("stride", "padding", "dilation")),
            strict=True,
        )
    )
    transposed = ask.other(
        "conv_transpose2d", {"input": other, "weight": weight, "bias": None}, **shared, output_padding=missed
    )
    transposed.require_exact(_terms(transposed), other, weight)
    (back,) = transposed()
    permitted = _summed(ask.rounding(forth) * np.abs(other)) + _summed(transposed.rounding(back) * np.abs(input))
    return [Equation("inner product", _summed(forth * other), _summed(input * back), permitted)]


def _summed(images: Array) -> Array:
    return np.asarray(images.sum(axis=(-3, -2, -1)))


def _within_strides(found: Arguments) -> Arguments:
    """The call with an output padding that needs no dilation."""
    pairs = zip(found.parameters["output_padding"], found.parameters["stride"], strict=True)
    return with_parameters(found, output_padding=tuple(min(more, s - 1) for more, s in pairs), padding=(0, 0))


def of_convolution(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``conv2d``."""
    drawn = integers(arguments(LARGE))
    return {
        "batch in two": cut(in_batches(drawn), BATCH, terms=_terms),
        "height for width": axes_swapped(drawn, _stored),
        "stride": strided(drawn, _stored),
        "groups in two": Relation("groups do not know of each other", _grouped(drawn), _groups),
        "channels in two": Relation(
            "a sum over channels is the sum of its two parts",
            drawn,
            _channels(lambda ask: int(ask.tensors["weight"].shape[1]), 1),
        ),
        "padding": Relation("padding is part of a larger image", drawn, _padded),
        "dilation": Relation("a dilated kernel has zeros between its taps", drawn, _dilated),
        "one pixel": Relation("a kernel of one pixel is a linear layer", integers(_pixelwise()), _linear),
        "adjoint": Relation("<conv2d(x), y> = <x, conv_transpose2d(y)>", drawn.map(_zero_padded), _adjoint),
    }


def of_transposed_convolution(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``conv_transpose2d``."""
    drawn = integers(arguments(LARGE))
    return {
        "batch in two": cut(in_batches(drawn), BATCH, terms=_terms),
        "height for width": axes_swapped(drawn, _stored),
        "stride": Relation("a stride inserts zeros between the pixels", drawn, _zeros_inserted),
        "groups in two": Relation("groups do not know of each other", _grouped(drawn), _groups),
        "channels in two": Relation(
            "a sum over channels is the sum of its two parts",
            drawn,
            _channels(lambda ask: int(ask.tensors["weight"].shape[0] // ask.parameters["groups"]), 0),
        ),
        "dilation": Relation("a dilated kernel has zeros between its taps", drawn.map(_within_strides), _dilated),
    }

"""Relations of layers that slide windows along images: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations import LARGE, cut, integers, reshaped
from conformance.strategies import call, filled, sides
from conformance.values import Array, Values

Drawn = Callable[[int], SearchStrategy[Arguments]]
Permitted = Callable[[Asker, Array, Array], Array]

_PADDED = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "size", "scale_factor")
_BATCH = {"input": 0}


def in_batches(arguments: SearchStrategy[Arguments]) -> SearchStrategy[Arguments]:
    """The same calls, of two images at least."""

    def batched(found: Arguments) -> Arguments:
        samples, *image = (2, *shape_of(found, "input"))[-4:]
        return reshaped(found, input=(max(samples, 2), *image))

    return arguments.map(batched)


def exactly(ask: Asker, left: Array, right: Array) -> Array:
    """Copies are the same."""
    return np.zeros(right.shape)


def axes_swapped(arguments: SearchStrategy[Arguments], permitted: Permitted) -> Relation:
    """Images, windows and pairs with height for width."""

    def equations(ask: Asker) -> list[Equation]:
        pairs = {
            name: pair[::-1] for name, pair in ask.parameters.items() if name in _PAIRS and isinstance(pair, tuple)
        }
        images = {name: ask.tensors[name].swapaxes(-1, -2) for name in ("input", "weight") if name in ask.tensors}
        left, right = ask()[0], ask(**images, **pairs)[0].swapaxes(-1, -2)
        return [Equation("output", left, right, permitted(ask, left, right))]

    return Relation("height and width can be exchanged", arguments, equations)


def _strided(arguments: SearchStrategy[Arguments], permitted: Permitted) -> Relation:
    def equations(ask: Asker) -> list[Equation]:
        vertical, horizontal = ask.parameters["stride"] or ask.parameters["kernel_size"]
        left, right = ask()[0], ask(stride=(1, 1))[0][..., ::vertical, ::horizontal]
        return [Equation("output", left, right, permitted(ask, left, right))]

    return Relation("a stride takes every so many windows of stride 1", arguments, equations)


# Convolutions


def _terms(ask: Asker) -> int:
    """The products in one output, at most."""
    shape = ask.tensors["weight"].shape
    return prod(shape[1:]) if ask.tensors["input"].shape[-3] != shape[0] else prod(shape[2:]) * max(shape[:2])


def _exact(ask: Asker) -> None:
    ask.require_exact(_terms(ask), *(ask.tensors[name] for name in ("input", "weight", "bias")))


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
        those = {"input": _blocks(ask.tensors["input"], -3, groups, part)}
        those |= {
            name: _blocks(ask.tensors[name], 0, groups, part)
            for name in ("weight", "bias")
            if ask.tensors[name] is not None
        }
        found.append(ask(**those, groups=those["weight"].shape[0] * groups // ask.tensors["weight"].shape[0])[0])
    left, right = ask()[0], np.concatenate(found, axis=-3)
    return [Equation("output", left, right, _stored(ask, left, right))]


def _blocks(array: Array, axis: int, groups: int, part: slice) -> Array:
    """These groups of an axis that is made of so many."""
    size = array.shape[axis] // groups
    return np.take(array, range(*(size * i for i in part.indices(groups)[:2])), axis)


def _channels(depths: Callable[[Asker], int], weight_axis: int) -> Callable[[Asker], list[Equation]]:
    """Both parts of the channels in every group, of which a group has ``depths``."""

    def equations(ask: Asker) -> list[Equation]:
        input, weight, groups, depth = (
            ask.tensors["input"],
            ask.tensors["weight"],
            ask.parameters["groups"],
            depths(ask),
        )
        found = []
        for k, part in enumerate(ask.parts(depth)):
            *batch, _, height, width = input.shape
            images = input.reshape(*batch, groups, depth, height, width)[..., part, :, :]
            taps = weight[:, part]
            if weight_axis == 0:
                taps = weight.reshape(groups, depth, *weight.shape[1:])[:, part].reshape(-1, *weight.shape[1:])
            bias = ask.tensors["bias"] if k == 0 else None
            found.append(
                ask(input=images.reshape(*batch, groups * images.shape[-3], height, width), weight=taps, bias=bias)[0]
            )
        whole = ask()[0]
        _exact(ask)
        return [Equation("output", whole, np.sum(found, axis=0), ask.rounding(whole, *found))]

    return equations


def _padded(ask: Asker) -> list[Equation]:
    mode = _PADDED[ask.parameters["padding_mode"]]
    spans = [d * (k - 1) for d, k in zip(ask.parameters["dilation"], ask.tensors["weight"].shape[-2:], strict=True)]
    padding = ask.parameters["padding"]
    if padding == "same":
        pads = [(span // 2, span - span // 2) for span in spans]
    else:
        pads = [(0, 0) if padding == "valid" else (p, p) for p in padding]
    wider: Any = np.pad(ask.tensors["input"], [*[(0, 0)] * (ask.tensors["input"].ndim - 2), *pads[-2:]], mode)  # type: ignore[call-overload]
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
    return [Equation("output", left, right, _stored(ask, left, right))]


def _zero_padded(found: Arguments) -> Arguments:
    """The call with zeros as padding, in pairs."""
    parameters, padding = found.parameters, found.parameters["padding"]
    kernel = shape_of(found, "weight")[-2:]
    whole = tuple(d * (k - 1) // 2 for d, k in zip(parameters["dilation"], kernel, strict=True))
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


def of_convolution(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``conv2d``."""
    drawn = integers(arguments(LARGE))
    return {
        "batch in two": cut(in_batches(drawn), _BATCH, terms=_terms),
        "height for width": axes_swapped(drawn, _stored),
        "stride": _strided(drawn, _stored),
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
        "batch in two": cut(in_batches(drawn), _BATCH, terms=_terms),
        "height for width": axes_swapped(drawn, _stored),
        "stride": Relation("a stride inserts zeros between the pixels", drawn, _zeros_inserted),
        "groups in two": Relation("groups do not know of each other", _grouped(drawn), _groups),
        "channels in two": Relation(
            "a sum over channels is the sum of its two parts",
            drawn,
            _channels(lambda ask: int(ask.tensors["weight"].shape[0] // ask.parameters["groups"]), 0),
        ),
        "dilation": Relation("a dilated kernel has zeros between its taps", drawn, _dilated),
    }


# Pooling


def _floored(found: Arguments) -> Arguments:
    """The call without windows that reach beyond the padding, on an image that is larger by as much."""
    strides = found.parameters["stride"] or found.parameters["kernel_size"]
    *batch, height, width = shape_of(found, "input")
    larger = (*batch, height + strides[0] - 1, width + strides[1] - 1)
    return with_parameters(reshaped(found, input=larger), ceil_mode=False)


def _surrounded(with_: float, permitted: Permitted) -> Callable[[Asker], list[Equation]]:
    def equations(ask: Asker) -> list[Equation]:
        input = ask.tensors["input"]
        pads = [(p, p) for p in ask.parameters["padding"]]
        wider = np.pad(input, [*[(0, 0)] * (input.ndim - 2), *pads], constant_values=with_)
        left, right = ask()[0], ask(input=wider, padding=(0, 0))[0]
        return [Equation("output", left, right, permitted(ask, left, right))]

    return equations


def _attained(ask: Asker) -> Iterable[Equation]:
    output, places = ask()
    flat = ask.tensors["input"].reshape(*output.shape[:-2], -1)
    known = np.clip(places, 0, flat.shape[-1] - 1).reshape(*output.shape[:-2], -1)
    yield Equation("indices", places, known.reshape(places.shape))
    yield Equation("output", output, np.take_along_axis(flat, known, -1).reshape(output.shape))


def of_max_pooling(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``max_pool2d``."""
    drawn = arguments(LARGE)
    return {
        "batch in two": cut(in_batches(drawn), _BATCH),
        "height for width": axes_swapped(drawn, exactly),
        "stride": _strided(drawn.map(_floored), exactly),
        "padding": Relation(
            "padding is minus infinity around the image", drawn.map(_floored), _surrounded(-np.inf, exactly)
        ),
        "indices": Relation("the pixel at the index is the largest", drawn, _attained),
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
        "batch in two": cut(in_batches(drawn), _BATCH, terms=_window, factors=("input",), divided=True),
        "height for width": axes_swapped(drawn, _divided),
        "stride": _strided(drawn.map(_floored), _divided),
        "padding": Relation("padding is zeros around the image", whole, _surrounded(0.0, _divided)),
        "sum of pixels": Relation("an average is a convolution with ones, divided", whole, _summed_by_convolution),
    }

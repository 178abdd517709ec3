"""Relations of interpolation, by factors of powers of two, whose places and weights are exact, and by any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._relations import FEW, LARGE, Drawn, cut, integers, repeats
from conformance.specs._relations_spatial import BATCH, Permitted, axes_swapped, exactly, in_batches
from conformance.strategies import call, filled, sides
from conformance.values import Array

_FACTORS = (1, 2, 4)


@st.composite
def _enlarged(draw: st.DrawFn, /, **parameters: Any) -> Arguments:
    """Images to be enlarged by exact factors, given as such or by the size."""
    shape = draw(sides(4, LARGE // max(_FACTORS) ** 2))
    factors = draw(st.sampled_from([pair for pair in product(_FACTORS, _FACTORS) if pair != (1, 1)]))
    if draw(st.booleans()):
        target: dict[str, Any] = {"size": None, "scale_factor": tuple(map(float, factors))}
    else:
        larger = tuple(side * factor for side, factor in zip(shape[-2:], factors, strict=True))
        target = {"size": larger, "scale_factor": None}
    return call(draw(filled({"input": shape})), **target, recompute_scale_factor=None, **parameters)


def _factors(ask: Asker) -> tuple[int, int]:
    size, factors = ask.parameters["size"], ask.parameters["scale_factor"]
    height, width = ask.tensors["input"].shape[-2:]
    return (size[0] // height, size[1] // width) if factors is None else (int(factors[0]), int(factors[1]))


def _pixels_repeated(ask: Asker) -> list[Equation]:
    vertical, horizontal = _factors(ask)
    return [Equation("output", ask()[0], ask.tensors["input"].repeat(vertical, -2).repeat(horizontal, -1))]


def _twice(ask: Asker) -> list[Equation]:
    vertical, horizontal = _factors(ask)
    by = {"size": None, "scale_factor": (float(vertical), float(horizontal))}
    again = {"size": None, "scale_factor": (float(vertical**2), float(horizontal**2))}
    return [Equation("output", ask(input=ask(**by)[0], **by)[0], ask(**again)[0])]


def _by_size(permitted: Permitted) -> Callable[[Asker], list[Equation]]:
    def equations(ask: Asker) -> list[Equation]:
        vertical, horizontal = _factors(ask)
        height, width = ask.tensors["input"].shape[-2:]
        (left,) = ask(size=None, scale_factor=(float(vertical), float(horizontal)))
        (right,) = ask(size=(height * vertical, width * horizontal), scale_factor=None)
        return [Equation("output", left, right, permitted(ask, left, right))]

    return equations


def _by_size_relation(arguments: SearchStrategy[Arguments], permitted: Permitted) -> Relation:
    return Relation("a scale factor is the size that it gives", arguments, _by_size(permitted))


def of_nearest(arguments: Drawn, **parameters: Any) -> Mapping[str, Relation]:
    """The relations of interpolation by the nearest pixel."""
    enlarged = _enlarged(**parameters)
    return {
        "equal images": repeats(in_batches(arguments(FEW)), BATCH),
        "batch in two": cut(in_batches(enlarged), BATCH),
        "height for width": axes_swapped(enlarged, exactly),
        "pixels repeated": Relation("a whole factor repeats every pixel so many times", enlarged, _pixels_repeated),
        "twice": Relation("a factor applied twice is its square", enlarged, _twice),
        "size for factor": _by_size_relation(enlarged, exactly),
    }


def _weighted(ask: Asker, left: Array, right: Array) -> Array:
    """A factor s has weights of whole 1 / 2s along each axis, and so sums of whole 1 / 4s² of integers."""
    vertical, horizontal = _factors(ask)
    step = 1.0 / (4 * vertical * horizontal)
    ask.require_exact(4 * 4 * vertical * horizontal, ask.tensors["input"])
    return ask.rounding(left, right, step=step)


@st.composite
def _cornered(draw: st.DrawFn) -> Arguments:
    batch = draw(sides(2, 6, most=3))
    height, width = draw(sides(2, LARGE // 32, least=2))
    larger = draw(sides(2, LARGE // 32, least=2))
    return call(
        draw(filled({"input": (*batch, height, width)})),
        size=larger,
        scale_factor=None,
        recompute_scale_factor=None,
        align_corners=True,
        asymmetric=False,
    )


def _corners(ask: Asker) -> list[Equation]:
    input, (output,) = ask.tensors["input"], ask()
    samples, channels, height, width = output.shape
    places = list(product(range(samples), range(channels), (0, height - 1), (0, width - 1)))
    (bound,) = ask.bounds([places])
    found = output[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].ravel()
    return [Equation("corners", found, input[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].ravel(), bound)]


def of_bilinear(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``upsample_bilinear``."""
    enlarged = integers(_enlarged(align_corners=False, asymmetric=False))
    return {
        "equal images": repeats(in_batches(arguments(FEW)), BATCH),
        "height for width": axes_swapped(enlarged, _weighted),
        "size for factor": _by_size_relation(enlarged, _weighted),
        "corners": Relation("aligned corners are the corners of the image", _cornered(), _corners),
    }

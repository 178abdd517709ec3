"""Layer normalisation."""

from collections.abc import Iterator
from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_normalisation import LAYER_NORM
from conformance.specs._normalisation import EPS, affine, extents, largest, tensors
from conformance.specs._refusals import completed, mis_sized, slip
from conformance.specs._relations_normalisation import of_layer_norm
from conformance.specs._widths import ROWS, reduced
from conformance.strategies import call

# Elements of a slice of several axes.
_LONG = 2**12


@st.composite
def arguments(draw: st.DrawFn, budget: int = 300) -> Arguments:
    shape = draw(extents(1, 4, budget))
    normalized = shape[draw(st.integers(0, len(shape) - 1)) :]
    while len(normalized) > 1 and prod(normalized) > _LONG:  # a slice is evaluated whole
        normalized = normalized[1:]
    shapes = {"input": shape, **draw(affine(normalized))}
    return call(draw(tensors(shapes)), normalized_shape=normalized, eps=draw(EPS))


def refusals(call: Arguments) -> Iterator[Refusal]:
    shape = call.parameters["normalized_shape"]
    call = completed(call, weight=shape, bias=shape)
    yield from mis_sized(call, "input", -1)
    yield slip(call, "normalized_shape is empty", normalized_shape=())
    yield slip(call, "normalized_shape is longer than the last axis", normalized_shape=(*shape[:-1], shape[-1] + 1))
    for name in ("weight", "bias"):
        yield from mis_sized(call, name)
        yield from mis_sized(call, name, -1)


SPEC = Spec(
    "Layer Normalization Layer",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=reduced(
        lambda width: {"input": (ROWS, width), "weight": (width,), "bias": (width,)},
        lambda width: {"normalized_shape": (width,), "eps": 1e-5},
        "offset",
    ),
    relations=of_layer_norm(arguments),
    mistakes=LAYER_NORM,
)

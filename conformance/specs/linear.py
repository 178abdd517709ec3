"""Linear layer."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import OUTPUT, Refusal, Spec
from conformance.specs._mistakes_dense import LINEAR
from conformance.specs._refusals import completed, mis_sized, shape_of, without_axes
from conformance.specs._relations_dense import of_dense
from conformance.specs._sums import gaussian
from conformance.specs._widths import ROWS, over
from conformance.strategies import batches, call, filled, optional, shared, sides


@st.composite
def arguments(draw: st.DrawFn, budget: int = 400) -> Arguments:
    leading, budget = draw(shared(budget, 8))
    batch = draw(batches(budget=leading))
    outs, ins = draw(sides(2, budget))
    shapes = {"input": (*batch, ins), "weight": (outs, ins), "bias": draw(optional((outs,)))}
    return call(draw(filled(shapes)))


def outputs(length: int, samples: int, seed: int) -> Arguments:
    return gaussian({"input": (samples, length), "weight": (3, length), "bias": (3,)}, seed)


def towards_input(length: int, samples: int, seed: int) -> Arguments:
    return gaussian({"input": (samples, 1), "weight": (length, 1), "bias": None}, seed)


def towards_parameters(length: int, samples: int, seed: int) -> Arguments:
    return gaussian({"input": (length, 2), "weight": (samples, 2), "bias": (samples,)}, seed)


def refusals(call: Arguments) -> Iterator[Refusal]:
    call = completed(call, bias=shape_of(call, "weight")[:1])
    yield from mis_sized(call, "input", -1)
    yield from mis_sized(call, "bias")
    yield without_axes(call, "weight", 1)
    yield without_axes(call, "input", 0)


SPEC = Spec(
    "Linear Layer",
    arguments(),
    sums={OUTPUT: outputs, "input": towards_input, "weight": towards_parameters, "bias": towards_parameters},
    refusals=refusals,
    large=arguments,
    widths=over(lambda width: {"input": (ROWS, width), "weight": (3, width), "bias": (3,)}),
    relations=of_dense("linear"),
    mistakes=LINEAR,
)

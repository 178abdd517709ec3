"""Max pooling."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._refusals import slip
from conformance.specs._relations_pooling import of_max_pooling
from conformance.specs._spatial import images, pooling, pooling_refusals
from conformance.specs._widths import ROWS, reduced
from conformance.strategies import BUDGET, call, filled


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    size, parameters, work = draw(pooling(budget, dilated=True))
    shape = (*draw(images(work, empty=False)), *size)
    return call(draw(filled({"input": shape})), **parameters)


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from pooling_refusals(call)
    vertical, horizontal = call.parameters["dilation"]
    yield slip(call, "dilation is 0 along one axis", dilation=(0, horizontal))
    yield slip(call, "dilation is negative along one axis", dilation=(vertical, -horizontal))


SPEC = Spec(
    "Pooling Layer",
    arguments(),
    byproducts=frozenset({1}),
    refusals=refusals,
    large=arguments,
    widths=reduced(
        lambda width: {"input": (ROWS, 2, width)},
        lambda width: {
            "kernel_size": (1, width),
            "stride": None,
            "padding": (0, 0),
            "ceil_mode": False,
            "dilation": (1, 1),
        },
    ),
    relations=of_max_pooling(arguments),
)

"""Max pooling."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments, Case
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_pooling import MAX_POOL2D
from conformance.specs._refusals import slip
from conformance.specs._relations_pooling import of_max_pooling
from conformance.specs._spatial import images, pooling, pooling_refusals
from conformance.specs._widths import ROWS, reduced
from conformance.strategies import BUDGET, call, filled
from conformance.values import Array
from conformance.verdict import Actual


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    # with indices more is asked: a second output, and derivatives that go where it says
    return_indices = draw(st.sampled_from((True, True, True, False)))
    plain = not return_indices and draw(st.booleans())  # libraries without indices have little else
    size, parameters, work = draw(pooling(budget, dilated=True, plain=plain))
    shape = (*draw(images(work)), *size)
    return call(draw(filled({"input": shape})), **parameters, return_indices=return_indices)


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from pooling_refusals(call)
    vertical, horizontal = call.parameters["dilation"]
    yield slip(call, "dilation is 0 along one axis", dilation=(0, horizontal))
    yield slip(call, "dilation is negative along one axis", dilation=(vertical, -horizontal))


def winners(case: Case, actual: list[Actual]) -> dict[str, Array]:
    """Where the pixels lie that are the largest, as the indices have it, if there are any: derivatives go there."""
    shapes = {output.values.shape for output in actual}
    whole = len(actual) == 2 and len(shapes) == 1 and actual[1].values.dtype.kind == "i"
    return {"winners": actual[1].values} if whole else {}  # else it is what is judged


SPEC = Spec(
    "Pooling Layer",
    arguments(),
    observed=winners,
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
            "return_indices": True,
        },
    ),
    relations=of_max_pooling(arguments),
    mistakes=MAX_POOL2D,
)

"""Spatial attention: every pixel is multiplied by a gate."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_gates import SPATIAL_ATTENTION
from conformance.specs._refusals import mis_sized, with_tensors
from conformance.specs._relations_gates import EXEMPT, of_spatial_attention
from conformance.strategies import BUDGET, batches, call, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    side = draw(st.sampled_from((3, 1, 5, 7)))
    channels, height, width = draw(sides(3, budget // (2 * side), most=5))
    shapes = {"input": (*draw(batches(1, 3)), channels, height, width), "weight": (1, 2, side, side)}
    return call(draw(gentle(shapes, "weight")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from mis_sized(call, "weight", 1)
    yield Refusal("the kernel has an even number of rows", with_tensors(call, weight=Values((1, 2, 2, 2))), call)


SPEC = Spec(
    "Attention Mechanism, which names it; Woo et al. 2018, equation 3",
    arguments(),
    refusals=refusals,
    relations=of_spatial_attention(arguments),
    exempt=EXEMPT,
    mistakes=SPATIAL_ATTENTION,
)

"""Adaptive attention: to the regions of an image, or to a sentinel that stands for what is known without them."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_scores import ADAPTIVE_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_adaptive import of_adaptive_attention
from conformance.strategies import BUDGET, call

EXEMPT = {
    "linear": "the regions are both keys and values",
    "equal queries": "a sample has one query",
    "keys shifted": "a hyperbolic tangent stands between the regions and the scores",
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (count, width, query_width, hidden) = draw(extents(4, budget))
    shapes = {
        "input": (*batch, count, width),
        "sentinel": (*batch, width),
        "query": (*batch, query_width),
        "weight_input": (hidden, width),
        "weight_sentinel": (hidden, width),
        "weight_query": (hidden, query_width),
        "v": (hidden,),
    }
    return call(draw(gentle(shapes, "weight_input", "weight_sentinel", "weight_query", "v")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("weight_input", 1), ("weight_sentinel", 0), ("weight_query", 0), ("v", 0), ("sentinel", -1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Lu et al. 2017",
    arguments(),
    refusals=refusals,
    relations=of_adaptive_attention(arguments),
    exempt=EXEMPT,
    mistakes=ADAPTIVE_ATTENTION,
)

"""Memory attention: what is read from a memory is added to the query."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_hierarchical import MEMORY_ATTENTION
from conformance.specs._refusals import mis_sized, slip
from conformance.strategies import BUDGET, call

EXEMPT = {
    "equal values": "the query is added to what is read",
    "hull": "the query is added to what is read",
    "linear": "the query is added, and further hops ask with what the first has read",
    "equal queries": "a sample has one query",
}
AXES = {"input": 0, "memory_in": 0, "memory_out": 0}
MEMORIES = ("memory_in", "memory_out")


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (slots, width) = draw(extents(2, budget // 4))
    shapes = {"input": (*batch, width), **dict.fromkeys(MEMORIES, (*batch, slots, width))}
    return call(draw(gentle(shapes, *shapes)), hops=draw(st.integers(1, 3)))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from mis_sized(call, "input", -1)
    yield from mis_sized(call, "memory_out", -2)
    yield slip(call, "there are 0 hops", hops=0)


SPEC = Spec(
    "Attention Mechanism, which names it; Sukhbaatar et al. 2015",
    arguments(),
    refusals=refusals,
    relations=laws(arguments, AXES, MEMORIES, queries={"input": -1}, value="memory_out", without=EXEMPT),
    exempt=EXEMPT,
    mistakes=MEMORY_ATTENTION,
)

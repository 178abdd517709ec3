"""Cross-attention."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle, largest
from conformance.specs._mistakes_attention import CROSS_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import of_cross_attention
from conformance.strategies import BUDGET, call

# The laws of attention speak of values and keys as they are given.
EXEMPT = {
    "equal values": "the values are projected",
    "hull": "the values are projected",
    "linear": "the context is both keys and values",
    "keys shifted": "the context is both keys and values",
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (queries, keys, features, context, width) = draw(extents(5, budget))
    value_width = draw(st.sampled_from((2, 1, 3, 7)))
    shapes = {
        "input": (*batch, queries, features),
        "context": (*batch, keys, context),
        "weight_q": (features, width),
        "weight_k": (context, width),
        "weight_v": (context, value_width),
    }
    return call(draw(gentle(shapes, "input", "context", "weight_q", "weight_k")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("weight_q", 0), ("weight_k", 0), ("weight_v", 0), ("weight_q", 1), ("weight_k", 1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Vaswani et al. 2017, section 3.2.3",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations=of_cross_attention(arguments),
    exempt=EXEMPT,
    mistakes=CROSS_ATTENTION,
)

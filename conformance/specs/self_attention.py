"""Self-attention."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle, largest
from conformance.specs._mistakes_attention import SELF_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import of_self_attention
from conformance.strategies import BUDGET, call

# The laws of attention speak of values and keys as they are given.
EXEMPT = {
    "equal values": "the values are projected",
    "hull": "the values are projected",
    "linear": "the input is queries, keys and values",
    "keys permuted": "the keys are the queries: see permuted",
    "equal queries": "the queries are the keys: see permuted",
    "keys shifted": "the input is queries, keys and values",
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (length, features, width, value_width) = draw(extents(4, budget))
    shapes = {
        "input": (*batch, length, features),
        "weight_q": (features, width),
        "weight_k": (features, width),
        "weight_v": (features, value_width),
    }
    return call(draw(gentle(shapes, "input", "weight_q", "weight_k")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("weight_q", 0), ("weight_k", 0), ("weight_v", 0), ("weight_q", 1), ("weight_k", 1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations=of_self_attention(arguments),
    exempt=EXEMPT,
    mistakes=SELF_ATTENTION,
)

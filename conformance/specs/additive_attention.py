"""Additive attention."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle, largest
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_attention import ADDITIVE_ATTENTION
from conformance.specs._refusals import completed, mis_sized, shape_of, with_tensors
from conformance.specs._relations_attention import of_additive_attention
from conformance.strategies import BUDGET, call, optional

EXEMPT = {
    "equal queries": "a sample has one query",
    "keys shifted": "a hyperbolic tangent stands between the keys and the scores",
}
AXES = {"input": 0, "value": 0, "query": 0}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (keys, states, hidden, value_width) = draw(extents(4, budget))
    asked = draw(st.sampled_from((None, 3, 1, 4)))
    shapes = {
        "input": (*batch, keys, states),
        "value": (*batch, keys, value_width),
        "weight": (hidden, states),
        "bias": draw(optional((hidden,))),
        "v": (hidden,),
        "query": (*batch, asked) if asked else None,
        "weight_query": (hidden, asked) if asked else None,
    }
    return call(draw(gentle(shapes, "weight", "v", "weight_query")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    hidden = shape_of(call, "weight")[0]
    batch = shape_of(call, "input")[:-2]
    call = completed(call, bias=(hidden,), query=(*batch, 2), weight_query=(hidden, 2))
    for name, axis in (("weight", 1), ("v", 0), ("value", -2), ("weight_query", 1)):
        yield from mis_sized(call, name, axis)
    for name in ("bias", "weight_query"):  # what is added with +
        yield from mis_sized(call, name, broadcast=True)
    yield Refusal("a query comes without its weight", with_tensors(call, weight_query=None), call)
    yield Refusal("a weight comes without its query", with_tensors(call, query=None), call)


SPEC = Spec(
    "Attention Mechanism; with a query, Bahdanau et al. 2015",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations={
        **laws(arguments, AXES, ["input", "value"], queries={"query": -1}, without=EXEMPT),
        **of_additive_attention(arguments),
    },
    exempt=EXEMPT,
    mistakes=ADDITIVE_ATTENTION,
)

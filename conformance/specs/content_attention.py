"""Content-based attention: softmax over cosines."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import attending, largest, refusals, scored
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_scores import CONTENT_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import KEYS, SAMPLES
from conformance.strategies import BUDGET, call, seeds
from conformance.values import Values

EXEMPT = {"keys shifted": "the cosines of a query with the keys do not grow by the same number"}
AXES = {**SAMPLES, "strength": 0}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shapes = draw(attending(budget))
    strength = Values(shapes["query"][:-1], draw(st.sampled_from(("positive", "spread", "integers"))), draw(seeds))
    return call({**draw(scored(shapes)), "strength": strength})


def refused(call: Arguments) -> Iterator[Refusal]:
    yield from refusals(call)
    yield from mis_sized(call, "strength", -1)


SPEC = Spec(
    "Attention Mechanism; Graves, Wayne and Danihelka 2014",
    arguments(),
    refusals=refused,
    large=lambda budget: arguments(largest(budget)),
    relations=laws(arguments, AXES, KEYS, queries={"query": -2, "strength": -1}, without=EXEMPT),
    exempt=EXEMPT,
    mistakes=CONTENT_ATTENTION,
)

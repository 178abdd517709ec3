"""Structured attention: a chain that selects keys."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import attending, refusals, scored
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_weights import STRUCTURED_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import KEYS, SAMPLES
from conformance.strategies import BUDGET, call

EXEMPT = {
    "equal values": "each key is selected or not: the weights do not add up to one",
    "hull": "each key is selected or not: the weights do not add up to one",
    "keys permuted": "the keys are a chain",
    "keys shifted": "the scores are against those of keys that are not selected, which stay zero",
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shapes = {**draw(attending(budget // 8)), "transition": (2, 2)}
    return call(draw(scored(shapes)))


def refused(call: Arguments) -> Iterator[Refusal]:
    yield from refusals(call)
    yield from mis_sized(call, "transition", 0)
    yield from mis_sized(call, "transition", 1)


SPEC = Spec(
    "Attention Mechanism, which names it; Kim et al. 2017",
    arguments(),
    refusals=refused,
    relations=laws(arguments, SAMPLES, KEYS, without=EXEMPT),
    exempt=EXEMPT,
    mistakes=STRUCTURED_ATTENTION,
)

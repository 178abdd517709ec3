"""Monotonic attention: each query goes on from where the one before has stopped."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import attending, refusals, scored
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_weights import MONOTONIC_ATTENTION
from conformance.specs._relations_attention import KEYS, SAMPLES
from conformance.strategies import BUDGET, call

EXEMPT = {
    "equal values": "a query that stops nowhere has no value: the weights add up to less than one",
    "hull": "a query that stops nowhere has no value: the weights add up to less than one",
    "keys permuted": "the keys are passed in their order",
    "equal queries": "a query begins where the one before has stopped",
    "keys shifted": "the scores are probabilities, each by itself, not shares of a sum",
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    return call(draw(scored(draw(attending(budget)))))


SPEC = Spec(
    "Attention Mechanism, which names it; Raffel et al. 2017",
    arguments(),
    refusals=refusals,
    relations=laws(arguments, SAMPLES, KEYS, without=EXEMPT),
    exempt=EXEMPT,
    mistakes=MONOTONIC_ATTENTION,
)

"""Hard attention: the value of one key."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import attending, largest, refusals, scored
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_weights import HARD_ATTENTION
from conformance.specs._relations_attention import KEYS, SAMPLES
from conformance.strategies import BUDGET, call

EXEMPT = {"keys permuted": "of keys with equal scores the first one wins"}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    return call(draw(scored(draw(attending(budget)))))


SPEC = Spec(
    "Attention Mechanism; Xu et al. 2015, its most probable key",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations=laws(arguments, SAMPLES, KEYS, without=EXEMPT),
    exempt=EXEMPT,
    mistakes=HARD_ATTENTION,
)

"""Local attention: a window about each position."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import attending, largest, refusals, scored
from conformance.specs._mistakes_attention import LOCAL_ATTENTION
from conformance.specs._relations_scaled_attention import LOCAL_EXEMPT, of_local_attention
from conformance.strategies import BUDGET, call


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    return call(draw(scored(draw(attending(budget)))), window=draw(st.integers(0, 3)))


SPEC = Spec(
    "Attention Mechanism, which names it; Luong et al. 2015, section 3.2",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations=of_local_attention(arguments),
    exempt=LOCAL_EXEMPT,
    mistakes=LOCAL_ATTENTION,
)

"""Kernel attention with linear cost."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import attending, largest, refusals
from conformance.specs._attention import gentle as small
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_scores import LINEAR_ATTENTION
from conformance.specs._refusals import with_parameters
from conformance.specs._relations_attention import KEYS, SAMPLES, gentle
from conformance.strategies import BUDGET, call

EXEMPT = {"keys shifted": "the weights depend on each key by itself, not on differences of scores"}


def arguments(budget: int = BUDGET) -> st.SearchStrategy[Arguments]:
    """Without numbers so far below zero that all features vanish, and nothing is left to divide by."""
    return gentle(_any_arguments(budget))


@st.composite
def _any_arguments(draw: st.DrawFn, budget: int) -> Arguments:
    tensors = draw(small(draw(attending(budget)), "query", "key"))
    return call(tensors, is_causal=draw(st.booleans()), eps=draw(st.sampled_from((1e-6, 0.0, 0.5))))


def _without_eps(budget: int) -> st.SearchStrategy[Arguments]:
    """An ε takes from the sum of the weights."""
    return arguments(budget).map(lambda found: with_parameters(found, is_causal=False, eps=0.0))


SPEC = Spec(
    "Attention Mechanism, which names kernel attention; Katharopoulos et al. 2020",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget) // 8),
    relations=laws(_without_eps, SAMPLES, KEYS, without=EXEMPT),
    exempt=EXEMPT,
    mistakes=LINEAR_ATTENTION,
)

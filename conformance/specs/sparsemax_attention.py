"""Sparse attention: dot-product attention with sparsemax for softmax."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import attending, largest, refusals, scored
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_weights import SPARSEMAX_ATTENTION
from conformance.specs._relations_attention import KEYS, SAMPLES
from conformance.specs._widths import ROWS, over
from conformance.strategies import BUDGET, call


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    return call(draw(scored(draw(attending(budget)))))


SPEC = Spec(
    "Attention Mechanism, which names sparse attention; Martins and Astudillo 2016",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(lambda width: {"query": (ROWS, 4), "key": (width, 4), "value": (width, 2)}),
    relations=laws(arguments, SAMPLES, KEYS),
    mistakes=SPARSEMAX_ATTENTION,
)

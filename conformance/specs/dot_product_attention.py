"""Dot-product attention without a scale."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import attending, largest, refusals, scored
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_attention import DOT_PRODUCT_ATTENTION
from conformance.specs._relations_attention import KEYS, SAMPLES, of_dot_product_attention
from conformance.specs._widths import ROWS, over
from conformance.strategies import BUDGET, call


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    return call(draw(scored(draw(attending(budget)))))


SPEC = Spec(
    "Attention Mechanism",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(lambda width: {"query": (ROWS, 4), "key": (width, 4), "value": (width, 2)}),
    relations={**laws(arguments, SAMPLES, KEYS), **of_dot_product_attention(arguments)},
    mistakes=DOT_PRODUCT_ATTENTION,
)

"""Dot-product attention without a scale."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents, largest, refusals, scored
from conformance.specs._mistakes_attention import DOT_PRODUCT_ATTENTION
from conformance.specs._relations_attention import of_dot_product_attention
from conformance.specs._widths import ROWS, over
from conformance.strategies import BUDGET, call


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (queries, keys, width, value_width) = draw(extents(4, budget))
    shapes = {
        "query": (*batch, queries, width),
        "key": (*batch, keys, width),
        "value": (*batch, keys, value_width),
    }
    return call(draw(scored(shapes)))


SPEC = Spec(
    "Attention Mechanism",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(lambda width: {"query": (ROWS, 4), "key": (width, 4), "value": (width, 2)}),
    relations=of_dot_product_attention(arguments),
    mistakes=DOT_PRODUCT_ATTENTION,
)

"""Dot-product attention without a scale."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents, scored
from conformance.strategies import call


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch, (queries, keys, width, value_width) = draw(extents(4))
    shapes = {
        "query": (*batch, queries, width),
        "key": (*batch, keys, width),
        "value": (*batch, keys, value_width),
    }
    return call(draw(scored(shapes)))


SPEC = Spec("Attention Mechanism", arguments())

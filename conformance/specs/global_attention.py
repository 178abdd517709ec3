"""Global attention with the general score."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch, (queries, keys, width, key_width, value_width) = draw(extents(5))
    shapes = {
        "query": (*batch, queries, width),
        "key": (*batch, keys, key_width),
        "value": (*batch, keys, value_width),
        "weight": (width, key_width),
    }
    return call(draw(filled(shapes)))


SPEC = Spec("Attention Mechanism, which names it; Luong et al. 2015, equations 7 and 8", arguments())

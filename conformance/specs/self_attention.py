"""Self-attention."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch, (length, features, width, value_width) = draw(extents(4))
    shapes = {
        "input": (*batch, length, features),
        "weight_q": (features, width),
        "weight_k": (features, width),
        "weight_v": (features, value_width),
    }
    return call(draw(filled(shapes)))


SPEC = Spec("Attention Mechanism", arguments())

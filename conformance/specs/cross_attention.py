"""Cross-attention."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch, (queries, keys, features, context, width) = draw(extents(5))
    value_width = draw(st.sampled_from((2, 1, 3, 7)))
    shapes = {
        "input": (*batch, queries, features),
        "context": (*batch, keys, context),
        "weight_q": (features, width),
        "weight_k": (context, width),
        "weight_v": (context, value_width),
    }
    return call(draw(filled(shapes)))


SPEC = Spec("Attention Mechanism, which names it; Vaswani et al. 2017, section 3.2.3", arguments())

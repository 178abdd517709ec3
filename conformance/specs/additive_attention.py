"""Additive attention."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents
from conformance.strategies import call, filled, optional


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch, (keys, states, hidden, value_width) = draw(extents(4))
    asked = draw(st.sampled_from((None, 3, 1, 4)))
    shapes = {
        "input": (*batch, keys, states),
        "value": (*batch, keys, value_width),
        "weight": (hidden, states),
        "bias": draw(optional((hidden,))),
        "v": (hidden,),
        "query": (*batch, asked) if asked else None,
        "weight_query": (hidden, asked) if asked else None,
    }
    return call(draw(filled(shapes)))


SPEC = Spec("Attention Mechanism; with a query, Bahdanau et al. 2015", arguments())

"""Linear layer."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.strategies import batches, call, filled, optional, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch = draw(batches())
    outs, ins = draw(sides(2, 400))
    shapes = {"input": (*batch, ins), "weight": (outs, ins), "bias": draw(optional((outs,)))}
    return call(draw(filled(shapes)))


SPEC = Spec("Linear Layer", arguments())

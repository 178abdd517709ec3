"""Sinusoidal positional encoding."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.strategies import batches, call, filled, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch = draw(batches())
    length, width = draw(sides(2, 200))
    return call(draw(filled({"input": (*batch, length, width)})))


SPEC = Spec("Attention Mechanism, which names it; Vaswani et al. 2017, section 3.5", arguments())

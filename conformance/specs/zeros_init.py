"""Initialisation with zeros."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._initialisation import filled_by
from conformance.specs._mistakes_initialisation import ZEROS_INIT
from conformance.strategies import call, filled, sides
from oracle.initialisation import zeros_init


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    shape = draw(sides(draw(st.integers(0, 4)), least=0))
    return call(draw(filled({"tensor": shape})))


SPEC = Spec("Model Initialization", arguments(), law=filled_by(zeros_init), mistakes=ZEROS_INIT)

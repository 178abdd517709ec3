"""Dropout, in training."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Chance, Spec
from conformance.specs._random import PROBABILITIES, kept, large, mostly_nonzero
from conformance.strategies import call, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    shape = draw(sides(draw(st.integers(1, 4)), most=5))
    return call({"input": draw(mostly_nonzero(shape))}, p=draw(PROBABILITIES))

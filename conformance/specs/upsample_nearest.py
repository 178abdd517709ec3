"""Nearest-neighbour interpolation."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._spatial import resampling
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    shape, parameters = draw(resampling())
    return call(
        draw(filled({"input": shape})), **parameters, rounding=draw(st.sampled_from(["floor"] * 4 + ["half_up"]))
    )


SPEC = Spec("Nearest Neighbor Interpolation", arguments())

"""Bilinear interpolation."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._spatial import resampling
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    shape, parameters = draw(resampling())
    align_corners, asymmetric = draw(st.sampled_from([(False, False), (True, False)] * 2 + [(False, True)]))
    return call(draw(filled({"input": shape})), **parameters, align_corners=align_corners, asymmetric=asymmetric)


SPEC = Spec("Bilinear Interpolation", arguments())

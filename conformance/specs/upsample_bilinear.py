"""Bilinear interpolation."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._mistakes_resampling import UPSAMPLE_BILINEAR
from conformance.specs._relations_resampling import of_bilinear
from conformance.specs._spatial import resampling, resampling_refusals
from conformance.strategies import BUDGET, call, filled


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shape, parameters = draw(resampling(budget))
    align_corners, asymmetric = draw(st.sampled_from([(False, False), (True, False)] * 2 + [(False, True)]))
    return call(draw(filled({"input": shape})), **parameters, align_corners=align_corners, asymmetric=asymmetric)


SPEC = Spec(
    "Bilinear Interpolation",
    arguments(),
    refusals=resampling_refusals,
    large=arguments,
    relations=of_bilinear(arguments),
    mistakes=UPSAMPLE_BILINEAR,
)

"""Nearest-neighbour interpolation by pixel centres."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._mistakes_resampling import UPSAMPLE_NEAREST_EXACT
from conformance.specs._relations_resampling import of_nearest
from conformance.specs._spatial import resampling, resampling_refusals
from conformance.strategies import BUDGET, call, filled


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shape, parameters = draw(resampling(budget))
    return call(draw(filled({"input": shape})), **parameters)


SPEC = Spec(
    "Nearest Neighbor Interpolation; torch.nn.functional.interpolate, mode nearest-exact",
    arguments(),
    refusals=resampling_refusals,
    large=arguments,
    relations=of_nearest(arguments),
    mistakes=UPSAMPLE_NEAREST_EXACT,
)

"""Multi-scale attention: every pixel weighs the maps of several scales."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_images import MULTI_SCALE_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_images import SCALES_EXEMPT, of_multi_scale_attention
from conformance.strategies import BUDGET, batches, call, sides


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch = draw(batches(1, 3))
    scales, channels, height, width = draw(sides(4, budget // 4, most=5))
    shapes = {"input": (*batch, scales, channels, height, width), "scores": (*batch, scales, height, width)}
    return call(draw(gentle(shapes, "scores")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for axis in (-3, -2, -1):
        yield from mis_sized(call, "scores", axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Chen et al. 2016",
    arguments(),
    refusals=refusals,
    relations=of_multi_scale_attention(arguments),
    exempt=SCALES_EXEMPT,
    mistakes=MULTI_SCALE_ATTENTION,
)

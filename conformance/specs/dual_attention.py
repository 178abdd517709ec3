"""Dual attention: every pixel of an image attends to all pixels, and every channel to all channels."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_images import DUAL_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_images import DUAL_EXEMPT, of_dual_attention
from conformance.strategies import BUDGET, batches, call, sides

_WEIGHTS = ("weight_query", "weight_key", "weight_value")


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    # every pixel meets every pixel: an image of 16 takes 256 products for each channel
    height, width = draw(sides(2, min(budget // 30, 16), most=4))
    channels, reduced = draw(sides(2, 16, most=4))
    shapes = {
        "input": (*draw(batches(1, 3)), channels, height, width),
        "weight_query": (reduced, channels),
        "weight_key": (reduced, channels),
        "weight_value": (channels, channels),
        "alpha": (1,),
        "beta": (1,),
    }
    return call(draw(gentle(shapes, "input", *_WEIGHTS)))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name in _WEIGHTS:
        yield from mis_sized(call, name, 1)
    yield from mis_sized(call, "weight_key", 0)
    yield from mis_sized(call, "weight_value", 0)


SPEC = Spec(
    "Attention Mechanism, which names it; Fu et al. 2019",
    arguments(),
    refusals=refusals,
    relations=of_dual_attention(arguments),
    exempt=DUAL_EXEMPT,
    mistakes=DUAL_ATTENTION,
)

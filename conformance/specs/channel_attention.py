"""Channel-wise attention: every channel is multiplied by a gate."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_gates import CHANNEL_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_gates import EXEMPT, of_channel_attention
from conformance.strategies import BUDGET, batches, call, sides


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    channels, reduced, height, width = draw(sides(4, budget // 4, most=5))
    shapes = {
        "input": (*draw(batches(1, 3)), channels, height, width),
        "weight_reduce": (reduced, channels),
        "weight_expand": (channels, reduced),
    }
    return call(draw(gentle(shapes, "weight_reduce", "weight_expand")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("weight_reduce", 1), ("weight_expand", 0), ("weight_expand", 1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Hu et al. 2018",
    arguments(),
    refusals=refusals,
    relations=of_channel_attention(arguments),
    exempt=EXEMPT,
    mistakes=CHANNEL_ATTENTION,
)

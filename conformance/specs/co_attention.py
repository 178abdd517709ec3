"""Co-attention: two sequences attend to each other at once."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_pairs import CO_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_pairs import EXEMPT, of_co_attention
from conformance.strategies import BUDGET, call


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    hidden = draw(st.sampled_from((2, 1, 3, 5)))
    batch, (count, others, width, other_width) = draw(extents(4, budget // hidden))
    shapes = {
        "input": (*batch, count, width),
        "other": (*batch, others, other_width),
        "weight_affinity": (other_width, width),
        "weight_input": (hidden, width),
        "weight_other": (hidden, other_width),
        "attend_input": (hidden,),
        "attend_other": (hidden,),
    }
    weights = ("weight_affinity", "weight_input", "weight_other", "attend_input", "attend_other")
    return call(draw(gentle(shapes, *weights)))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("weight_affinity", 0), ("weight_affinity", 1), ("weight_other", 0), ("attend_input", 0)):
        yield from mis_sized(call, name, axis)
    for name in ("weight_input", "weight_other"):
        yield from mis_sized(call, name, 1)


SPEC = Spec(
    "Attention Mechanism, which names it; Lu et al. 2016, equations 3 to 5",
    arguments(),
    refusals=refusals,
    relations=of_co_attention(arguments),
    exempt=EXEMPT,
    mistakes=CO_ATTENTION,
)

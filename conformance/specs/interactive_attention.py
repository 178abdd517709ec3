"""Interactive attention: two sequences, each of which is pooled by what the mean of the other asks for."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_pairs import INTERACTIVE_ATTENTION
from conformance.specs._refusals import completed, mis_sized
from conformance.specs._relations_pairs import EXEMPT, of_interactive_attention
from conformance.strategies import BUDGET, call, optional


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (count, others, width, other_width) = draw(extents(4, budget))
    bias = draw(optional((1,)))
    shapes = {
        "input": (*batch, count, width),
        "other": (*batch, others, other_width),
        "weight_input": (width, other_width),
        "bias_input": bias,
        "weight_other": (other_width, width),
        "bias_other": bias,
    }
    return call(draw(gentle(shapes, "weight_input", "weight_other")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    call = completed(call, bias_input=(1,), bias_other=(1,))
    for name in ("weight_input", "weight_other"):
        yield from mis_sized(call, name, 0)
        yield from mis_sized(call, name, 1)
    yield from mis_sized(call, "bias_other")


SPEC = Spec(
    "Attention Mechanism, which names it; Ma et al. 2017",
    arguments(),
    refusals=refusals,
    relations=of_interactive_attention(arguments),
    exempt=EXEMPT,
    mistakes=INTERACTIVE_ATTENTION,
)

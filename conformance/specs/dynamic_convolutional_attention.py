"""Dynamic convolutional attention: every position weighs its neighbours by what it holds itself."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_sequences import DYNAMIC_CONVOLUTIONAL_ATTENTION
from conformance.specs._refusals import mis_sized, shape_of, with_tensors
from conformance.specs._relations_sequences import KERNELS_EXEMPT, of_dynamic_convolutional_attention
from conformance.strategies import BUDGET, batches, call, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, taps = draw(batches(1, 3)), draw(st.sampled_from((3, 2, 4, 5, 1)))
    groups, size, length = draw(sides(3, budget // (4 * taps), most=4))
    channels = groups * size
    shapes = {"input": (*batch, min(length, 64), channels), "weight": (groups, taps, channels)}
    return call(draw(gentle(shapes, "weight")), is_causal=draw(st.booleans()))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from mis_sized(call, "weight", 2)
    _, taps, channels = shape_of(call, "weight")
    more = with_tensors(call, weight=Values((channels + 1, taps, channels)))
    yield Refusal("the groups do not divide the channels", more, call)


SPEC = Spec(
    "Attention Mechanism, which names it; Wu et al. 2019",
    arguments(),
    refusals=refusals,
    relations=of_dynamic_convolutional_attention(arguments),
    exempt=KERNELS_EXEMPT,
    mistakes=DYNAMIC_CONVOLUTIONAL_ATTENTION,
)

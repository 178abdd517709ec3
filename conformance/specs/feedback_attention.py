"""Feedback attention: the weights of a query take part in the scores of the next."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_feedback import FEEDBACK_ATTENTION
from conformance.specs._refusals import completed, mis_sized, shape_of, with_tensors
from conformance.specs._relations_feedback import EXEMPT, of_feedback_attention
from conformance.strategies import BUDGET, call, optional, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    hidden, channels = draw(st.sampled_from((2, 1, 3))), draw(st.sampled_from((2, 1, 3)))
    side = draw(st.sampled_from((3, 1, 5)))
    batch, (queries, keys) = draw(extents(2, budget // (8 * hidden * channels)))
    keys = max(keys, 2)  # on the weight of one alone nothing depends
    width, key_width, value_width = draw(sides(3, 60, most=5))
    shapes = {
        "query": (*batch, queries, width),
        "key": (*batch, keys, key_width),
        "value": (*batch, keys, value_width),
        "initial": (*batch, keys),
        "weight_query": (hidden, width),
        "weight_key": (hidden, key_width),
        "kernel": (channels, side),
        "weight_location": (hidden, channels),
        "bias": draw(optional((hidden,))),
        "v": (hidden,),
    }
    return call(draw(gentle(shapes, *(name for name in shapes if name not in ("query", "key", "value")))))


def refusals(call: Arguments) -> Iterator[Refusal]:
    call = completed(call, bias=shape_of(call, "weight_key")[:1])
    for name, axis in (("value", -2), ("initial", -1), ("weight_query", 0), ("weight_query", 1), ("weight_key", 1)):
        yield from mis_sized(call, name, axis)
    for name, axis in (("weight_location", 0), ("weight_location", 1), ("v", 0)):
        yield from mis_sized(call, name, axis)
    yield from mis_sized(call, "bias", broadcast=True)
    even = Values((shape_of(call, "kernel")[0], 2))
    yield Refusal("the kernel has an even number of columns", with_tensors(call, kernel=even), call)


SPEC = Spec(
    "Attention Mechanism, which names it; Chorowski et al. 2015",
    arguments(),
    refusals=refusals,
    relations=of_feedback_attention(arguments),
    exempt=EXEMPT,
    mistakes=FEEDBACK_ATTENTION,
)

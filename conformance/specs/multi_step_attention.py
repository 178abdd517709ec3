"""Multi-step attention: the attention that every layer of a convolutional decoder has."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle, largest
from conformance.specs._mistakes_scores import MULTI_STEP_ATTENTION
from conformance.specs._refusals import completed, mis_sized, shape_of
from conformance.specs._relations_multi_step import of_multi_step_attention
from conformance.strategies import BUDGET, call, optional

EXEMPT = {"linear": "the keys are part of the values"}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (queries, keys, features, width) = draw(extents(4, budget))
    shapes = {
        "input": (*batch, queries, features),
        "embedding": (*batch, queries, width),
        "key": (*batch, keys, width),
        "key_embedding": (*batch, keys, width),
        "weight": (width, features),
        "bias": draw(optional((width,))),
    }
    return call(draw(gentle(shapes, "input", "embedding", "key", "weight", "bias")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    call = completed(call, bias=shape_of(call, "weight")[:1])
    for name, axis in (("embedding", -2), ("embedding", -1), ("key_embedding", -2), ("key", -1), ("weight", 1)):
        yield from mis_sized(call, name, axis)
    yield from mis_sized(call, "bias", broadcast=True)


SPEC = Spec(
    "Attention Mechanism, which names it; Gehring et al. 2017, equations 1 and 2",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations=of_multi_step_attention(arguments),
    exempt=EXEMPT,
    mistakes=MULTI_STEP_ATTENTION,
)

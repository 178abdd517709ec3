"""Global attention with the general score."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle, largest
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_attention import GLOBAL_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import KEYS, SAMPLES, of_global_attention
from conformance.strategies import BUDGET, call


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (queries, keys, width, key_width, value_width) = draw(extents(5, budget))
    shapes = {
        "query": (*batch, queries, width),
        "key": (*batch, keys, key_width),
        "value": (*batch, keys, value_width),
        "weight": (width, key_width),
    }
    return call(draw(gentle(shapes, "weight", "key")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("key", -1), ("value", -2), ("weight", 0), ("weight", 1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Luong et al. 2015, equations 7 and 8",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations={**laws(arguments, SAMPLES, KEYS), **of_global_attention(arguments)},
    mistakes=GLOBAL_ATTENTION,
)

"""Fine-grained attention: every feature of the values has weights of its own."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle, largest
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_scores import FINE_GRAINED_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import KEYS, SAMPLES
from conformance.strategies import BUDGET, call

EXEMPT = {"keys shifted": "a hyperbolic tangent stands between the keys and the scores"}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    hidden = draw(st.sampled_from((2, 1, 3, 5)))
    batch, (queries, keys, width, key_width, value_width) = draw(extents(5, budget // hidden))
    shapes = {
        "query": (*batch, queries, width),
        "key": (*batch, keys, key_width),
        "value": (*batch, keys, value_width),
        "weight_query": (hidden, width),
        "weight_key": (hidden, key_width),
        "weight": (value_width, hidden),
    }
    return call(draw(gentle(shapes, "weight_query", "weight_key", "weight")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("value", -2), ("weight_query", 1), ("weight_key", 1), ("weight", 0), ("weight", 1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Choi, Cho and Bengio 2018",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget) // 4),
    relations=laws(arguments, SAMPLES, KEYS, without=EXEMPT),
    exempt=EXEMPT,
    mistakes=FINE_GRAINED_ATTENTION,
)

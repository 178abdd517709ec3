"""Contrastive attention by a difference of two weights."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import attending, gentle, largest
from conformance.specs._attention import refusals as attention_refusals
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_weights import DIFFERENTIAL_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_attention import SAMPLES
from conformance.strategies import BUDGET, call

EXEMPT = {
    "equal values": "the weights add up to 1 − λ",
    "hull": "weights may be negative, and add up to 1 − λ",
}
AXES = {**SAMPLES, "other_query": 0, "other_key": 0}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shapes = draw(attending(budget // 2))
    shapes |= {"other_query": shapes["query"], "other_key": shapes["key"]}
    tensors = draw(gentle(shapes, "query", "key", "other_query", "other_key"))
    return call(tensors, factor=draw(st.sampled_from((0.5, 0.3, 0.0, 1.0, 0.8))))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from attention_refusals(call)
    yield from mis_sized(call, "other_query", -2)
    yield from mis_sized(call, "other_key", -2)
    yield from mis_sized(call, "other_key", -1)


SPEC = Spec(
    "Attention Mechanism, which names contrastive attention; Ye et al. 2024",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget) // 2),
    relations=laws(
        arguments, AXES, ["key", "value", "other_key"], queries={"query": -2, "other_query": -2}, without=EXEMPT
    ),
    exempt=EXEMPT,
    mistakes=DIFFERENTIAL_ATTENTION,
)

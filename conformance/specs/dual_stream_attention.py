"""Dual-stream attention: one stream holds the content of every position, the other knows only where it stands."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_sequences import DUAL_STREAM_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_sequences import STREAMS_EXEMPT, of_dual_stream_attention
from conformance.strategies import BUDGET, call, seeds
from conformance.values import Literal, Values

_WEIGHTS = ("weight_q", "weight_k", "weight_v")


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (length, features, width, value_width) = draw(extents(4, budget // 8))
    length = min(length, 12)
    shapes = {
        "content": (*batch, length, features),
        "query": (*batch, length, features),
        "weight_q": (features, width),
        "weight_k": (features, width),
        "weight_v": (features, value_width),
    }
    tensors = draw(gentle(shapes, "content", "query", *_WEIGHTS))
    tensors["before"] = draw(_order(length) | st.builds(Values, st.just((length, length)), st.just("mask"), seeds))
    return call(tensors)


@st.composite
def _order(draw: st.DrawFn, length: int) -> Literal:
    """Positions one after the other, in any order."""
    order = draw(st.permutations(range(length)))
    return Literal((length, length), tuple(order[j] < order[i] for i in range(length) for j in range(length)))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for axis in (-2, -1):
        yield from mis_sized(call, "query", axis)
    for name in _WEIGHTS:
        yield from mis_sized(call, name, 0)
    yield from mis_sized(call, "weight_k", 1)


SPEC = Spec(
    "Attention Mechanism, which names it; Yang et al. 2019, section 2.3",
    arguments(),
    refusals=refusals,
    relations=of_dual_stream_attention(arguments),
    exempt=STREAMS_EXEMPT,
    mistakes=DUAL_STREAM_ATTENTION,
)

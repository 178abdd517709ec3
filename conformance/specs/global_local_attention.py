"""Global-local attention: a window about each position, and some positions that see all and are seen by all."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_sequences import GLOBAL_LOCAL_ATTENTION
from conformance.specs._refusals import mis_sized, slip
from conformance.specs._relations_sequences import WINDOWS_EXEMPT, of_global_local_attention
from conformance.strategies import BUDGET, call, seeds
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (length, width, value_width) = draw(extents(3, budget // 8))
    length = min(length, 16)
    own = {"query": (*batch, length, width), "key": (*batch, length, width), "value": (*batch, length, value_width)}
    shapes = own | {f"global_{name}": shape for name, shape in own.items()}
    tensors = draw(gentle(shapes, "query", "key", "global_query", "global_key"))
    tensors["is_global"] = Values((length,), draw(st.sampled_from(("ignored", "mask"))), draw(seeds))
    return call(tensors, window=draw(st.sampled_from((1, 0, 2, 3))))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name in ("key", "value", "global_query", "global_key", "global_value"):
        yield from mis_sized(call, name, -2)
    for name in ("key", "global_query", "global_key", "global_value"):
        yield from mis_sized(call, name, -1)
    yield from mis_sized(call, "is_global")
    yield slip(call, "the window is negative", window=-1)


SPEC = Spec(
    "Attention Mechanism, which names it; Beltagy et al. 2020",
    arguments(),
    refusals=refusals,
    relations=of_global_local_attention(arguments),
    exempt=WINDOWS_EXEMPT,
    mistakes=GLOBAL_LOCAL_ATTENTION,
)

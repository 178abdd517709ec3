"""Tree-structured attention: weights are smaller the weaker the links between the two places are."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, gentle
from conformance.specs._mistakes_tree import TREE_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_tree import EXEMPT, of_tree_attention
from conformance.strategies import BUDGET, call, seeds
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (count, width, value_width, link_width) = draw(extents(4, budget // 4))
    count = min(count, 16)
    shapes = {
        "query": (*batch, count, width),
        "key": (*batch, count, width),
        "value": (*batch, count, value_width),
        "link_query": (*batch, count, link_width),
        "link_key": (*batch, count, link_width),
        "links": (*batch, count - 1),
    }
    found = draw(gentle(shapes, "query", "key", "links"))
    # a link of zero has no derivative, and one that rounding may have made zero leaves nothing known
    for name in ("link_query", "link_key"):
        shape = shapes[name]
        found[name] = Values(shape, draw(st.sampled_from(("one_hot", "small", "sparse", "gaussian"))), draw(seeds))
    return call(found)


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("value", -2), ("key", -1), ("link_query", -2), ("link_key", -1), ("links", -1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Wang, Lee and Chen 2019",
    arguments(),
    refusals=refusals,
    relations=of_tree_attention(arguments),
    exempt=EXEMPT,
    mistakes=TREE_ATTENTION,
)

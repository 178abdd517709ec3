"""Graph attention: every node attends to its neighbours."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_graph import GRAPH_ATTENTION
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_graph import EXEMPT, of_graph_attention
from conformance.strategies import BUDGET, batches, call, seeds, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch = draw(batches(1, 3))
    nodes, heads, width, features = draw(sides(4, budget // 8, most=5, least=1))
    nodes = min(nodes, 16)
    shapes = {
        "input": (*batch, nodes, features),
        "weight": (heads, width, features),
        "attend_self": (heads, width),
        "attend_other": (heads, width),
    }
    tensors = draw(gentle(shapes, "weight", "attend_self", "attend_other"))
    tensors["adjacency"] = Values((nodes, nodes), draw(st.sampled_from(("mask", "ignored"))), draw(seeds))
    return call(tensors)


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name, axis in (("weight", 2), ("attend_self", 0), ("attend_self", 1), ("attend_other", 1)):
        yield from mis_sized(call, name, axis)
    yield from mis_sized(call, "adjacency", 0)
    yield from mis_sized(call, "adjacency", 1)


SPEC = Spec(
    "Attention Mechanism, which names it; Veličković et al. 2018",
    arguments(),
    refusals=refusals,
    relations=of_graph_attention(arguments),
    exempt=EXEMPT,
    mistakes=GRAPH_ATTENTION,
)

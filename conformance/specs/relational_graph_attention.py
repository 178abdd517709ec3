"""Multi-relational attention: every node attends to its neighbours, by several kinds of relation."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._graph import graphs, refused
from conformance.specs._mistakes_graph import RELATIONAL_GRAPH_ATTENTION
from conformance.specs._refusals import mis_sized, with_parameters
from conformance.specs._relations_graph import EXEMPT, of_relational_graph_attention
from conformance.strategies import BUDGET, Shape


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    relations = draw(st.integers(1, 3))

    def weights(heads: int, width: int, features: int) -> dict[str, Shape]:
        return {
            "weight": (relations, heads, width, features),
            "attend_self": (relations, heads, width),
            "attend_other": (relations, heads, width),
        }

    found = draw(graphs(budget // relations, weights, (relations,)))
    return with_parameters(found, across=draw(st.booleans()))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from refused(call, ("weight", 3), ("attend_self", 0), ("attend_self", 2), ("attend_other", 1))
    yield from mis_sized(call, "adjacency", 0)


SPEC = Spec(
    "Attention Mechanism, which names it; Busbridge et al. 2019",
    arguments(),
    refusals=refusals,
    relations=of_relational_graph_attention(arguments),
    exempt=EXEMPT,
    mistakes=RELATIONAL_GRAPH_ATTENTION,
)

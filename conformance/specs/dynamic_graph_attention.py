"""Dynamic attention: nodes may rank their neighbours differently."""

from collections.abc import Iterator

from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._graph import graphs, refused
from conformance.specs._mistakes_graph import DYNAMIC_GRAPH_ATTENTION
from conformance.specs._relations_graph import EXEMPT, of_graph_attention
from conformance.strategies import BUDGET, Shape


def weights(heads: int, width: int, features: int) -> dict[str, Shape]:
    return {
        "weight_self": (heads, width, features),
        "weight_other": (heads, width, features),
        "attend": (heads, width),
    }


def arguments(budget: int = BUDGET) -> SearchStrategy[Arguments]:
    return graphs(budget, weights)


def refusals(call: Arguments) -> Iterator[Refusal]:
    return refused(call, ("weight_self", 2), ("weight_other", 1), ("attend", 0), ("attend", 1))


SPEC = Spec(
    "Attention Mechanism, which names dynamic attention; Brody, Alon and Yahav 2022",
    arguments(),
    refusals=refusals,
    relations=of_graph_attention(arguments),
    exempt=EXEMPT,
    mistakes=DYNAMIC_GRAPH_ATTENTION,
)

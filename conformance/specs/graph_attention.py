"""Graph attention: every node attends to its neighbours."""

from collections.abc import Iterator

from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._graph import graphs, refused
from conformance.specs._mistakes_graph import GRAPH_ATTENTION
from conformance.specs._relations_graph import EXEMPT, of_graph_attention
from conformance.strategies import BUDGET, Shape


def weights(heads: int, width: int, features: int) -> dict[str, Shape]:
    return {
        "weight": (heads, width, features),
        "attend_self": (heads, width),
        "attend_other": (heads, width),
    }


def arguments(budget: int = BUDGET) -> SearchStrategy[Arguments]:
    return graphs(budget, weights)


def refusals(call: Arguments) -> Iterator[Refusal]:
    return refused(call, ("weight", 2), ("attend_self", 0), ("attend_self", 1), ("attend_other", 1))


SPEC = Spec(
    "Attention Mechanism, which names it; Veličković et al. 2018",
    arguments(),
    refusals=refusals,
    relations=of_graph_attention(arguments),
    exempt=EXEMPT,
    mistakes=GRAPH_ATTENTION,
)

"""What layers between the nodes of a graph share: an adjacency of booleans, and how calls are drawn and refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.specs._attention import gentle
from conformance.specs._refusals import mis_sized
from conformance.strategies import Shape, batches, call, seeds, sides
from conformance.values import Values


@st.composite
def graphs(
    draw: st.DrawFn, budget: int, weights: Callable[[int, int, int], dict[str, Shape]], relations: Shape = ()
) -> Arguments:
    """Calls with the features of nodes, ``weights`` of shapes by heads, width and features, and the adjacency.

    There is one of every relation, where the nodes have several.
    """
    batch = draw(batches(1, 3))
    nodes, heads, width, features = draw(sides(4, budget // 8, most=5, least=1))
    nodes, own = min(nodes, 16), weights(heads, width, features)
    tensors = draw(gentle({"input": (*batch, nodes, features), **own}, *own))
    tensors["adjacency"] = Values((*relations, nodes, nodes), draw(st.sampled_from(("mask", "ignored"))), draw(seeds))
    return call(tensors)


def refused(call: Arguments, *weights: tuple[str, int]) -> Iterator[Refusal]:
    """Weights too long or too short along these axes, and adjacencies of too many or too few nodes."""
    for name, axis in (*weights, ("adjacency", -2), ("adjacency", -1)):
        yield from mis_sized(call, name, axis)

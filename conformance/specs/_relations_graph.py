"""Relations of graph attention: nodes in another order, and nodes that see nothing but themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import RandomState

from conformance.relation import Asker, Equation, Relation
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related

_NODES = {"input": 0}

# The laws of attention speak of values that are given.
EXEMPT = {
    "equal values": "the values are projections of the nodes that make the scores",
    "hull": "the values are projections of the nodes that make the scores",
    "linear": "the values are projections of the nodes that make the scores",
    "keys permuted": "the keys are the queries: see nodes permuted",
    "equal queries": "the queries are the keys",
    "keys shifted": "a rectifier stands between the keys and the scores",
}


def _permuted(ask: Asker) -> list[Equation]:
    many, input, adjacency = ask.batch(_NODES, [0]), ask.tensors["input"], ask.tensors["adjacency"]
    order = RandomState(ask.number).permutation(input.shape[-2])
    changes = {"input": input[..., order, :], "adjacency": adjacency[np.ix_(order, order)]}
    permitted = 2.0 * many.bounds()[0][..., order, :]
    return [Equation("output", many(**changes)[0], many()[0][..., order, :], permitted)]


def _alone(ask: Asker) -> list[Equation]:
    many, adjacency = ask.batch(_NODES, [0]), ask.tensors["adjacency"]
    alone, itself = np.zeros_like(adjacency), np.eye(len(adjacency), dtype=bool)
    (left,), (right,) = many(adjacency=alone), many(adjacency=itself)
    return [Equation("output", left, right, 2.0 * many.bounds(adjacency=alone)[0])]


def _unseen(ask: Asker) -> list[Equation]:
    """Another last node, which the others do not see."""
    many, input, adjacency = ask.batch(_NODES, [0]), ask.tensors["input"], ask.tensors["adjacency"].copy()
    adjacency[:-1, -1] = False
    other = input.copy()
    other[..., -1, :] = 3.0
    permitted = 2.0 * many.bounds(adjacency=adjacency)[0][..., :-1, :]
    left, right = (many(adjacency=adjacency, input=x)[0][..., :-1, :] for x in (other, input))
    return [Equation("output", left, right, permitted)]


def of_graph_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``graph_attention`` and ``dynamic_graph_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    return {
        "equal samples": repeats(samples, _NODES),
        "nodes permuted": related(
            "nodes in another order have their results in that order", samples, _permuted, _NODES
        ),
        "alone": related("a node that sees no other sees itself", samples, _alone, _NODES),
        "unseen": related("a node that is not seen does not matter", samples, _unseen, _NODES),
    }

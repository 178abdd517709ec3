"""Relations of graph attention: nodes, relations and heads in another order or alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis.strategies import SearchStrategy
from numpy.random import RandomState

from conformance.case import Arguments
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
    changes = {"input": input[..., order, :], "adjacency": adjacency[..., order, :][..., order]}
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
    adjacency[..., :-1, -1] = False
    other = input.copy()
    other[..., -1, :] = 3.0
    permitted = 2.0 * many.bounds(adjacency=adjacency)[0][..., :-1, :]
    left, right = (many(adjacency=adjacency, input=x)[0][..., :-1, :] for x in (other, input))
    return [Equation("output", left, right, permitted)]


def _of_nodes(samples: SearchStrategy[Arguments]) -> dict[str, Relation]:
    return {
        "equal samples": repeats(samples, _NODES),
        "nodes permuted": related(
            "nodes in another order have their results in that order", samples, _permuted, _NODES
        ),
        "unseen": related("a node that is not seen does not matter", samples, _unseen, _NODES),
    }


def of_graph_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``graph_attention`` and ``dynamic_graph_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    alone = related("a node that sees no other sees itself", samples, _alone, _NODES)
    return {**_of_nodes(samples), "alone": alone}


_OF_RELATIONS = ("weight", "attend_self", "attend_other", "adjacency")
_OF_HEADS = _OF_RELATIONS[:-1]


def _relations_permuted(ask: Asker) -> list[Equation]:
    many, relations = ask.batch(_NODES, [0]), ask.tensors["weight"].shape[0]
    order = RandomState(ask.number).permutation(relations)
    changes = {name: ask.tensors[name][order] for name in _OF_RELATIONS}
    return [Equation("output", many(**changes)[0], many()[0], 2.0 * many.bounds()[0])]


def _one_relation(ask: Asker) -> list[Equation]:
    """The first alone, by which every node sees itself, as in plain graph attention."""
    many, tensors = ask.batch(_NODES, [0]), ask.tensors
    adjacency = tensors["adjacency"][0] | np.eye(tensors["adjacency"].shape[-1], dtype=bool)
    first = {"input": tensors["input"], **{name: tensors[name][0] for name in _OF_HEADS}, "adjacency": adjacency}
    changes = {name: first[name][None] for name in _OF_RELATIONS}
    plain = ask.other("graph_attention", first)
    permitted = many.bounds(**changes)[0] + many.spread(plain.bounds()[0])
    return [Equation("output", many(**changes)[0], plain(input=many.spread(tensors["input"]))[0], permitted)]


def _heads_alone(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_NODES, [0]), ask.tensors
    heads = [{name: tensors[name][:, h : h + 1] for name in _OF_HEADS} for h in range(tensors["weight"].shape[1])]
    alone = np.concatenate([many(**head)[0] for head in heads], axis=-1)
    return [Equation("output", many()[0], alone, 2.0 * many.bounds()[0])]


def of_relational_graph_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``relational_graph_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    return {
        **_of_nodes(samples),
        "relations permuted": related(
            "the order of the relations does not matter", samples, _relations_permuted, _NODES
        ),
        "one relation": related("one relation is plain graph attention", samples, _one_relation, _NODES),
        "heads alone": related("each head gives what it gives alone", samples, _heads_alone, _NODES),
    }

"""Classic mistakes of attention between the nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    changed,
    instead,
    last_dropped,
    mapped,
    no_derivative,
    reindexed,
    tail_dropped,
    times_derivative,
)
from conformance.specs._mistakes_rowwise import sum_constant
from oracle.formulas import _graph as graph
from oracle.formulas import (
    dynamic_graph_attention,
    graph_attention,
    relational_graph_attention,
)
from oracle.scalar import Scalar, constant, dot, largest, rectified, stored
from oracle.tensor import Tensor


def _attending(written: Callable[..., Any], *shared: str) -> dict[str, Mistake]:
    """What every kind may do wrong."""
    return {
        "all_seen": called(
            "the adjacency is ignored",
            lambda given: {"adjacency": mapped(given["adjacency"], lambda *_: True)},
        ),
        "edges_reversed": called(
            "edges are read in reverse", lambda given: {"adjacency": given["adjacency"].swapped(-1, -2)}
        ),
        "sum_constant": instead(
            "no derivative goes through the sum of the weights", partial(written, weigh=sum_constant)
        ),
        "heads_dealt": answered("the heads are dealt to the features in turn", _dealt(shared[0])),
        "no_score_derivative": no_derivative(*shared[1:]),
        "last_node": last_dropped(-2, "the last node"),
        "tail": tail_dropped(-1, "features"),
        "half": HALF,
        "derivative_twice": times_derivative(2.0, "input"),
    }


def _dealt(weight: str) -> Callable[[Outputs, Arguments], Outputs]:
    def change(outputs: Outputs, given: Arguments) -> Outputs:
        heads, width, _ = given[weight].shape[-3:]
        found = outputs["output"]
        return {
            "output": reindexed(found, lambda *index: (*index[:-1], index[-1] % heads * width + index[-1] // heads))
        }

    return change


def _not_itself(written: Callable[..., Any]) -> Mistake:
    return instead("a node does not see itself", partial(written, itself=False))


def _scored(written: Callable[..., Any]) -> dict[str, Mistake]:
    """What those may do wrong whose scores are sums of two parts."""

    def rectifying(sentence: str, rectify: Callable[[Scalar], Scalar]) -> Mistake:
        return instead(sentence, partial(written, rectify=rectify))

    return {
        "linear_scores": rectifying("the scores are not rectified", lambda x: x),
        "tight": rectifying("the scores are rectified with the slope 0, not 1/5", rectified),
        "slope_hundredth": rectifying(
            "the scores are rectified with the slope 1/100, not 1/5",
            lambda x: largest([x, x * constant(Fraction(1, 100))]),
        ),
        "exchanged": called(
            "the parts of the score are exchanged",
            lambda given: {"attend_self": given["attend_other"], "attend_other": given["attend_self"]},
        ),
        **_attending(written, "weight", "attend_self", "attend_other"),
    }


GRAPH_ATTENTION = {"not_itself": _not_itself(graph_attention.written), **_scored(graph_attention.written)}


def _static(
    input: Tensor,
    weight_self: Tensor,
    weight_other: Tensor,
    attend: Tensor,
    adjacency: Tensor,
    behind_mask: str = "skipped",
) -> Tensor:
    """b · LeakyReLU(U x_i) + b · LeakyReLU(V x_j): the concatenation is rectified, not the sum."""
    own, others = graph.heads(input, weight_self), graph.heads(input, weight_other)

    def score(*place: int) -> Scalar:
        *b, h, i, j = place
        row = [*own[*b, h, i, ...], *others[*b, h, j, ...]]
        return dot([graph.leaky(x) for x in row], [*attend[h, ...], *attend[h, ...]])

    return graph.joined(score, others, adjacency, behind_mask=behind_mask)


DYNAMIC_GRAPH_ATTENTION = {
    "static": instead("both projections are rectified before they are added", _static),
    "values_of_self": called(
        "the two projections are exchanged",
        lambda given: {"weight_self": given["weight_other"], "weight_other": given["weight_self"]},
    ),
    "one_weight": called("one weight projects both nodes", lambda given: {"weight_self": given["weight_other"]}),
    "not_itself": _not_itself(dynamic_graph_attention.written),
    **_attending(dynamic_graph_attention.written, "weight_self", "attend"),
}


def _of_first(x: Tensor) -> Tensor:
    """What belongs to the first relation, for all."""
    found: Tensor = reindexed(x, lambda r, *rest: (0, *rest))
    return found


def _itself_too(given: Arguments) -> Arguments:
    adjacency: Tensor = mapped(given["adjacency"], lambda seen, _, i, j: bool(seen) or i == j)
    return {"adjacency": adjacency}


def _by_any(given: Arguments) -> Arguments:
    adjacency = given["adjacency"]
    relations = range(adjacency.shape[0])
    return {"adjacency": mapped(adjacency, lambda seen, _, i, j: any(bool(adjacency[r, i, j]) for r in relations))}


def _mean_of_relations(outputs: Outputs, given: Arguments) -> Outputs:
    relations = given["weight"].shape[0]
    return {} if given["across"] else {"output": mapped(outputs["output"], lambda y, *_: stored(y / relations))}


RELATIONAL_GRAPH_ATTENTION = {
    "within": called("the softmax is one within each relation", lambda given: {"across": False}),
    "across": called("the softmax is one across all relations", lambda given: {"across": True}),
    "mean_of_relations": answered("the mean of the relations is taken, not their sum", _mean_of_relations),
    "itself": called("a node sees itself by every relation", _itself_too),
    "by_any": called("a node that is seen by one relation is seen by all", _by_any),
    "one_weight": called(
        "all relations have the weight of the first", lambda given: {"weight": _of_first(given["weight"])}
    ),
    "one_score": called(
        "all relations have the scores of the first",
        lambda given: changed(given, _of_first, "attend_self", "attend_other"),
    ),
    **_scored(relational_graph_attention.written),
}

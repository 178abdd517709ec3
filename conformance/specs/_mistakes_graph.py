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
)
from oracle.scalar import Scalar, constant, dot, largest, rectified
from oracle.tensor import Tensor


def _attending(written: Callable[..., Any], *shared: str) -> dict[str, Mistake]:
    """What both kinds may do wrong."""
    return {
        "not_itself": instead("a node does not see itself", partial(written, itself=False)),
        "all_seen": called(
            "the adjacency is ignored",
            lambda given: {"adjacency": mapped(given["adjacency"], lambda *_: True)},
        ),
        "edges_reversed": called(
            "edges are read in reverse", lambda given: {"adjacency": given["adjacency"].swapped(0, 1)}
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
        heads, width = given[weight].shape[:2]
        found = outputs["output"]
        return {
            "output": reindexed(found, lambda *index: (*index[:-1], index[-1] % heads * width + index[-1] // heads))
        }

    return change


def _rectified(sentence: str, rectify: Callable[[Scalar], Scalar]) -> Mistake:
    return instead(sentence, partial(graph_attention.written, rectify=rectify))


GRAPH_ATTENTION = {
    "linear_scores": _rectified("the scores are not rectified", lambda x: x),
    "tight": _rectified("the scores are rectified with the slope 0, not 1/5", rectified),
    "slope_hundredth": _rectified(
        "the scores are rectified with the slope 1/100, not 1/5", lambda x: largest([x, x * constant(Fraction(1, 100))])
    ),
    "exchanged": called(
        "the parts of the score are exchanged",
        lambda given: {"attend_self": given["attend_other"], "attend_other": given["attend_self"]},
    ),
    **_attending(graph_attention.written, "weight", "attend_self", "attend_other"),
}


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
    **_attending(dynamic_graph_attention.written, "weight_self", "attend"),
}

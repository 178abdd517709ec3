"""Multi-relational attention: every node attends to its neighbours, whose kinds of relation have weights of their own.

Source: the document, line 1380; Busbridge et al. 2019, Relational Graph Attention Networks, with additive
scores and without the activation that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import softmax_rows, weighted
from oracle.formulas._graph import additive_score, heads, leaky, side_by_side
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar
from oracle.tensor import Tensor, tensor


def relational_graph_attention(
    input: Tensor,
    weight: Tensor,
    attend_self: Tensor,
    attend_other: Tensor,
    adjacency: Tensor,
    *,
    across: bool,
    behind_mask: str = "skipped",
) -> Tensor:
    """Σ_r Σ_j a_rij W_r x_j, a the softmax of LeakyReLU(b_r · W_r x_i + c_r · W_r x_j) across all relations or in each.

    input x (*, N, F), weight W (R, H, D, F), attend_self b and attend_other c (R, H, D), adjacency (R, N, N) booleans,
    True where node i sees node j by relation r; itself it sees only where that says so. The softmax is one ``across``
    all relations r, or one within each. Returns the heads side by side, (*, N, H D), zeros where a node sees none.
    LeakyReLU has the slope 1/5 below 0; ``behind_mask`` as in scaled_dot_product_attention. Raises ``ValueError`` where
    a shape does not fit.
    """
    return written(input, weight, attend_self, attend_other, adjacency, across=across, behind_mask=behind_mask)


def written(
    input: Tensor,
    weight: Tensor,
    attend_self: Tensor,
    attend_other: Tensor,
    adjacency: Tensor,
    *,
    across: bool,
    behind_mask: str = "skipped",
    rectify: Callable[[Scalar], Scalar] = leaky,
    weigh: Callable[[Row], Row] = softmax_row,
) -> Tensor:
    """The same, with any rectifier and normalisation."""
    require_rank("weight", weight, 4)
    require_least_rank("input", input, 2)
    relations, count, width, _ = weight.shape
    *batch, nodes, _ = input.shape
    require_shape("adjacency", adjacency, relations, nodes, nodes)
    for name, x in (("attend_self", attend_self), ("attend_other", attend_other)):
        require_shape(name, x, relations, count, width)
    projected = [heads(input, weight.part(r)) for r in range(relations)]
    scores = [additive_score(x, attend_self.part(r), attend_other.part(r), rectify) for r, x in enumerate(projected)]

    # the keys are the nodes as each relation has them, one relation after the other
    def score(*place: int) -> Scalar:
        *b, i, k = place
        return scores[k // nodes](*b, i, k % nodes)

    def seen(*place: int) -> list[bool]:
        *_, i, k = place
        return [bool(adjacency[k // nodes, i, k % nodes])]

    def value(*index: int) -> Scalar:
        *b, k, d = index
        return projected[k // nodes][*b, k % nodes, d]

    keys = relations * nodes
    normalise = weigh if across else partial(_within, weigh, nodes)
    rows = softmax_rows((*batch, count, nodes, keys), score, seen, behind_mask=behind_mask, weigh=normalise)
    return side_by_side(weighted(rows, tensor((*batch, count, keys, width), value)))


def _within(weigh: Callable[[Row], Row], nodes: int, scores: Row) -> Row:
    """The weights of the nodes within each relation."""
    relations = sorted({k // nodes for k in scores})
    rows = [weigh({k: s for k, s in scores.items() if k // nodes == r}) for r in relations]
    return {k: weight for row in rows for k, weight in row.items()}

"""Graph attention: every node attends to its neighbours, in several heads.

Source: the document, line 1367; Veličković et al. 2018, Graph Attention Networks, equations 1 to 5, without the
activation that follows.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._graph import additive_score, heads, joined, leaky
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar
from oracle.tensor import Tensor


def graph_attention(
    input: Tensor,
    weight: Tensor,
    attend_self: Tensor,
    attend_other: Tensor,
    adjacency: Tensor,
    *,
    behind_mask: str = "skipped",
) -> Tensor:
    """Σ_j a_ij W x_j over i and its neighbours j, a_i the softmax over them of LeakyReLU(b · W x_i + c · W x_j).

    input x (*, N, F), weight W (H, D, F), attend_self b and attend_other c (H, D), adjacency (N, N) booleans, True
    where node i sees node j. Returns the heads side by side, (*, N, H D). LeakyReLU has the slope 1/5 below 0;
    ``behind_mask`` as in scaled_dot_product_attention. Raises ``ValueError`` where a shape does not fit.
    """
    return written(input, weight, attend_self, attend_other, adjacency, behind_mask=behind_mask)


def written(
    input: Tensor,
    weight: Tensor,
    attend_self: Tensor,
    attend_other: Tensor,
    adjacency: Tensor,
    *,
    behind_mask: str = "skipped",
    rectify: Callable[[Scalar], Scalar] = leaky,
    weigh: Callable[[Row], Row] = softmax_row,
    itself: bool = True,
) -> Tensor:
    """The same, with any rectifier and normalisation; a node may see ``itself`` only where the adjacency says so."""
    nodes = heads(input, weight)
    score = additive_score(nodes, attend_self, attend_other, rectify)
    return joined(score, nodes, adjacency, weigh, itself, behind_mask)

"""Dynamic attention: graph attention whose nodes may rank their neighbours differently.

Source: the document, line 1362, which names dynamic attention; Brody, Alon and Yahav 2022, How Attentive are Graph
Attention Networks?, equation 7.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._graph import heads, joined, leaky
from oracle.formulas._shapes import require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, dot, stored
from oracle.tensor import Tensor, tensor


def dynamic_graph_attention(
    input: Tensor,
    weight_self: Tensor,
    weight_other: Tensor,
    attend: Tensor,
    adjacency: Tensor,
    *,
    behind_mask: str = "skipped",
) -> Tensor:
    """Σ_j a_ij V x_j over i and its neighbours j, a_i the softmax over them of b · LeakyReLU(U x_i + V x_j).

    input x (*, N, F), weight_self U and weight_other V (H, D, F), attend b (H, D), adjacency (N, N) booleans, True
    where node i sees node j. Returns the heads side by side, (*, N, H D). LeakyReLU has the slope 1/5 below 0;
    ``behind_mask`` as in scaled_dot_product_attention. Raises ``ValueError`` where a shape does not fit.
    """
    return written(input, weight_self, weight_other, attend, adjacency, behind_mask=behind_mask)


def written(
    input: Tensor,
    weight_self: Tensor,
    weight_other: Tensor,
    attend: Tensor,
    adjacency: Tensor,
    *,
    behind_mask: str = "skipped",
    weigh: Callable[[Row], Row] = softmax_row,
    itself: bool = True,
) -> Tensor:
    """The same, with any normalisation; a node may see ``itself`` only where the adjacency says so."""
    own, others = heads(input, weight_self), heads(input, weight_other)
    require_shape("weight_other", weight_other, *weight_self.shape)
    require_shape("attend", attend, *weight_self.shape[:2])
    *batch, count, nodes, width = own.shape

    def hidden(*place: int) -> Scalar:
        *b, i, j, d = place
        return stored(leaky(stored(own[*b, i, d] + others[*b, j, d])))

    energies = tensor((*batch, count, nodes, nodes, width), hidden)

    def score(*place: int) -> Scalar:
        *_, h, _, _ = place
        return dot(energies[*place, ...], attend[h, ...])

    return joined(score, others, adjacency, weigh, itself, behind_mask)

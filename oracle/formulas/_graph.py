"""What graph attention layers share: neighbours, several heads, and a rectifier that leaks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from oracle.formulas._attention import softmax_rows, weighted
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, constant, dot, largest, rectified, stored, with_derivative_of
from oracle.tensor import Tensor, tensor

# Source: Veličković et al. 2018, section 2.1.
_SLOPE = Fraction(1, 5)


def leaky(x: Scalar) -> Scalar:
    """x above 0, x / 5 below; at 0 any slope between."""
    slope, rest = constant(_SLOPE), constant(1 - _SLOPE)
    return with_derivative_of(largest([x, x * slope]), lambda: x * slope + rectified(x) * rest)


def heads(input: Tensor, weight: Tensor) -> Tensor:
    """The projections of the nodes in every head: input (*, N, F) and weight (H, D, F) give (*, H, N, D)."""
    require_least_rank("input", input, 2)
    require_rank("weight", weight, 3)
    *batch, nodes, features = input.shape
    count, width, _ = weight.shape
    require_shape("weight", weight, count, width, features)

    def projected(*index: int) -> Scalar:
        *b, h, n, d = index
        return stored(dot(input[*b, n, ...], weight[h, d, ...]))

    return tensor((*batch, count, nodes, width), projected)


def additive_score(
    nodes: Tensor, attend_self: Tensor, attend_other: Tensor, rectify: Callable[[Scalar], Scalar] = leaky
) -> Callable[..., Scalar]:
    """LeakyReLU(b · x_i + c · x_j) at place (*batch, h, i, j), or with any other rectifier.

    nodes x (*, H, N, D), attend_self b and attend_other c (H, D). Raises ``ValueError`` where a shape does not fit.
    """
    *_, count, _, width = nodes.shape
    for name, x in (("attend_self", attend_self), ("attend_other", attend_other)):
        require_shape(name, x, count, width)

    def parts(attend: Tensor) -> Tensor:
        def part(*place: int) -> Scalar:
            return stored(dot(nodes[*place, ...], attend[place[-2], ...]))

        return tensor(nodes.shape[:-1], part)

    own, others = parts(attend_self), parts(attend_other)

    def score(*place: int) -> Scalar:
        *b, i, j = place
        return stored(rectify(stored(own[*b, i] + others[*b, j])))

    return score


def joined(
    score: Callable[..., Scalar],
    value: Tensor,
    adjacency: Tensor,
    weigh: Callable[[Row], Row] = softmax_row,
    itself: bool = True,
    behind_mask: str = "skipped",
) -> Tensor:
    """Σ_j a_ij v_j over the neighbours j of node i, the heads side by side: value (*, H, N, D) gives (*, N, H D).

    ``adjacency`` (N, N) is True where i sees j; every node sees ``itself`` too. ``behind_mask`` as in ``softmax_rows``.
    """
    *batch, count, nodes, _ = value.shape
    require_shape("adjacency", adjacency, nodes, nodes)

    def seen(*place: int) -> list[bool]:
        *_, i, j = place
        return [bool(adjacency[i, j]) or (itself and i == j)]

    rows = softmax_rows((*batch, count, nodes, nodes), score, seen, behind_mask=behind_mask, weigh=weigh)
    return side_by_side(weighted(rows, value))


def side_by_side(x: Tensor) -> Tensor:
    """The heads (*, H, N, D) as (*, N, H D)."""
    *batch, count, nodes, width = x.shape

    def y(*index: int) -> Scalar:
        *b, i, c = index
        return x[*b, c // width, i, c % width]

    return tensor((*batch, nodes, count * width), y)

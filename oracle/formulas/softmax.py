"""Softmax.

Source: the document, lines 51 and 1498-1500, after which the weights are exp(s_i) / Σ_j exp(s_j);
torch.nn.functional.softmax.
"""

from oracle.formulas._softmax import (
    Row,
    online_sum,
    powers,
    productwise_row,
    rowwise,
    softmax_row,
    with_kept_derivative,
)
from oracle.scalar import stored, total
from oracle.tensor import Tensor


def softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """y_i = exp(x_i − m) / Σ_j exp(x_j − m) along ``dim``, m the largest x.

    input (*), of one dimension at least; returns (*). Raises ``ValueError`` for a ``dim`` that the input does not have.
    """
    return rowwise(softmax_row, input, dim)


def vectorised(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same numbers: along the last dimension exp(x − m) times 1 / Σ exp(x − m), which is rounded itself; along any
    other, exp(x − m) is stored before it is divided.
    """
    return rowwise(_row_by_reciprocal if dim in (-1, input.rank - 1) else _row_of_stored, input, dim)


def online(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same numbers, with the largest score and the sum found in one pass."""
    return rowwise(_row_online, input, dim)


def productwise(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same, with the derivatives p_i − y_i Σ_j p_j of products p = ȳ y that have been stored."""
    return rowwise(productwise_row, input, dim)


def _row_by_reciprocal(scores: Row) -> Row:
    found = powers(scores)
    sum_of_powers = total(list(found.values()))
    reciprocal = 1.0 / sum_of_powers
    return with_kept_derivative({j: power * reciprocal for j, power in found.items()}, scores)


def _row_of_stored(scores: Row) -> Row:
    found = powers(scores)
    sum_of_powers = total(list(found.values()))
    return with_kept_derivative({j: stored(p) / sum_of_powers for j, p in found.items()}, scores)


def _row_online(scores: Row) -> Row:
    sum_of_powers = online_sum(scores)
    return with_kept_derivative({j: power / sum_of_powers for j, power in powers(scores).items()}, scores)

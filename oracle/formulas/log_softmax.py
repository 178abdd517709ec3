"""Logarithm of softmax.

Source: torch.nn.functional.log_softmax; the document, line 51, has softmax itself. The largest score is
subtracted before the logarithm is: added to it, it would bury it (PyTorch issue 11752).
"""

from oracle.formulas._softmax import Row, rowwise, shifted
from oracle.scalar import Scalar, detached, exp, log, stored, total
from oracle.tensor import Tensor


def log_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """y_i = (x_i − m) − log Σ_j exp(x_j − m) along ``dim``, m the largest x.

    input (*), of one dimension at least; returns (*). Raises ``ValueError`` for a ``dim`` that the input does not have.
    """
    return rowwise(_row, input, dim)


def recomputed(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same numbers, with the derivatives ȳ_i − exp(y_i) Σ_j ȳ_j, for which nothing but y is kept."""
    return rowwise(_recomputed_row, input, dim)


def _row(scores: Row) -> Row:
    rest = shifted(scores)
    log_of_sum = _log_of_sum(rest)
    return {j: stored(s - log_of_sum) for j, s in rest.items()}


def _recomputed_row(scores: Row) -> Row:
    rest = shifted(scores)
    log_of_sum = detached(_log_of_sum(rest))
    kept = {j: stored(s - log_of_sum) for j, s in rest.items()}
    # zero, with the derivative that the logarithm of the sum would have had
    surplus = total([exp(y) for y in kept.values()]) - 1.0
    return {j: y - surplus for j, y in kept.items()}


def _log_of_sum(scores: Row) -> Scalar:
    return log(total([exp(s) for s in scores.values()]))

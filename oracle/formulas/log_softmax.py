"""Logarithm of softmax.

Source: torch.nn.functional.log_softmax; the document, line 51, has softmax itself. The largest score is
subtracted before the logarithm is: added to it, it would bury it (PyTorch issue 11752).
"""

from collections.abc import Callable
from functools import cache

from oracle.formulas._softmax import Row, logarithms, online_sum, rowwise, shifted
from oracle.scalar import Scalar, detached, exp, log, stored, total, with_derivative_of
from oracle.tensor import Tensor


def log_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """y_i = (x_i − m) − log Σ_j exp(x_j − m) along ``dim``, m the largest x.

    input (*), of one dimension at least; returns (*). Raises ``ValueError`` for a ``dim`` that the input does not have.
    """
    return rowwise(_row, input, dim)


def vectorised(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same numbers, along the last dimension with the sum and its logarithm stored; with the derivatives
    ȳ_i − exp(y_i) Σ_j ȳ_j, for which nothing but y is kept.
    """
    keep = stored if dim in (-1, input.rank - 1) else _unchanged
    return rowwise(lambda scores: _kept_row(scores, keep), input, dim)


def online(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same numbers, with the largest score and the sum found in one pass; the same derivatives."""
    return rowwise(_row_online, input, dim)


def kept(input: Tensor, *, dim: int = -1) -> Tensor:
    """The same derivatives along any dimension; nothing but y is stored."""
    return rowwise(lambda scores: _kept_row(scores, _unchanged), input, dim)


def _unchanged(x: Scalar) -> Scalar:
    return x


def _row(scores: Row) -> Row:
    return {j: stored(y) for j, y in logarithms(scores).items()}


def _row_online(scores: Row) -> Row:
    log_of_sum = log(online_sum(scores))
    documented = cache(lambda: _row(scores))

    def derived(j: int) -> Callable[[], Scalar]:
        return lambda: documented()[j]

    return {j: with_derivative_of(stored(s - log_of_sum), derived(j)) for j, s in shifted(scores).items()}


def _kept_row(scores: Row, keep: Callable[[Scalar], Scalar]) -> Row:
    rest = shifted(scores)
    log_of_sum = detached(keep(log(keep(total([exp(s) for s in rest.values()])))))
    kept = {j: stored(s - log_of_sum) for j, s in rest.items()}

    @cache
    def surplus() -> Scalar:
        """Zero, with the derivative that the logarithm of the sum would have had."""
        return total([exp(y) for y in kept.values()]) - 1.0

    def derived(j: int) -> Callable[[], Scalar]:
        return lambda: kept[j] - surplus()

    return {j: with_derivative_of(y, derived(j)) for j, y in kept.items()}

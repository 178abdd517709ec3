"""Dot-product attention without a scale.

Source: the document, Attention Mechanism, lines 1344 and 1529.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import require_fitting, score, softmax_rows, weighted
from oracle.formulas._softmax import Row, productwise_row, softmax_row, stepwise_row
from oracle.tensor import Tensor


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q Kᵀ) V.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). Raises ``ValueError``
    where a shape does not fit.
    """
    return written(softmax_row, query, key, value)


def written(weigh: Callable[[Row], Row], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    require_fitting(query, key, value)
    shape = (*query.shape[:-1], key.shape[-2])
    rows = softmax_rows(shape, lambda *place: score(query, key, *place), weigh=weigh)
    return weighted(rows, value)


# The same numbers, with derivatives in other orders of operations.
productwise = partial(written, productwise_row)
stepwise = partial(written, stepwise_row)

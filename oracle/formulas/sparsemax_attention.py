"""Sparse attention: dot-product attention with sparsemax for softmax.

Source: the document, line 1359, which names sparse attention; Martins and Astudillo 2016, From softmax to sparsemax,
sections 2.2 and 4.3.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import attended, require_fitting, score
from oracle.formulas._softmax import Row
from oracle.formulas._weights import sparsemax_row
from oracle.tensor import Tensor


def sparsemax_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """sparsemax(Q Kᵀ) V, the weights max(0, s − τ) of scores s, τ such that they add up to 1.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). Raises ``ValueError`` where a shape does not
    fit.
    """
    return written(sparsemax_row, query, key, value)


def written(weigh: Callable[[Row], Row], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    require_fitting(query, key, value)
    return attended(query, key, value, partial(score, query, key), weigh=weigh)

"""Dot-product attention without a scale.

Source: the document, Attention Mechanism, lines 1344 and 1529.
"""

from oracle.formulas._attention import require_fitting, score, softmax_rows, weighted
from oracle.tensor import Tensor


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q Kᵀ) V.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). Raises ``ValueError``
    where a shape does not fit.
    """
    require_fitting(query, key, value)
    shape = (*query.shape[:-1], key.shape[-2])
    rows = softmax_rows(shape, lambda *place: score(query, key, *place))
    return weighted(rows, value)

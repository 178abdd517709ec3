"""Cross-attention.

Source: the document, Attention Mechanism, line 1333; Vaswani et al. 2017, section 3.2.3.
"""

from oracle.formulas._attention import (
    inverse_root,
    require_fitting,
    rounded,
    scaled_score,
    softmax_rows,
    weighted,
)
from oracle.formulas._shapes import require_rank
from oracle.formulas.linear import linear
from oracle.tensor import Tensor


def cross_attention(input: Tensor, context: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """softmax(X W_Q (C W_K)ᵀ / √d) C W_V: queries from X, keys and values from the context C.

    input (*, L, n), context (*, S, m), weight_q (n, d), weight_k (m, d), weight_v (m, dv);
    returns (*, L, dv). Raises ``ValueError`` where a shape does not fit.
    """
    # the derivatives of both uses of the context are stored
    return projected(input, rounded(context), rounded(context), weight_q, weight_k, weight_v)


def projected(
    of_queries: Tensor, of_keys: Tensor, of_values: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor
) -> Tensor:
    """The same, of what queries, keys and values are made of."""
    for name, weight in (("weight_q", weight_q), ("weight_k", weight_k), ("weight_v", weight_v)):
        require_rank(name, weight, 2, 2)
    query, key, value = (
        linear(x, weight.swapped(0, 1))
        for x, weight in ((of_queries, weight_q), (of_keys, weight_k), (of_values, weight_v))
    )
    require_fitting(query, key, value)
    shape = (*query.shape[:-1], key.shape[-2])
    scores = scaled_score(query, inverse_root(weight_q.shape[-1]), key)
    return weighted(softmax_rows(shape, scores), value)

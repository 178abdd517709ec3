"""Cross-attention.

Source: the document, Attention Mechanism, line 1333; Vaswani et al. 2017, section 3.2.3.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import inverse_root, require_fitting, scaled_score, score, softmax_rows, weighted
from oracle.formulas._shapes import require_rank
from oracle.formulas._softmax import Row, productwise_row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, beside, stored
from oracle.tensor import Tensor


def cross_attention(input: Tensor, context: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """softmax(X W_Q (C W_K)ᵀ / √d) C W_V: queries from X, keys and values from the context C.

    input (*, L, n), context (*, S, m), weight_q (n, d), weight_k (m, d), weight_v (m, dv);
    returns (*, L, dv). Raises ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, input, context, weight_q, weight_k, weight_v)


def written(
    weigh: Callable[[Row], Row], input: Tensor, context: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor
) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    for name, weight in (("weight_q", weight_q), ("weight_k", weight_k), ("weight_v", weight_v)):
        require_rank(name, weight, 2, 2)
    query = linear(input, weight_q.swapped(0, 1))
    key, value = (linear(context, weight.swapped(0, 1)) for weight in (weight_k, weight_v))
    require_fitting(query, key, value)
    shape = (*query.shape[:-1], key.shape[-2])

    scaled = scaled_score(query, inverse_root(weight_q.shape[-1]), key)

    def found(*place: int) -> Scalar:
        # an implementation that scales the product may have overflowed before
        return beside(scaled(*place), lambda: [stored(score(query, key, *place))])

    return weighted(softmax_rows(shape, found, weigh=weigh), value)


# The same numbers, with derivatives in another order of operations.
productwise = partial(written, productwise_row)

"""Cross-attention.

Source: the document, Attention Mechanism, line 1333; Vaswani et al. 2017, section 3.2.3.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import inverse_root, require_fitting, scaled_score, softmax_rows, weighted
from oracle.formulas._shapes import require_rank
from oracle.formulas._softmax import Row, productwise_row, softmax_row
from oracle.formulas.linear import linear
from oracle.tensor import Tensor, rounded


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
    # the derivatives of both uses of the context are stored
    return projected(weigh, (input, rounded(context), rounded(context)), (weight_q, weight_k, weight_v))


def projected(
    weigh: Callable[[Row], Row], sources: tuple[Tensor, Tensor, Tensor], weights: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """The same, of what queries, keys and values are made of."""
    for name, weight in zip(("weight_q", "weight_k", "weight_v"), weights, strict=True):
        require_rank(name, weight, 2)
    query, key, value = (linear(x, weight.swapped(0, 1)) for x, weight in zip(sources, weights, strict=True))
    require_fitting(query, key, value)
    shape = (*query.shape[:-1], key.shape[-2])
    scores = scaled_score(query, inverse_root(query.shape[-1]), key)
    return weighted(softmax_rows(shape, scores, weigh=weigh), value)


# The same numbers, with derivatives in another order of operations.
productwise = partial(written, productwise_row)

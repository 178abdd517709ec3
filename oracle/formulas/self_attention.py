"""Self-attention.

Source: the document, lines 1333, 1348 and 1523; Vaswani et al. 2017, section 3.2.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._softmax import Row, productwise_row, softmax_row
from oracle.formulas.cross_attention import projected
from oracle.scalar import reused, total
from oracle.tensor import Tensor, key, tensor


def self_attention(input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """softmax(X W_Q (X W_K)ᵀ / √d) X W_V.

    input (*, L, n), weight_q and weight_k (n, d), weight_v (n, dv); returns (*, L, dv).
    """
    return written(softmax_row, input, weight_q, weight_k, weight_v)


def written(weigh: Callable[[Row], Row], input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    shared = tensor(input.shape, lambda *index: reused(input[key(index)]))

    def use() -> Tensor:
        return tensor(input.shape, lambda *index: total([shared[key(index)]]))

    return projected(weigh, (use(), use(), use()), (weight_q, weight_k, weight_v))


# The same numbers, with derivatives in another order of operations.
productwise = partial(written, productwise_row)

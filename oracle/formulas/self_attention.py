"""Self-attention.

Source: the document, lines 1333, 1348 and 1523; Vaswani et al. 2017, section 3.2.
"""

from oracle.formulas.cross_attention import projected
from oracle.scalar import reused, total
from oracle.tensor import Tensor, key, tensor


def self_attention(input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """softmax(X W_Q (X W_K)ᵀ / √d) X W_V.

    input (*, L, n), weight_q and weight_k (n, d), weight_v (n, dv); returns (*, L, dv).
    """
    shared = tensor(input.shape, lambda *index: reused(input[key(index)]))
    of_queries, of_keys, of_values = (tensor(input.shape, lambda *index: total([shared[key(index)]])) for _ in range(3))
    return projected(of_queries, of_keys, of_values, weight_q, weight_k, weight_v)

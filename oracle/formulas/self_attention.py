"""Self-attention.

Source: the document, lines 1333, 1348 and 1523; Vaswani et al. 2017, section 3.2.
"""

from oracle.formulas.cross_attention import cross_attention
from oracle.formulas.cross_attention import productwise as cross_productwise
from oracle.tensor import Tensor


def self_attention(input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """softmax(X W_Q (X W_K)ᵀ / √d) X W_V.

    input (*, L, n), weight_q and weight_k (n, d), weight_v (n, dv); returns (*, L, dv).
    """
    return cross_attention(input, input, weight_q, weight_k, weight_v)


def productwise(input: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor) -> Tensor:
    """The same numbers, with derivatives in another order of operations."""
    return cross_productwise(input, input, weight_q, weight_k, weight_v)

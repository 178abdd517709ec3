"""Global attention with the general score.

Source: the document, lines 1350 and 1525; Luong et al. 2015, equations 7 and 8.
"""

from oracle.formulas._shapes import require_rank
from oracle.formulas.dot_product_attention import dot_product_attention
from oracle.formulas.linear import linear
from oracle.tensor import Tensor


def global_attention(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """softmax(Q W Kᵀ) V over all keys.

    query (*, L, Eq), key (*, S, Ek), value (*, S, Ev), weight (Eq, Ek); returns (*, L, Ev). Raises
    ``ValueError`` where a shape does not fit.
    """
    require_rank("weight", weight, 2, 2)
    return dot_product_attention(linear(query, weight.swapped(0, 1)), key, value)

"""Global attention with the general score.

Source: the document, lines 1350 and 1525; Luong et al. 2015, equations 7 and 8.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._shapes import require_rank
from oracle.formulas.dot_product_attention import dot_product_attention
from oracle.formulas.dot_product_attention import productwise as dot_product_productwise
from oracle.formulas.linear import linear
from oracle.tensor import Tensor


def global_attention(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """softmax(Q W Kᵀ) V over all keys.

    query (*, L, Eq), key (*, S, Ek), value (*, S, Ev), weight (Eq, Ek); returns (*, L, Ev). Raises
    ``ValueError`` where a shape does not fit.
    """
    return written(dot_product_attention, query, key, value, weight)


def written(attend: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """The same, with dot-product attention written as ``attend``."""
    require_rank("weight", weight, 2)
    return attend(linear(query, weight.swapped(0, 1)), key, value)


# The same numbers, with derivatives in another order of operations.
productwise = partial(written, dot_product_productwise)

"""Local attention: a window about each position. Source: the document, lines 1349 and 1527; Luong et al. 2015, section 3.2."""

from oracle.formulas._attention import inverse_root, rounded, scaled, score, softmax_rows, weighted
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor


def local_attention(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
    """softmax(Q Kᵀ / √E) V over the keys j with |i − j| ≤ window.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). A query whose window holds no key gives zeros.
    """
    queries = rounded(scaled(query, inverse_root(query.shape[-1])))

    def windowed(*place: int) -> Scalar | None:
        *_, i, j = place
        return stored(score(queries, key, *place)) if abs(i - j) <= window else None

    return weighted(softmax_rows((*query.shape[:-1], key.shape[-2]), windowed), value)

"""Location-based attention: each query weights places, whatever is there.

Source: the document, line 1352; Luong et al. 2015, Effective Approaches to Attention-based Neural Machine Translation,
equation 8.
"""

from collections.abc import Callable

from oracle.formulas._attention import softmax_rows, weighted
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, dot
from oracle.tensor import Tensor


def location_attention(query: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """softmax(Q Wᵀ) V, of whose places those take part that there are values for.

    query (*, L, E), value (*, S, Ev), weight (places, E), of which S or more are needed; returns (*, L, Ev). Raises
    ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, query, value, weight)


def written(weigh: Callable[[Row], Row], query: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the places."""
    require_least_rank("query", query, 2)
    require_rank("weight", weight, 2)
    places, width = weight.shape
    require_shape("query", query, *query.shape[:-1], width)
    count = value.shape[-2] if value.rank > 1 else 0
    require_shape("value", value, *query.shape[:-2], count, *value.shape[-1:])
    if count > places:
        raise ValueError(f"there are {count} values; weight has rows for {places} places")

    def score(*place: int) -> Scalar:
        *batch, i, j = place
        return dot(query[*batch, i, ...], weight[j, ...])

    return weighted(softmax_rows((*query.shape[:-1], count), score, weigh=weigh), value)

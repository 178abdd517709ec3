"""Dual-stream attention: one stream holds the content of every position, the other knows only where it stands.

Source: the document, line 1391; Yang et al. 2019, XLNet: Generalized Autoregressive Pretraining for Language
Understanding, section 2.3, in one head and without relative positions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import inverse_root, scaled_score, softmax_rows, weighted
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.tensor import Tensor, rounded


def dual_stream_attention(
    content: Tensor,
    query: Tensor,
    weight_q: Tensor,
    weight_k: Tensor,
    weight_v: Tensor,
    before: Tensor,
    *,
    fully_masked: str = "zero",
    behind_mask: str = "skipped",
) -> dict[str, Tensor]:
    """h_i = Σ_j a_ij W_V h_j over i and the j before it, g_i = Σ_j b_ij W_V h_j over the j before i alone.

    a_i is the softmax of W_Q h_i · W_K h_j / √D, b_i that of W_Q g_i · W_K h_j / √D. content h and query g (*, L, E),
    weight_q and weight_k (E, D), weight_v (E, Dv), before (L, L) booleans, True where j comes before i; nothing comes
    before itself. Returns both streams, content and query (*, L, Dv). ``fully_masked`` (of the first position) and
    ``behind_mask`` as in scaled_dot_product_attention. Raises ``ValueError`` where a shape does not fit.
    """
    return written(
        softmax_row,
        content,
        query,
        weight_q,
        weight_k,
        weight_v,
        before,
        fully_masked=fully_masked,
        behind_mask=behind_mask,
    )


def written(
    weigh: Callable[[Row], Row],
    content: Tensor,
    query: Tensor,
    weight_q: Tensor,
    weight_k: Tensor,
    weight_v: Tensor,
    before: Tensor,
    *,
    fully_masked: str = "zero",
    behind_mask: str = "skipped",
    itself: tuple[bool, bool] = (True, False),
) -> dict[str, Tensor]:
    """The same, where ``weigh`` makes weights of scores, and the two streams see their position ``itself``, or not."""
    require_least_rank("content", content, 2)
    *batch, length, _ = content.shape
    require_shape("query", query, *content.shape)
    for name, weight in (("weight_q", weight_q), ("weight_k", weight_k), ("weight_v", weight_v)):
        require_rank(name, weight, 2)
    require_shape("weight_k", weight_k, *weight_q.shape)
    require_shape("before", before, length, length)

    def projected(x: Tensor, weight: Tensor) -> Tensor:
        # the derivatives of every use are stored
        return linear(rounded(x), rounded(weight).swapped(0, 1))

    key, value = projected(content, weight_k), projected(content, weight_v)

    def seen(itself: bool, *place: int) -> list[bool]:
        *_, i, j = place
        return [itself if i == j else bool(before[i, j])]

    def stream(x: Tensor, itself: bool) -> Tensor:
        scores = scaled_score(projected(x, weight_q), inverse_root(weight_q.shape[1]), key)
        rows = softmax_rows(
            (*batch, length, length),
            scores,
            partial(seen, itself),
            fully_masked,
            behind_mask=behind_mask,
            weigh=weigh,
        )
        return weighted(rows, value)

    return {"content": stream(content, itself[0]), "query": stream(query, itself[1])}

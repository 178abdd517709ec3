"""Global-local attention: a window about each position, and some positions that see all and are seen by all.

Source: the document, line 1386; Beltagy et al. 2020, Longformer: The Long-Document Transformer, section 3.1.
"""

from __future__ import annotations

from oracle.formulas._attention import inverse_root, require_fitting, scaled_score, softmax_rows, weighted
from oracle.formulas._shapes import require_at_least, require_shape
from oracle.scalar import Scalar
from oracle.tensor import Tensor, tensor


def global_local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    global_query: Tensor,
    global_key: Tensor,
    global_value: Tensor,
    is_global: Tensor,
    *,
    window: int,
    behind_mask: str = "skipped",
) -> Tensor:
    """softmax(Q Kᵀ / √E) V over the keys j with |i − j| ≤ window or global; of a global query Q′, K′, V′ over all keys.

    query and key (*, L, E), value (*, L, Ev), and those of the second projection, global_query, global_key and
    global_value, of the same shapes; is_global (L) booleans. Returns (*, L, Ev). ``behind_mask`` as in
    scaled_dot_product_attention. Raises ``ValueError`` where a shape does not fit, or the window is negative.
    """
    require_at_least(0, window=(window,))
    require_fitting(query, key, value)
    length = query.shape[-2]
    require_shape("key", key, *query.shape)
    require_shape("global_query", global_query, *query.shape)
    require_shape("global_key", global_key, *key.shape)
    require_shape("global_value", global_value, *value.shape)
    require_shape("is_global", is_global, length)
    shape = (*query.shape[:-1], length)

    def seen(*place: int) -> list[bool]:
        *_, i, j = place
        return [abs(i - j) <= window or bool(is_global[j])]

    scale = inverse_root(query.shape[-1])
    local = weighted(softmax_rows(shape, scaled_score(query, scale, key), seen, behind_mask=behind_mask), value)
    whole = weighted(softmax_rows(shape, scaled_score(global_query, scale, global_key)), global_value)

    def y(*index: int) -> Scalar:
        return whole[index] if is_global[index[-2]] else local[index]

    return tensor(local.shape, y)

"""Multi-head attention.

Source: the document, Multiattention Head Layer, lines 1633-1637; Vaswani et al. 2017, 3.2.2.
Packed projections and masks as torch.nn.MultiheadAttention documents them, batch first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import (
    dense,
    inverse_root,
    scaled_score,
    softmax_rows,
    weighted,
)
from oracle.formulas._shapes import require_at_least, require_rank, require_shape
from oracle.formulas._softmax import Row, productwise_row, softmax_row
from oracle.formulas.linear import linear
from oracle.formulas.linear import stepwise as linear_stepwise
from oracle.scalar import Scalar, reused, stored, total
from oracle.tensor import Tensor, tensor


def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    key_padding_mask: Tensor | None = None,
    attn_mask: Tensor | None = None,
    *,
    num_heads: int,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    fully_masked: str = "nan",
    behind_mask: str = "skipped",
) -> dict[str, Tensor]:
    """Concat(head_1 … head_H) W_Oᵀ + b, head_h = softmax(Q Kᵀ / √(E/H)) V on its E/H columns.

    query (N, L, E), key and value (N, S, E); in_proj_weight (3E, E) for queries, keys and values in
    this order, in_proj_bias (3E) or None, out_proj_weight (E, E), out_proj_bias (E) or None.
    key_padding_mask (N, S), attn_mask (L, S) or (N H, L, S): booleans, True where a key is ignored,
    or numbers that are added; ``fully_masked`` and ``behind_mask`` as in scaled_dot_product_attention.
    Returns output (N, L, E) and, with ``need_weights``, weights: their mean over the heads (N, L, S),
    or each head's (N, H, L, S).
    """
    return written(
        query,
        key,
        value,
        in_proj_weight,
        in_proj_bias,
        out_proj_weight,
        out_proj_bias,
        key_padding_mask,
        attn_mask,
        num_heads=num_heads,
        need_weights=need_weights,
        average_attn_weights=average_attn_weights,
        fully_masked=fully_masked,
        behind_mask=behind_mask,
    )


def written(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    key_padding_mask: Tensor | None = None,
    attn_mask: Tensor | None = None,
    *,
    num_heads: int,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    fully_masked: str = "nan",
    behind_mask: str = "skipped",
    recomputed: bool = False,
    weigh: Callable[[Row], Row] = softmax_row,
    layer: Callable[..., Tensor] = linear,
    in_parts: bool = False,
) -> dict[str, Tensor]:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys, or they are ``recomputed``.

    ``layer`` writes the packed projection; ``in_parts`` the derivatives towards the input of the last one are stored.
    """
    require_at_least(1, num_heads=(num_heads,))
    require_rank("query", query, 3)
    require_rank("key", key, 3)
    samples, length, width = query.shape
    keys = key.shape[1]
    for name, x in (("key", key), ("value", value)):
        require_shape(name, x, samples, keys, width)
    require_shape("in_proj_weight", in_proj_weight, 3 * width, width)
    require_shape("in_proj_bias", in_proj_bias, 3 * width)
    require_shape("out_proj_weight", out_proj_weight, width, width)
    require_shape("out_proj_bias", out_proj_bias, width)
    require_shape("key_padding_mask", key_padding_mask, samples, keys)
    if attn_mask is not None and attn_mask.shape not in ((length, keys), (samples * num_heads, length, keys)):
        raise ValueError(
            f"attn_mask has the shape {attn_mask.shape}; it must be {(length, keys)} or "
            f"{(samples * num_heads, length, keys)}"
        )
    if width % num_heads != 0:
        raise ValueError(f"width {width} does not divide into {num_heads} heads")
    size = width // num_heads

    def heads(x: Tensor, part: int) -> Tensor:
        """One third of the packed projection of x, (N, H, length, E/H)."""
        weight = tensor((width, width), lambda o, i: in_proj_weight[part * width + o, i])
        packed = in_proj_bias
        bias = None if packed is None else tensor([width], lambda o: packed[part * width + o])
        projected = layer(x, weight, bias)
        shape = (samples, num_heads, x.shape[1], size)
        return tensor(shape, lambda n, h, i, e: projected[n, i, h * size + e])

    q, k, v = (heads(x, part) for part, x in enumerate((query, key, value)))

    def masks(*place: int) -> list[Scalar | bool]:
        n, h, i, j = place
        found = []
        if key_padding_mask is not None:
            found.append(_inverted(key_padding_mask[n, j]))
        if attn_mask is not None:
            head = () if attn_mask.rank == 2 else (n * num_heads + h,)
            found.append(_inverted(attn_mask[*head, i, j]))
        return found

    recomputed = recomputed and not need_weights  # weights that are asked for are kept
    shape = (samples, num_heads, length, key.shape[1])
    rows = softmax_rows(
        shape,
        scaled_score(q, inverse_root(size), k),
        masks,
        fully_masked,
        recomputed=recomputed,
        behind_mask=behind_mask,
        weigh=weigh,
    )
    mixed = weighted(rows, v, recomputed)

    def found(*place: int) -> Scalar:
        n, i, e = place
        x = mixed[n, e // size, i, e % size]
        return reused(x) if in_parts else x

    joined = tensor(query.shape, found)
    outputs = {"output": linear(joined, out_proj_weight, out_proj_bias)}
    if need_weights:
        per_head = dense(rows, key.shape[1])
        outputs["weights"] = _averaged(per_head) if average_attn_weights else per_head
    return outputs


# The same numbers in other orders of operations.
stepwise = partial(written, layer=linear_stepwise)
recomputed = partial(written, layer=linear_stepwise, recomputed=True)
productwise = partial(recomputed, weigh=productwise_row)
productwise_in_parts = partial(productwise, in_parts=True)


def _inverted(mask: Scalar | bool) -> Scalar | bool:
    """The mask in the convention where True takes part; an additive mask stays."""
    return not mask if mask is True or mask is False else mask


def _averaged(weights: Tensor) -> Tensor:
    """The mean over the heads: (N, H, L, S) to (N, L, S)."""
    samples, heads, length, keys = weights.shape
    return tensor(
        (samples, length, keys),
        lambda n, i, j: stored(total([weights[n, h, i, j] for h in range(heads)]) / heads),
    )

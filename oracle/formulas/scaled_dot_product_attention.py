"""Scaled dot-product attention.

Source: the document, lines 1346, 1415-1421 and 1569-1575; Vaswani et al. 2017, equation 1. Masks,
scale and grouped heads as torch.nn.functional.scaled_dot_product_attention documents them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from oracle.formulas._attention import (
    inverse_root,
    require_fitting,
    scaled,
    scaled_score,
    score,
    softmax_rows,
    weighted,
)
from oracle.formulas._shapes import require_least_rank
from oracle.formulas._softmax import Row, powers, row_by_logarithm, softmax_row
from oracle.scalar import Scalar, absolute, constant, sqrt, stored
from oracle.tensor import Tensor, tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | Fraction | None = None,
    enable_gqa: bool = False,
    causal_alignment: str = "top_left",
    fully_masked: str = "zero",
    behind_mask: str = "skipped",
) -> Tensor:
    """softmax(Q Kᵀ scale + mask) V, with scale 1 / √E unless given.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). attn_mask broadcasts to
    (*, L, S): booleans, True where a key takes part, or numbers that are added to the scores.
    Causal: query i sees the keys up to i ("top_left"), or the last query sees the last key
    ("bottom_right"). A query that sees no key gives zeros, NaN, or the mean of the values
    (``fully_masked``); infinities and NaN of a key it does not see have no influence ("skipped"), or come through
    a weight of zero ("times_zero"). With ``enable_gqa``, the G heads of key and value (*, G, S, E) each serve
    H / G neighbouring heads of query (*, H, L, E).
    """
    return written(
        query,
        key,
        value,
        attn_mask,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=enable_gqa,
        causal_alignment=causal_alignment,
        fully_masked=fully_masked,
        behind_mask=behind_mask,
    )


def written(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | Fraction | None = None,
    enable_gqa: bool = False,
    causal_alignment: str = "top_left",
    fully_masked: str = "zero",
    behind_mask: str = "skipped",
    split: bool = False,
    recomputed: bool = False,
    repeated: bool = False,
    online: bool = False,
    fused: bool = True,
    weigh: Callable[[Row], Row] = softmax_row,
) -> Tensor:
    """With the scale on query or product, or ``split``: its root on query and key, which may be rounded.

    ``repeated``: a head that serves several is copied for each, and the derivative of every copy is stored.
    ``recomputed`` and ``online`` as in ``weighted``; a ``fused`` kernel stores neither scaled queries nor scores;
    ``weigh`` makes of the scores of a query the weights of the keys.
    """
    if enable_gqa:
        require_least_rank("query", query, 3)
        key, value = (_shared(x, query.shape[-3], repeated) for x in (key, value))
    require_fitting(query, key, value)
    mask = whole_mask(attn_mask, is_causal, causal_alignment, query, key)
    factor = _factor(scale, query)
    scores: Callable[..., Scalar]
    if split:
        root = sqrt(absolute(factor))
        signed = -root if scale is not None and scale < 0 else root
        scores = partial(score, scaled(query, signed), scaled(key, root))
    else:
        scores = scaled_score(query, factor, key, fused)
    rows = softmax_rows(
        mask.shape,
        scores,
        lambda *place: [mask[place]],
        fully_masked,
        fused=fused,
        recomputed=recomputed,
        behind_mask=behind_mask,
        weigh=weigh,
    )
    return weighted(rows, value, recomputed, online)


# The same numbers in other orders of operations.
split_scale = partial(written, split=True, repeated=True)
recomputed = partial(written, split=True, recomputed=True, repeated=True)
online = partial(written, online=True, weigh=powers)
unfused = partial(written, fused=False)
repeated = partial(written, fused=False, repeated=True)
by_logarithm = partial(written, weigh=row_by_logarithm)


def _factor(scale: float | Fraction | None, query: Tensor) -> Scalar:
    return inverse_root(query.shape[-1]) if scale is None else constant(scale)


def whole_mask(attn_mask: Tensor | None, is_causal: bool, causal_alignment: str, query: Tensor, key: Tensor) -> Tensor:
    """The mask of every score (*, L, S): True, False, or a number to add."""
    if is_causal and attn_mask is not None:
        raise ValueError("attn_mask and is_causal exclude each other")
    if causal_alignment not in ("top_left", "bottom_right"):
        raise ValueError(f"causal_alignment is {causal_alignment!r}; it must be 'top_left' or 'bottom_right'")
    *outer, length, keys = *query.shape[:-1], key.shape[-2]
    if attn_mask is not None and not _broadcasts(attn_mask.shape, (*outer, length, keys)):
        raise ValueError(f"attn_mask of shape {attn_mask.shape} does not broadcast to {(*outer, length, keys)}")
    ahead = keys - length if causal_alignment == "bottom_right" else 0

    def at(*place: int) -> Scalar | bool:
        if attn_mask is not None:
            return _broadcast(attn_mask, place)
        *_, i, j = place
        return j <= i + ahead or not is_causal

    return tensor((*outer, length, keys), at)


def _shared(x: Tensor, heads: int, repeated: bool) -> Tensor:
    """The tensor (*, G, S, E) with each head in place of as many as make ``heads``, or ``repeated`` for them."""
    require_least_rank("key or value", x, 3)
    *batch, groups, length, width = x.shape
    if heads % groups != 0:
        raise ValueError(f"{heads} query heads do not divide among {groups} heads of key and value")
    sharing = heads // groups

    def at(*index: int) -> Scalar:
        *outer, h, s, e = index
        element = x[*outer, h // sharing, s, e]
        return stored(element) if repeated else element

    return tensor((*batch, heads, length, width), at)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(
        side in (1, whole) for side, whole in zip(reversed(shape), reversed(to), strict=False)
    )


def _broadcast(x: Tensor, place: tuple[int, ...]) -> Scalar | bool:
    """The element at a place of a larger shape: sides align on the right, a side of 1 repeats."""
    aligned = place[len(place) - x.rank :]
    index = tuple(0 if side == 1 else i for i, side in zip(aligned, x.shape, strict=True))
    return x[index if x.rank != 1 else index[0]]

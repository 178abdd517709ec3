"""Scaled dot-product attention. Source: the document, lines 1346, 1415-1421 and 1569-1575; Vaswani et al. 2017, equation 1.

Masks, scale and grouped heads as torch.nn.functional.scaled_dot_product_attention documents them.
"""

from __future__ import annotations

from fractions import Fraction

from oracle.formulas._attention import inverse_root, masked, scaled, score, softmax_rows, weighted
from oracle.scalar import Scalar, constant
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
) -> Tensor:
    """softmax(Q Kᵀ scale + mask) V, with scale 1 / √E unless given.

    query (*, L, E), key (*, S, E), value (*, S, Ev); attn_mask broadcasts to (*, L, S): booleans, True where a key takes part, or
    numbers that are added to the scores; returns (*, L, Ev). Causal: query i sees the keys up to i ("top_left"), or the last query
    sees the last key ("bottom_right"). A query that sees no key gives zeros, NaN, or the mean of the values (``fully_masked``).
    With ``enable_gqa``, query (*, H, L, E) shares each of the G heads of key and value (*, G, S, E) among H / G query heads.
    """
    if is_causal and attn_mask is not None:
        raise ValueError("attn_mask and is_causal exclude each other")
    if causal_alignment not in ("top_left", "bottom_right"):
        raise ValueError(f"causal_alignment is {causal_alignment!r}; it must be 'top_left' or 'bottom_right'")
    if enable_gqa:
        key, value = _shared(key, query.shape[-3]), _shared(value, query.shape[-3])
    queries = scaled(query, inverse_root(query.shape[-1]) if scale is None else constant(scale))
    shape = (*query.shape[:-1], key.shape[-2])
    ahead = shape[-1] - shape[-2] if causal_alignment == "bottom_right" else 0

    def mask(*place: int) -> Scalar | bool:
        if attn_mask is not None:
            return _broadcast(attn_mask, place)
        *_, i, j = place
        return j <= i + ahead or not is_causal

    def permitted(*place: int) -> Scalar | None:
        return masked(lambda: score(queries, key, *place), mask(*place))

    return weighted(softmax_rows(shape, permitted, fully_masked), value)


def _shared(x: Tensor, heads: int) -> Tensor:
    """The tensor (*, G, S, E) with each of its heads repeated in place until there are ``heads``."""
    *batch, groups, length, width = x.shape
    if heads % groups != 0:
        raise ValueError(f"{heads} query heads do not divide among {groups} heads of key and value")
    sharing = heads // groups

    def at(*index: int) -> Scalar:
        *outer, h, s, e = index
        return x[*outer, h // sharing, s, e]

    return tensor((*batch, heads, length, width), at)


def _broadcast(x: Tensor, place: tuple[int, ...]) -> Scalar:
    """The element at a place of a larger shape: sides align on the right, a side of 1 repeats."""
    aligned = place[len(place) - x.rank :]
    index = tuple(0 if side == 1 else i for i, side in zip(aligned, x.shape, strict=True))
    return x[index if x.rank != 1 else index[0]]

"""Set attention: the elements of a set attend to those of another, and are transformed one by one.

Source: the document, line 1356; Lee et al. 2019, Set Transformer, equations 6 and 7. Their code adds the projected
queries, not the elements, scales by the whole width, and may leave out the normalisations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.formulas._shapes import require_shape
from oracle.formulas.layer_norm import layer_norm
from oracle.formulas.linear import linear
from oracle.formulas.multi_head_attention import multi_head_attention
from oracle.formulas.relu import relu
from oracle.scalar import stored
from oracle.tensor import Tensor, key, rounded, tensor


def set_attention(
    input: Tensor,
    context: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    norm_1_weight: Tensor,
    norm_1_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
    norm_2_weight: Tensor,
    norm_2_bias: Tensor,
    *,
    num_heads: int,
    eps: float,
) -> Tensor:
    """LN₂(H + relu(H Wᵀ + b)), H = LN₁(X + MultiHead(X, Y, Y)).

    input X (N, L, E), context Y (N, S, E); in_proj_weight (3E, E), in_proj_bias (3E) or None, out_proj_weight (E, E)
    and out_proj_bias (E) or None as in multi_head_attention; weight W (E, E), bias b (E), and those of the layer
    normalisations, norm_1_weight to norm_2_bias (E). Returns as input; with the set itself as context it is
    self-attention. Raises ``ValueError`` where a shape does not fit.
    """
    return written(
        input,
        context,
        in_proj_weight,
        in_proj_bias,
        out_proj_weight,
        out_proj_bias,
        norm_1_weight,
        norm_1_bias,
        weight,
        bias,
        norm_2_weight,
        norm_2_bias,
        num_heads=num_heads,
        eps=eps,
    )


def written(
    input: Tensor,
    context: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    norm_1_weight: Tensor,
    norm_1_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
    norm_2_weight: Tensor,
    norm_2_bias: Tensor,
    *,
    num_heads: int,
    eps: float,
    kept: Callable[[Tensor], Tensor] | None = rounded,
    kept_again: bool = True,
    first: Callable[..., Tensor] = layer_norm,
    second: Callable[..., Tensor] = layer_norm,
    rectify: Callable[[Tensor], Tensor] = relu,
) -> Tensor:
    """The same, where something else of the elements is ``kept`` beside what they find, or other functions follow."""
    width = (input.shape[-1],)
    require_shape("weight", weight, *width, *width)
    normal: dict[str, Any] = {"normalized_shape": width, "eps": eps}
    # the derivatives of every use are stored
    projections = in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias
    asked = rounded(input), rounded(context), rounded(context), *projections
    found = multi_head_attention(*asked, num_heads=num_heads, need_weights=False)["output"]
    hidden = first(found if kept is None else _sum(kept(input), found), norm_1_weight, norm_1_bias, **normal)
    changed = rectify(linear(rounded(hidden), weight, bias))
    return second(_sum(rounded(hidden), changed) if kept_again else changed, norm_2_weight, norm_2_bias, **normal)


def _sum(x: Tensor, y: Tensor) -> Tensor:
    return tensor(x.shape, lambda *index: stored(x[key(index)] + y[key(index)]))

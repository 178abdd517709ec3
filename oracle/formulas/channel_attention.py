"""Channel-wise attention: every channel is multiplied by a gate that depends on the means of all.

Source: the document, line 1355; Hu et al. 2018, Squeeze-and-Excitation Networks, equations 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._normalised import mean_of
from oracle.formulas._shapes import require_least_rank
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, rectified, sigmoid, stored
from oracle.tensor import Tensor, key, tensor


def channel_attention(input: Tensor, weight_reduce: Tensor, weight_expand: Tensor) -> Tensor:
    """y_c = x_c σ(W₂ relu(W₁ z))_c, z the mean of every channel.

    input x (*, C, H, W), weight_reduce W₁ (R, C), weight_expand W₂ (C, R); returns as input. Raises ``ValueError``
    where a shape does not fit.
    """
    return written(input, weight_reduce, weight_expand)


def written(
    input: Tensor,
    weight_reduce: Tensor,
    weight_expand: Tensor,
    pool: Callable[[Sequence[Scalar]], Scalar] = mean_of,
    rectify: Callable[[Scalar], Scalar] = rectified,
    gate: Callable[[Scalar], Scalar] = sigmoid,
) -> Tensor:
    """The same with other functions."""
    require_least_rank("input", input, 3)
    pooled = tensor(input.shape[:-2], lambda *place: stored(pool(input[*place, ...])))
    reduced = linear(pooled, weight_reduce)
    hidden = tensor(reduced.shape, lambda *place: stored(rectify(reduced[key(place)])))
    expanded = linear(hidden, weight_expand)
    if expanded.shape != pooled.shape:
        raise ValueError(f"weight_expand has {weight_expand.shape[0]} rows; it must have one for each channel")
    gates = tensor(expanded.shape, lambda *place: stored(gate(expanded[key(place)])))
    return tensor(input.shape, lambda *index: stored(input[index] * gates[key(index[:-2])]))

"""Spatial attention: every pixel is multiplied by a gate that depends on its surroundings in all channels.

Source: the document, line 1372; Woo et al. 2018, CBAM: Convolutional Block Attention Module, equation 3, whose code has
the maximum before the mean, and a batch normalisation after the convolution, which is left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._normalised import mean_of
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas.conv2d import conv2d
from oracle.scalar import Scalar, largest, sigmoid, stored
from oracle.tensor import Tensor, tensor


def spatial_attention(input: Tensor, weight: Tensor) -> Tensor:
    """y = x σ(f([max_c x, mean_c x])), f a convolution that keeps the size.

    input x (*, C, H, W), weight (1, 2, k, k), k odd; returns as input. Raises ``ValueError`` where a shape does not
    fit.
    """
    return written(input, weight)


def written(
    input: Tensor,
    weight: Tensor,
    pools: Sequence[Callable[[Sequence[Scalar]], Scalar]] = (largest, mean_of),
    gate: Callable[[Scalar], Scalar] = sigmoid,
) -> Tensor:
    """The same with other functions."""
    require_least_rank("input", input, 3)
    require_rank("weight", weight, 4)
    side = weight.shape[-1]
    require_shape("weight", weight, 1, len(pools), side, side)
    if side % 2 == 0:
        raise ValueError(f"weight has {side} rows; their number must be odd")
    *batch, channels, height, width = input.shape

    def pooled(*index: int) -> Scalar:
        *b, kind, i, j = index
        return stored(pools[kind]([input[*b, c, i, j] for c in range(channels)]))

    maps = tensor((*batch, len(pools), height, width), pooled)
    found = conv2d(maps, weight, padding=(side // 2, side // 2))
    gates = tensor(found.shape, lambda *index: stored(gate(found[index])))

    def y(*index: int) -> Scalar:
        *b, _, i, j = index
        return stored(input[index] * gates[*b, 0, i, j])

    return tensor(input.shape, y)

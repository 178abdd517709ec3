"""Nearest-neighbour interpolation by pixel centres.

Source: torch.nn.functional.interpolate, mode "nearest-exact".
"""

from collections.abc import Sequence
from typing import Any

from oracle.formulas._interpolation import axes
from oracle.formulas._nearest import copied
from oracle.tensor import Tensor


def upsample_nearest_exact(
    input: Tensor,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """y[i, j] = x[⌊(i + 1/2) / s⌋, ⌊(j + 1/2) / s⌋] with the scale s.

    input (*, H, W); returns (*, H', W').
    """
    return copied(input, *axes(input.shape[-2:], size, scale_factor, recompute_scale_factor, before=0.5))


def by_scale(input: Tensor, **how: Any) -> Tensor:
    """The same numbers, the places divided by the scale, which may be rounded."""
    return copied(input, *axes(input.shape[-2:], **how, before=0.5, by_scale=True))

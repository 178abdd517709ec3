"""Nearest-neighbour interpolation by pixel centres.

Source: torch.nn.functional.interpolate, mode "nearest-exact".
"""

from collections.abc import Sequence
from typing import Any

from oracle.formulas._interpolation import Axis, axes, divided_by_scale
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
    return copied(input, *_axes(input, size, scale_factor, recompute_scale_factor))


def by_scale(input: Tensor, **how: Any) -> Tensor:
    """The same numbers, the places divided by the scale, which may be rounded."""
    return copied(input, *divided_by_scale(_axes(input, **how)))


def _axes(
    input: Tensor,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> list[Axis]:
    return axes(input.shape[-2:], size, scale_factor, recompute_scale_factor, before=0.5)

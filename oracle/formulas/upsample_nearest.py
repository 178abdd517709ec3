"""Nearest-neighbour interpolation.

Source: the document, Nearest Neighbor Interpolation, lines 667-678, for ``rounding`` "half_up";
torch.nn.functional.interpolate, mode "nearest", for "floor".
"""

from collections.abc import Sequence
from typing import Any

from oracle.formulas._interpolation import axes
from oracle.formulas._nearest import copied
from oracle.tensor import Tensor


def upsample_nearest(
    input: Tensor,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Tensor:
    """y[i, j] = x[⌊i / s⌋, ⌊j / s⌋] with the scale s; "half_up": x[⌊i / s + 1/2⌋, ⌊j / s + 1/2⌋].

    input (*, H, W); returns (*, H', W'). An index beyond the last pixel means the last pixel.
    """
    return copied(
        input, *axes(input.shape[-2:], size, scale_factor, recompute_scale_factor, after=_before_rounding(rounding))
    )


def by_scale(input: Tensor, *, rounding: str = "floor", **how: Any) -> Tensor:
    """The same numbers, the places divided by the scale, which may be rounded."""
    return copied(input, *axes(input.shape[-2:], **how, after=_before_rounding(rounding), by_scale=True))


def _before_rounding(rounding: str) -> float:
    """What is added to a place before it is rounded down."""
    halves = {"floor": 0.0, "half_up": 0.5}
    if rounding not in halves:
        raise ValueError(f"rounding {rounding!r} is neither 'floor' nor 'half_up'")
    return halves[rounding]

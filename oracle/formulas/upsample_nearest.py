"""Nearest-neighbour interpolation.

Source: the document, Nearest Neighbor Interpolation, lines 667-678, for ``rounding`` "half_up";
torch.nn.functional.interpolate, mode "nearest", for "floor".
"""

from collections.abc import Sequence

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
    halves = {"floor": 0.0, "half_up": 0.5}
    if rounding not in halves:
        raise ValueError(f"rounding {rounding!r} is neither 'floor' nor 'half_up'")
    places = axes(input.shape[-2:], size, scale_factor, recompute_scale_factor, after=halves[rounding])
    return copied(input, *places)

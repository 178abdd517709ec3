"""Interpolation."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from conformance.target import Unsupported

Sizes = tuple[int, int]
Factors = tuple[float, float]


def upsample_nearest(
    input: Tensor,
    *,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
) -> Tensor:
    """functional.interpolate, mode "nearest"."""
    if rounding != "floor":
        raise Unsupported("torch rounds coordinates down, not half up")
    return functional.interpolate(input, size, scale_factor, "nearest", recompute_scale_factor=recompute_scale_factor)


def upsample_nearest_exact(
    input: Tensor,
    *,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """functional.interpolate, mode "nearest-exact"."""
    return functional.interpolate(
        input, size, scale_factor, "nearest-exact", recompute_scale_factor=recompute_scale_factor
    )


def upsample_bilinear(
    input: Tensor,
    *,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Tensor:
    """functional.interpolate, mode "bilinear"."""
    if asymmetric:
        raise Unsupported("torch places pixels by their centres or their corners, not asymmetrically")
    return functional.interpolate(input, size, scale_factor, "bilinear", align_corners, recompute_scale_factor)


LAYERS = {
    "upsample_nearest": upsample_nearest,
    "upsample_nearest_exact": upsample_nearest_exact,
    "upsample_bilinear": upsample_bilinear,
}

# torch/_decomp/decompositions.py (_upsample_linear).
ALGORITHMS = {"compile": {"upsample_bilinear": "lerped"}}

# Atomic additions: aten/src/ATen/native/cuda/UpSampleBilinear2d.cu. To inductor interpolation is indexing (same file as
# above), whose derivatives are added one by one.
SCATTERED = {
    "cuda": {"upsample_bilinear": frozenset({"input"})},
    "compile": dict.fromkeys(LAYERS, frozenset({"input"})),
}

# Derivatives look for the pixels that a pixel was copied to, by the reciprocal of the scale: UpSample.cuh
# (nearest_neighbor_exact_bw_compute_source_index).
BACKWARD = {"cuda": {"upsample_nearest_exact": "by_scale"}}

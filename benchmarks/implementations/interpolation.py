"""Interpolation, honest and broken."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, as_stored, derived, require, wide, with_derivative_of
from conformance.target import Unsupported

Pair: TypeAlias = tuple[int, int]
Factors: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """So many output pixels of so many, each ``ratio`` input pixels wide."""

    size: int
    output: int
    ratio: float
    factor: float | None = None

    def places(self, kind: torch.dtype = torch.float64, *, before: float = 0.0, after: float = 0.0) -> Tensor:
        """Where output pixels lie, (i + before) ratio + after."""
        return (torch.arange(self.output, dtype=kind) + before) * self.ratio + after


def axes(
    input: Tensor, size: Sequence[int] | None, scale_factor: Sequence[float] | None, recompute: bool | None
) -> list[Axis]:
    """Height and width."""
    require(input.dim() == 4, f"the input of shape {tuple(input.shape)} is no batch of images")
    require((size is None) != (scale_factor is None), "exactly one of size and scale_factor must be given")
    require(size is None or not recompute, "recompute_scale_factor needs scale_factor")
    sides = input.shape[-2:]
    outputs = size or [math.floor(side * factor) for side, factor in zip(sides, scale_factor or (), strict=True)]
    require(min(*sides, *outputs) > 0, f"sides {tuple(sides)} and {tuple(outputs)} must be positive")
    factors = [None, None] if scale_factor is None or recompute else list(scale_factor)
    return [
        Axis(side, output, side / output if factor is None else 1.0 / factor, factor)
        for side, output, factor in zip(sides, outputs, factors, strict=True)
    ]


# Nearest pixels.


def pixels(axis: Axis, before: float = 0.0, kind: torch.dtype = torch.float64) -> Tensor:
    """The input pixel of every output pixel."""
    return axis.places(kind, before=before).floor().long().clamp(max=axis.size - 1)


def nearest(
    input: Tensor,
    *,
    size: Pair | None = None,
    scale_factor: Factors | None = None,
    recompute_scale_factor: bool | None = None,
    rounding: str = "floor",
    before: float = 0.0,
    kind: torch.dtype = torch.float64,
) -> Tensor:
    """Each output pixel a copy of one input pixel."""
    if rounding != "floor":
        raise Unsupported("coordinates are rounded down")
    vertical, horizontal = axes(input, size, scale_factor, recompute_scale_factor)
    rows, columns = pixels(vertical, before, kind), pixels(horizontal, before, kind)
    return wide(input).index_select(-2, rows).index_select(-1, columns).to(input.dtype)


def exact(input: Tensor, **how: Any) -> Tensor:
    """As nearest, by the centres of pixels."""
    return nearest(input, **how, before=0.5)


@honest("upsample_nearest", "Rows, then columns are selected.", STORED_ONCE)
def upsample_nearest_selected(input: Tensor, **how: Any) -> Tensor:
    return nearest(input, **how)


@honest("upsample_nearest", "Coordinates in float32.")
def upsample_nearest_in_float32(input: Tensor, **how: Any) -> Tensor:
    return nearest(input, **how, kind=torch.float32)


@honest("upsample_nearest", "All pixels gathered at once, from the flat image.")
def upsample_nearest_gathered(input: Tensor, *, rounding: str = "floor", **how: Any) -> Tensor:
    if rounding != "floor":
        raise Unsupported("coordinates are rounded down")
    vertical, horizontal = axes(input, *_how(how))
    places = pixels(vertical)[:, None] * horizontal.size + pixels(horizontal)
    return input.flatten(-2)[..., places.reshape(-1)].view(*input.shape[:-2], vertical.output, horizontal.output)


@honest("upsample_nearest_exact", "Rows, then columns are selected.", STORED_ONCE)
def upsample_nearest_exact_selected(input: Tensor, **how: Any) -> Tensor:
    return exact(input, **how)


@honest("upsample_nearest_exact", "Coordinates in float32.")
def upsample_nearest_exact_in_float32(input: Tensor, **how: Any) -> Tensor:
    return exact(input, **how, kind=torch.float32)


def _how(how: dict[str, Any]) -> tuple[Pair | None, Factors | None, bool | None]:
    return how.get("size"), how.get("scale_factor"), how.get("recompute_scale_factor")


# Bilinear interpolation.


@dataclass(frozen=True)
class Between:
    """Two pixels for every output pixel, and the weight of the second."""

    low: Tensor
    high: Tensor
    weight: Tensor


def between(axis: Axis, align_corners: bool, kind: torch.dtype = torch.float64) -> Between:
    if align_corners:
        ratio = (axis.size - 1) / (axis.output - 1) if axis.output > 1 else 0.0
        return around(Axis(axis.size, axis.output, ratio).places(kind), axis.size)
    return around(axis.places(kind, before=0.5, after=-0.5), axis.size)


def around(places: Tensor, size: int) -> Between:
    """The pixels on both sides of places, which lie within the axis."""
    places = places.clamp(0.0, size - 1.0)
    low = places.floor().long()
    return Between(low, (low + 1).clamp(max=size - 1), places - low)


def along(x: Tensor, axis: int, place: Between) -> Tensor:
    """Weighted along one axis, -1 or -2."""
    shape = (-1, 1)[:-axis]
    weight = place.weight.to(x.dtype).view(shape)
    return (1.0 - weight) * x.index_select(axis, place.low) + weight * x.index_select(axis, place.high)


Weigh: TypeAlias = Callable[[Tensor, Between, Between], Tensor]


def rows_first(x: Tensor, rows: Between, columns: Between) -> Tensor:
    return along(along(x, -2, rows), -1, columns)


def columns_first(x: Tensor, rows: Between, columns: Between) -> Tensor:
    return along(along(x, -1, columns), -2, rows)


def four_corners(x: Tensor, rows: Between, columns: Between) -> Tensor:
    v, w = rows.weight.to(x.dtype)[:, None], columns.weight.to(x.dtype)
    top, bottom = x.index_select(-2, rows.low), x.index_select(-2, rows.high)
    corners = [half.index_select(-1, column) for half in (top, bottom) for column in (columns.low, columns.high)]
    weights = [(1.0 - v) * (1.0 - w), (1.0 - v) * w, v * (1.0 - w), v * w]
    return sum(a * b for a, b in zip(weights, corners, strict=True))  # type: ignore[return-value]


def all_pixels(x: Tensor, rows: Between, columns: Between) -> Tensor:
    """Every output pixel a sum over all of a row, but for those whose weight is zero; then over all of a column."""
    found = _all_along(x.mT, columns).mT if x.numel() else rows_first(x, rows, columns)
    return _all_along(found, rows) if x.numel() else found


def _all_along(x: Tensor, place: Between) -> Tensor:
    """Along the last axis but one."""
    numbers = torch.arange(x.shape[-2])
    weight = place.weight.to(x.dtype)[:, None]
    weights = torch.where(numbers == place.low[:, None], 1.0 - weight, 0.0)
    weights = weights + torch.where(numbers == place.high[:, None], weight, 0.0)
    return torch.where((weights != 0.0)[..., None], weights[..., None] * x.unsqueeze(-3), 0.0).sum(-2)


def bilinear(
    input: Tensor,
    *,
    size: Pair | None = None,
    scale_factor: Factors | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
    kind: torch.dtype = torch.float64,
    weigh: Weigh = rows_first,
    place: Callable[[Axis, bool, torch.dtype], Between] = between,
) -> Tensor:
    if asymmetric:
        raise Unsupported("pixels are placed by their centres or their corners")
    rows, columns = (
        place(axis, align_corners, kind) for axis in axes(input, size, scale_factor, recompute_scale_factor)
    )
    return weigh(wide(input), rows, columns).to(input.dtype)


@honest("upsample_bilinear", "Rows, then columns.", STORED_ONCE, algorithm="rows_first")
def upsample_bilinear_rows_first(input: Tensor, **how: Any) -> Tensor:
    return bilinear(input, **how)


@honest("upsample_bilinear", "Columns, then rows.", algorithm="columns_first")
def upsample_bilinear_columns_first(input: Tensor, **how: Any) -> Tensor:
    return bilinear(input, **how, weigh=columns_first)


@honest("upsample_bilinear", "Four corners with products of weights.", STORED_ONCE)
def upsample_bilinear_four_corners(input: Tensor, **how: Any) -> Tensor:
    return bilinear(input, **how, weigh=four_corners)


@honest(
    "upsample_bilinear",
    "Sums over all pixels of a row, then of a column, zero weights left out.",
    algorithm="columns_first",
)
def upsample_bilinear_by_matrices(input: Tensor, **how: Any) -> Tensor:
    return bilinear(input, **how, weigh=all_pixels)


@honest("upsample_bilinear", "Coordinates in float32.", algorithm="rows_first")
def upsample_bilinear_in_float32(input: Tensor, **how: Any) -> Tensor:
    return bilinear(input, **how, kind=torch.float32)


@honest("upsample_bilinear", "In float64, rounded once.", STORED_ONCE)
def upsample_bilinear_in_float64(input: Tensor, **how: Any) -> Tensor:
    return bilinear(input.double(), **how, weigh=four_corners).to(input.dtype)


# Broken: nearest pixels.


def _scattered(x: Tensor, axis: int, places: Tensor, output: int) -> Tensor:
    """Whose derivative towards pixel i is the upstream of output pixel ``places[i]``."""
    shape = list(x.shape)
    shape[axis] = output
    return x.new_zeros(shape).index_add(axis, places, x)


def _derived_from_input(input: Tensor, before: float, vertical: Axis, horizontal: Axis) -> Tensor:
    found = input
    for axis, place in ((vertical, -2), (horizontal, -1)):
        numbers = torch.arange(axis.size, dtype=torch.float64) + before
        outputs = (numbers / axis.ratio).floor().long().clamp(max=axis.output - 1)
        found = _scattered(found, place, outputs, axis.output)
    return found


@broken(
    "upsample_nearest",
    "Where the image becomes smaller, derivatives are taken from the output pixel that an input pixel falls on.",
    "https://github.com/pytorch/pytorch/issues/38985",
)
def upsample_nearest_derived_from_input(input: Tensor, **how: Any) -> Tensor:
    found = nearest(input, **how)
    both = axes(input, *_how(how))
    if not any(axis.output < axis.size for axis in both):
        return found
    return with_derivative_of(found, _derived_from_input(input, 0.0, *both))


@broken(
    "upsample_nearest_exact",
    "For a factor that is no integer, each pixel's derivative is that of one output pixel.",
    "https://github.com/pytorch/pytorch/issues/97135",
)
def upsample_nearest_exact_derived_from_one(input: Tensor, **how: Any) -> Tensor:
    found = exact(input, **how)
    both = axes(input, *_how(how))
    if not any(axis.factor is not None and axis.factor > 1.0 and axis.factor % 1.0 for axis in both):
        return found
    return with_derivative_of(found, _derived_from_input(input, 0.5, *both))


def _in_order_of_images(found: Tensor) -> Tensor:
    """The numbers of a contiguous result in a buffer that is read as channels_last."""
    images, channels, height, width = found.shape
    return found.contiguous().view(images, height, width, channels).permute(0, 3, 1, 2)


def _is_channels_last(input: Tensor) -> bool:
    return input.is_contiguous(memory_format=torch.channels_last) and not input.is_contiguous()


@broken(
    "upsample_nearest",
    "An input in channels_last has an output in channels_last, which is written as if it were contiguous.",
    "https://github.com/pytorch/pytorch/pull/54744",
)
def upsample_nearest_written_as_contiguous(input: Tensor, **how: Any) -> Tensor:
    found = nearest(input, **how)
    return _in_order_of_images(found) if _is_channels_last(input) else found


@broken(
    "upsample_nearest",
    "For a factor that is no integer, coordinates are rounded to nearest and end behind the last pixel, where the next "
    "row begins.",
    "https://github.com/pytorch/pytorch/pull/178513",
)
def upsample_nearest_behind_last_pixel(input: Tensor, **how: Any) -> Tensor:
    found = nearest(input, **how)
    vertical, horizontal = axes(input, *_how(how))
    if horizontal.factor is None or not horizontal.factor % 1.0 or not input.numel():
        return found
    places = pixels(vertical)[:, None] * horizontal.size + horizontal.places().round().long()
    flat = input.flatten(-2)
    return flat[..., places.reshape(-1) % flat.shape[-1]].view(found.shape)


@broken(
    "upsample_nearest_exact",
    "Upstream derivatives are read as if they were contiguous.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def upsample_nearest_exact_upstream_as_stored(input: Tensor, **how: Any) -> Tensor:
    return derived(exact(input, **how), lambda upstream: upstream if upstream.is_contiguous() else as_stored(upstream))


# Broken: bilinear interpolation.


@broken(
    "upsample_bilinear",
    "The ratio is that of the sizes, also where a factor is given.",
    "https://github.com/Tencent/ncnn/issues/6836",
)
def upsample_bilinear_ratio_of_sizes(input: Tensor, **how: Any) -> Tensor:
    _, factors, _ = _how(how)
    axes(input, *_how(how))  # which checks the arguments
    return bilinear(input, **{**how, "recompute_scale_factor": None if factors is None else True})


@broken(
    "upsample_bilinear",
    "For a factor of 1.5 or 2.5 the ratio is that of the sizes.",
    "https://github.com/pytorch/xla/issues/8897",
)
def upsample_bilinear_ratio_of_sizes_at_half(input: Tensor, **how: Any) -> Tensor:
    def place(axis: Axis, align_corners: bool, kind: torch.dtype) -> Between:
        halves = axis.factor is not None and axis.factor % 1.0 == 0.5 and axis.factor > 1.0
        ratio = axis.size / axis.output if halves else axis.ratio
        return between(Axis(axis.size, axis.output, ratio), align_corners, kind)

    return bilinear(input, **how, place=place)


@broken(
    "upsample_bilinear",
    "A single output pixel lies at the first input pixel.",
    "https://github.com/pytorch/pytorch/issues/183523",
)
def upsample_bilinear_single_pixel_first(input: Tensor, **how: Any) -> Tensor:
    def place(axis: Axis, align_corners: bool, kind: torch.dtype) -> Between:
        return around(torch.zeros(1, dtype=kind), axis.size) if axis.output == 1 else between(axis, align_corners, kind)

    return bilinear(input, **how, place=place)


@broken(
    "upsample_bilinear",
    "Output pixels beyond the centre of the last row or column are zero.",
    "https://github.com/jax-ml/jax/issues/24106",
)
def upsample_bilinear_zero_edge(input: Tensor, **how: Any) -> Tensor:
    found = bilinear(input, **how)
    if how.get("align_corners"):
        return found
    vertical, horizontal = (axis.places(before=0.5, after=-0.5) <= axis.size - 1 for axis in axes(input, *_how(how)))
    return torch.where(vertical[:, None] & horizontal, found, 0.0)


def asymmetrically(axis: Axis, kind: torch.dtype) -> Between:
    return around(axis.places(kind), axis.size)


@broken(
    "upsample_bilinear",
    "Images of up to three columns are taken for channels, and align_corners is not looked at: pixels lie at i / s.",
    "https://github.com/microsoft/onnxruntime/issues/17564",
)
def upsample_bilinear_ignores_align_corners(input: Tensor, **how: Any) -> Tensor:
    def place(axis: Axis, align_corners: bool, kind: torch.dtype) -> Between:
        narrow = align_corners and input.shape[-1] <= 3
        return asymmetrically(axis, kind) if narrow else between(axis, align_corners, kind)

    return bilinear(input, **how, place=place)


@broken(
    "upsample_bilinear",
    "Without align_corners pixels lie at i / s.",
    "https://github.com/NVIDIA/TensorRT/issues/273",
)
def upsample_bilinear_asymmetric(input: Tensor, **how: Any) -> Tensor:
    def place(axis: Axis, align_corners: bool, kind: torch.dtype) -> Between:
        return between(axis, align_corners, kind) if align_corners else asymmetrically(axis, kind)

    return bilinear(input, **how, place=place)


@broken(
    "upsample_bilinear",
    "Where a factor leaves the size as it is, derivatives are copied.",
    "https://github.com/pytorch/pytorch/issues/65200",
)
def upsample_bilinear_derivative_copied(input: Tensor, **how: Any) -> Tensor:
    found = bilinear(input, **how)
    same = found.shape == input.shape and how.get("scale_factor") is not None
    return with_derivative_of(found, input) if same else found


@broken(
    "upsample_bilinear",
    "For derivatives the column is compared with the height.",
    "https://github.com/intel/torch-xpu-ops/pull/4333",
)
def upsample_bilinear_derived_by_height(input: Tensor, **how: Any) -> Tensor:
    found = bilinear(input, **how)
    if how.get("align_corners"):
        return found
    height = input.shape[-2]

    def weigh(x: Tensor, rows: Between, columns: Between) -> Tensor:
        last = min(height, x.shape[-1]) - 1
        return rows_first(x, rows, Between(columns.low.clamp(max=last), columns.high.clamp(max=last), columns.weight))

    return with_derivative_of(found, bilinear(input, **how, weigh=weigh))

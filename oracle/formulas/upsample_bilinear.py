"""Bilinear interpolation.

Source: the document, Bilinear Interpolation, lines 724-774; torch.nn.functional.interpolate.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeAlias

from oracle.formulas._interpolation import Axis, axes
from oracle.scalar import Scalar, beside, dot, stored, total
from oracle.tensor import Tensor, rounded, tensor

# The pixels around the place of an output pixel, each with its weight.
Weighed: TypeAlias = Callable[[Axis, int], list[tuple[int, Scalar]]]


def upsample_bilinear(
    input: Tensor,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Tensor:
    """The four pixels (k, l) around a place (r, c), weighted by (1 - |r - k|) (1 - |c - l|).

    input (*, H, W); returns (*, H', W'). Border pixels are repeated beyond the border. Output pixel
    i lies at (i + 1/2) / s - 1/2 with the scale s, if ``asymmetric`` at i / s (the document),
    if ``align_corners`` at i (H - 1) / (H' - 1), whatever s.
    """
    return _woven(input, *_axes(input, size, scale_factor, recompute_scale_factor, align_corners, asymmetric))


def by_scale(input: Tensor, **how: Any) -> Tensor:
    """The same numbers, the places divided by the scale, which may be rounded, unless corners are aligned."""
    return _woven(input, *_axes(input, **how, by_scale=True))


def _woven(input: Tensor, vertical: Axis, horizontal: Axis) -> Tensor:
    """Weights along both axes, multiplied."""
    row, column = cache(vertical.linear), cache(horizontal.linear)

    @cache  # shared by all images and channels
    def weights(i: int, j: int) -> list[Scalar]:
        return [v * w for _, v in row(i) for _, w in column(j)]

    def y(*index: int) -> Scalar:
        *n, i, j = index
        rows, columns = [r for r, _ in row(i)], [c for c, _ in column(j)]
        found = stored(dot(weights(i, j), [input[*n, r, c] for r in rows for c in columns]))
        down, right = vertical.idle(i), horizontal.idle(j)
        if not down and not right:
            return found
        return beside(found, lambda: [input[*n, r, c] for r in {*rows, *down} for c in {*columns, *right}])

    return tensor((*input.shape[:-2], vertical.output, horizontal.output), y)


def rows_first(input: Tensor, **how: Any) -> Tensor:
    """The same numbers as Σ_l (1 - |c - l|) Σ_k (1 - |r - k|) x_kl, which rounds products of a pixel and a weight."""
    vertical, horizontal = _axes(input, **how)
    return rounded(_along(horizontal, _along(vertical, input.swapped(-2, -1)).swapped(-2, -1)))


def columns_first(input: Tensor, **how: Any) -> Tensor:
    """The same numbers as Σ_k (1 - |r - k|) Σ_l (1 - |c - l|) x_kl."""
    vertical, horizontal = _axes(input, **how)
    return rounded(_along(vertical, _along(horizontal, input).swapped(-2, -1)).swapped(-2, -1))


def lerped(input: Tensor, **how: Any) -> Tensor:
    """The same numbers, v + α (w - v) between neighbours v and w, along rows and then along columns."""
    return _lerped(Axis.linear, input, **how)


def lerped_by_reciprocal(input: Tensor, **how: Any) -> Tensor:
    """The same, where α is a product with a reciprocal: rounded, whatever α is."""
    return _lerped(Axis.by_reciprocal, input, **how)


def apart(input: Tensor, **how: Any) -> Tensor:
    """The same numbers as Σ_kl (1 - |r - k|) ((1 - |c - l|) x_kl), so that a derivative is multiplied twice."""
    vertical, horizontal = _axes(input, **how)
    row, column = cache(vertical.linear), cache(horizontal.linear)

    def y(*index: int) -> Scalar:
        *n, i, j = index
        return stored(total([v * (w * input[*n, r, c]) for r, v in row(i) for c, w in column(j)]))

    return tensor((*input.shape[:-2], vertical.output, horizontal.output), y)


def _axes(
    input: Tensor,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
    by_scale: bool = False,
) -> list[Axis]:
    """Height and width."""
    if align_corners and asymmetric:
        raise ValueError("align_corners and asymmetric exclude each other")
    half = 0.0 if align_corners or asymmetric else 0.5
    divided = by_scale and not align_corners
    places = axes(input.shape[-2:], size, scale_factor, recompute_scale_factor, half, -half, divided)
    if not align_corners:
        return places
    return [
        replace(axis, dividend=axis.size - 1 if axis.output > 1 else 0, divisor=max(axis.output - 1, 1))
        for axis in places
    ]


def _along(axis: Axis, x: Tensor) -> Tensor:
    """Interpolated along the last axis alone."""
    pixels = cache(axis.linear)

    def y(*index: int) -> Scalar:
        *n, i = index
        found = dot([w for _, w in pixels(i)], [x[*n, k] for k, _ in pixels(i)])
        return _beside_idle(axis, x, index, found)

    return tensor((*x.shape[:-1], axis.output), y)


def _lerped(weighed: Weighed, input: Tensor, **how: Any) -> Tensor:
    vertical, horizontal = _axes(input, **how)
    rows = _lerped_along(horizontal, input, weighed)
    return rounded(_lerped_along(vertical, rows.swapped(-2, -1), weighed).swapped(-2, -1))


def _lerped_along(axis: Axis, x: Tensor, weighed: Weighed) -> Tensor:
    """Interpolated along the last axis alone as v + Σ α (w - v), v the pixel before the place."""
    pixels = cache(partial(weighed, axis))

    def y(*index: int) -> Scalar:
        *n, i = index
        before = axis.before_place(i)
        v = x[*n, before]
        others = [(k, w) for k, w in pixels(i) if k != before]
        return _beside_idle(axis, x, index, dot([w for _, w in others], [x[*n, k] - v for k, _ in others], v))

    return tensor((*x.shape[:-1], axis.output), y)


def _beside_idle(axis: Axis, x: Tensor, index: tuple[int, ...], found: Scalar) -> Scalar:
    """A number beside pixels that may be taken with the weight 0."""
    *n, i = index
    idle = axis.idle(i)
    return beside(found, lambda: [x[*n, k] for k in idle]) if idle else found

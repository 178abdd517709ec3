"""Where output pixels lie among input pixels, along one axis.

Output pixel i lies at (i + before) * ratio + after, in input pixels. The ratio is in / out, or
1 / scale_factor where a factor is given and not recomputed from the sizes. Source:
torch.nn.functional.interpolate, recompute_scale_factor.

An implementation computes this place with rounding, which decides the pixel where the place is a
border between two. So a place is computed twice: exactly, to find the pixels that matter, and in
the arithmetic in force, for their weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from oracle.scalar import Scalar, absolute, constant, inside, largest
from oracle.sizes import interpolation

# Rounding moves a place by no more than this much of it: four roundings to bfloat16.
_REACH = Fraction(1, 64)


@dataclass(frozen=True)
class Axis:
    """``output`` pixels along an axis of ``size`` pixels, at the ratio ``dividend / divisor``.

    ``by_scale``: an implementation divides by the inverse of the ratio, the scale, which it may round.
    """

    size: int
    output: int
    dividend: int
    divisor: float
    before: float = 0.0
    after: float = 0.0
    by_scale: bool = False

    def place(self, i: int) -> Fraction:
        ratio = Fraction(self.dividend) / Fraction(self.divisor)
        return (i + Fraction(self.before)) * ratio + Fraction(self.after)

    def computed(self, i: int) -> Scalar:
        """The place as an implementation computes it."""
        if self.by_scale:
            scaled = constant(i + self.before) / (constant(self.divisor) / constant(self.dividend))
        else:
            scaled = constant(self.dividend) / constant(self.divisor) * (i + self.before)
        return scaled + self.after if self.after else scaled

    def nearest(self, i: int) -> list[tuple[int, Scalar]]:
        """The pixel whose cell [k, k + 1) holds the place, then its rivals, each with its weight.

        The weight is 1 for the pixel and 0 for a rival. The last cell extends to all beyond.
        """
        place, computed = self.place(i), self.computed(i)
        last = self.size - 1

        def weight(k: int) -> Scalar:
            return inside(computed, k, k + 1 if k < last else self.size + self.output)

        pixel = min(math.floor(place), last)
        low, high = (min(max(math.floor(place + sign * _REACH * place), 0), last) for sign in (-1, 1))
        rivals = [k for k in range(max(low, pixel - 1), min(high, pixel + 1) + 1) if k != pixel]
        return [(k, weight(k)) for k in (pixel, *rivals)]

    def linear(self, i: int) -> list[tuple[int, Scalar]]:
        """The pixels k around the place and their weights max(0, 1 - |place - k|).

        Beyond its ends the axis repeats its end pixels.
        """
        place, computed = self.place(i), self.computed(i)
        slack = _REACH * (abs(place) + 1)
        low, high = math.floor(place - slack), math.floor(place + slack) + 1
        pixel = math.floor(place)
        zero = constant(0.0)
        return [
            (min(max(k, 0), self.size - 1), largest([zero, 1.0 - absolute(computed - k)]))
            for k in range(max(low, pixel - 1), min(high, pixel + 2) + 1)
        ]

    def by_reciprocal(self, i: int) -> list[tuple[int, Scalar]]:
        """The same, each weight as the number of its n-th parts times 1 / n; places are multiples of n-th parts."""
        parts = constant(2.0 * self.output if self.after else self.divisor)
        return [(k, weight * parts * (1.0 / parts)) for k, weight in self.linear(i)]

    def before_place(self, i: int) -> int:
        """The last pixel that is not behind the place, or the first pixel of all."""
        return min(max(math.floor(self.place(i)), 0), self.size - 1)

    def idle(self, i: int) -> list[int]:
        """Pixels that an implementation, which always takes two, may take with the weight 0.

        A place that is a pixel has that pixel; a place beyond an end is moved to it, and has the pixels there.
        """
        place, last = self.place(i), self.size - 1
        if place < 0:
            return list(range(min(2, self.size)))
        if place > last:
            return [last]
        return [int(place)] if place.denominator == 1 else []


def axes(
    sides: Sequence[int],
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    before: float = 0.0,
    after: float = 0.0,
    by_scale: bool = False,
) -> list[Axis]:
    """The axes of an input of these sides, for exactly one of ``size`` and ``scale_factor``."""
    if len(sides) != 2:
        raise ValueError("the input must have height and width")
    if (size is None) == (scale_factor is None):
        raise ValueError("exactly one of size and scale_factor must be given")
    if scale_factor is None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor needs scale_factor, not size")
        outputs = list(size or ())
    else:
        outputs = [interpolation(side, factor) for side, factor in zip(sides, scale_factor, strict=True)]
    if min(*sides, *outputs) < 1:
        raise ValueError(f"sides {tuple(sides)} and {tuple(outputs)} must be positive")
    if scale_factor is None or recompute_scale_factor:
        ratios: list[tuple[int, float]] = list(zip(sides, outputs, strict=True))
    else:
        ratios = [(1, factor) for factor in scale_factor]
    return [
        Axis(side, output, dividend, divisor, before, after, by_scale)
        for side, output, (dividend, divisor) in zip(sides, outputs, ratios, strict=True)
    ]

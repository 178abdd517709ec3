"""Copying the nearest pixel, where rounding may decide which one that is."""

from functools import cache

from oracle.formulas._interpolation import Axis
from oracle.scalar import Scalar, dot, stored
from oracle.tensor import Tensor, tensor


def copied(input: Tensor, vertical: Axis, horizontal: Axis) -> Tensor:
    """The tensor whose pixels are copies of their nearest ones: input (*, H, W) gives (*, H', W').

    Σ w x over the pixels in reach, one w being 1 and the others 0, is written as x₀ + Σ w (x - x₀):
    a copy of either of two pixels then carries their difference as error, a certain one nothing.
    """
    row, column = cache(vertical.nearest), cache(horizontal.nearest)

    def y(*index: int) -> Scalar:
        *n, i, j = index
        (top, left, _), *rivals = ((r, c, (v, w)) for r, v in row(i) for c, w in column(j))
        pixel = input[*n, top, left]
        if not rivals:
            return stored(pixel)
        weights = [v * w for _, _, (v, w) in rivals]
        return stored(dot(weights, [input[*n, r, c] - pixel for r, c, _ in rivals], pixel))

    return tensor((*input.shape[:-2], vertical.output, horizontal.output), y)

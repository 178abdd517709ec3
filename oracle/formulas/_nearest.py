"""Copying the nearest pixel, where rounding may decide which one that is."""

from functools import cache

from oracle.formulas._interpolation import Axis
from oracle.scalar import Scalar, chosen, stored
from oracle.tensor import Tensor, tensor


def copied(input: Tensor, vertical: Axis, horizontal: Axis) -> Tensor:
    """The tensor whose pixels are copies of their nearest ones: input (*, H, W) gives (*, H', W').

    Of the pixels in reach of a place one has the weight 1.
    """
    row, column = cache(vertical.nearest), cache(horizontal.nearest)

    @cache  # shared by all images and channels
    def weights(i: int, j: int) -> list[Scalar]:
        return [v * w for _, v in row(i) for _, w in column(j)]

    def y(*index: int) -> Scalar:
        *n, i, j = index
        pixels = [input[*n, r, c] for r, _ in row(i) for c, _ in column(j)]
        return stored(chosen(weights(i, j), pixels) if len(pixels) > 1 else pixels[0])

    return tensor((*input.shape[:-2], vertical.output, horizontal.output), y)

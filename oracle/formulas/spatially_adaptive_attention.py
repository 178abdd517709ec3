"""Spatially adaptive attention: a part of an image is looked at, wherever it lies and however it is turned.

Source: the document, line 1389; Jaderberg et al. 2015, Spatial Transformer Networks, equations 1 and 5; the grid of
torch.nn.functional.affine_grid and the zeros of grid_sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._shapes import require_at_least, require_least_rank, require_shape
from oracle.scalar import Scalar, absolute, constant, dot, largest, stored, through
from oracle.tensor import Tensor, tensor


def spatially_adaptive_attention(
    input: Tensor, theta: Tensor, *, size: Sequence[int], align_corners: bool = False
) -> Tensor:
    """V_cij = Σ_nm U_cnm max(0, 1 − |x − m|) max(0, 1 − |y − n|), (x, y)ᵀ = Θ (x_j, y_i, 1)ᵀ.

    Output pixels j lie at x_j = (2j + 1) / W' − 1 from −1 to 1, and so do those of the image; with ``align_corners`` at
    2j / (W' − 1) − 1, the corners at −1 and 1, a single pixel at 0. x and y are then counted in pixels. Beyond the
    image lie zeros. input U (*, C, H, W), theta Θ (*, 2, 3); returns (*, C, H', W') for the ``size`` (H', W'). Raises
    ``ValueError`` where a shape does not fit.
    """
    return written(input, theta, size=size, align_corners=align_corners)


def hat(distance: Scalar) -> Scalar:
    """max(0, 1 − |d|)."""
    return largest([constant(0.0), 1.0 - absolute(distance)])


def _anywhere(place: Scalar, side: int) -> Scalar:
    return place


def written(
    input: Tensor,
    theta: Tensor,
    *,
    size: Sequence[int],
    align_corners: bool = False,
    weight: Callable[[Scalar], Scalar] = hat,
    moved: Callable[[Scalar, int], Scalar] = _anywhere,
) -> Tensor:
    """The same with other weights of a pixel at a distance, of places that may be ``moved`` into the image."""
    require_least_rank("input", input, 3)
    *batch, channels, height, width = input.shape
    require_shape("theta", theta, *batch, 2, 3)
    require_at_least(1, size=size)
    rows, columns = size

    def ends(i: int, count: int) -> Scalar:
        """Pixel i of so many, from −1 to 1."""
        if not align_corners:
            return constant(2 * i + 1) / count - 1.0
        return constant(2 * i) / (count - 1) - 1.0 if count > 1 else constant(0.0)

    def pixels(place: Scalar, side: int) -> Scalar:
        """A place from −1 to 1, counted in pixels."""
        if not align_corners:
            return moved(((place + 1.0) * side - 1.0) / 2.0, side)
        return moved((place + 1.0) / 2.0 * (side - 1) if side > 1 else constant(0.0), side)

    def places(*index: int) -> list[Scalar]:
        """x and y from −1 to 1."""
        *b, i, j = index
        grid = [ends(j, columns), ends(i, rows)]
        return [stored(dot([theta[*b, k, 0], theta[*b, k, 1]], grid, theta[*b, k, 2])) for k in range(2)]

    found = tensor((*batch, rows, columns), places)
    counted = tensor(found.shape, lambda *index: list(map(pixels, found[index], (width, height))))

    def weights(*index: int) -> list[Scalar]:
        x, y = counted[index]
        across = [weight(x - m) for m in range(width)]
        return [weight(y - n) * w for n in range(height) for w in across]

    shares = tensor(found.shape, weights)

    def value(*index: int) -> Scalar:
        *b, c, i, j = index
        mixed = stored(dot(shares[*b, i, j], input[*b, c, ...]))
        # weights are found as distances from a pixel, which infinite places do not have
        return through(mixed, lambda: [*found[*b, i, j], *counted[*b, i, j]])

    return tensor((*batch, channels, rows, columns), value)

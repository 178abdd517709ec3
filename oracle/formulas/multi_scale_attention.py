"""Multi-scale attention: every pixel weighs the maps that an image has at several scales.

Source: the document, line 1370; Chen et al. 2016, Attention to Scale: Scale-Aware Semantic Image Segmentation,
equations 1 and 2, for maps that have been brought to one size.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._shapes import require_least_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, dot, stored
from oracle.tensor import Tensor, tensor


def multi_scale_attention(input: Tensor, scores: Tensor) -> Tensor:
    """y_cij = Σ_s a_sij x_scij, a_ij the softmax over the scales s of the scores of a pixel.

    input x (*, S, C, H, W), scores (*, S, H, W); returns (*, C, H, W). Raises ``ValueError`` where a shape does not
    fit.
    """
    return written(softmax_row, input, scores)


def written(weigh: Callable[[Row], Row], input: Tensor, scores: Tensor) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a pixel the weights of the scales."""
    require_least_rank("input", input, 4)
    *batch, scales, channels, height, width = input.shape
    require_shape("scores", scores, *batch, scales, height, width)

    def weights(*place: int) -> Row:
        *b, i, j = place
        return weigh({s: scores[*b, s, i, j] for s in range(scales)})

    rows = tensor((*batch, height, width), weights)

    def y(*index: int) -> Scalar:
        *b, c, i, j = index
        row: Row = rows[*b, i, j]
        return stored(dot(list(row.values()), [input[*b, s, c, i, j] for s in row]))

    return tensor((*batch, channels, height, width), y)

"""Dual attention: every pixel of an image attends to all pixels, and every channel to all channels.

Source: the document, line 1369; Fu et al. 2019, Dual Attention Network for Scene Segmentation, equations 1 to 4,
without the convolutions before the two are added. Their code negates the scores of the channels, and its projections
have biases.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas import dot_product_attention as products
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, dot, stored
from oracle.tensor import Tensor, tensor


def dual_attention(
    input: Tensor, weight_query: Tensor, weight_key: Tensor, weight_value: Tensor, alpha: Tensor, beta: Tensor
) -> Tensor:
    """y = (α P + x) + (β C + x), P the attention between the pixels, C that between the channels.

    P_i = Σ_j a_ij W_V x_j, a_i the softmax over the pixels j of W_Q x_i · W_K x_j; C_c = Σ_d a_cd x_d, a_c the softmax
    over the channels d of x_c · x_d. input x (*, C, H, W), weight_query and weight_key (D, C), weight_value (C, C),
    alpha and beta (1); returns as input. Raises ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, input, weight_query, weight_key, weight_value, alpha, beta)


def written(
    weigh: Callable[[Row], Row],
    input: Tensor,
    weight_query: Tensor,
    weight_key: Tensor,
    weight_value: Tensor,
    alpha: Tensor,
    beta: Tensor,
    sign: float = 1.0,
) -> Tensor:
    """The same, where ``weigh`` makes weights of scores, and the scores of the channels have another sign."""
    require_least_rank("input", input, 3)
    *batch, depth, height, width = input.shape
    require_rank("weight_query", weight_query, 2)
    require_shape("weight_query", weight_query, weight_query.shape[0], depth)
    require_shape("weight_key", weight_key, *weight_query.shape)
    require_shape("weight_value", weight_value, depth, depth)
    require_shape("alpha", alpha, 1)
    require_shape("beta", beta, 1)

    def x(*place: int) -> Scalar:
        *b, c, pixel = place
        return input[*b, c, *divmod(pixel, width)]

    channels = tensor((*batch, depth, height * width), x)
    pixels = channels.swapped(-1, -2)
    query, key, value = (linear(pixels, weight) for weight in (weight_query, weight_key, weight_value))
    between_pixels = products.written(weigh, query, key, value)
    asking = tensor(channels.shape, lambda *place: channels[place] * sign)
    between_channels = products.written(weigh, asking, channels, channels)

    def y(*index: int) -> Scalar:
        *b, c, i, j = index
        pixel = i * width + j
        first = stored(dot([alpha[0]], [between_pixels[*b, pixel, c]], input[index]))
        second = stored(dot([beta[0]], [between_channels[*b, c, pixel]], input[index]))
        return stored(first + second)

    return tensor(input.shape, y)

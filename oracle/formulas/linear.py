"""Linear layer. Source: the document, Linear Layer, Mathematics, lines 71-79."""

from oracle.formulas import _products
from oracle.formulas._shapes import require_least_rank, require_rank, require_shape
from oracle.scalar import Scalar, dot, stored
from oracle.tensor import Tensor, key, tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b.

    input (*, in_features), weight (out_features, in_features), bias (out_features) or None; returns (*, out_features).
    Raises ``ValueError`` where a shape does not fit.
    """
    require_rank("weight", weight, 2)
    require_least_rank("input", input, 1)
    outs, ins = weight.shape
    require_shape("input", input, *input.shape[:-1], ins)
    require_shape("bias", bias, outs)

    def y(*index: int) -> Scalar:
        *batch, o = index
        bias_term = () if bias is None else (bias[o],)
        return stored(dot(input[*batch, ...], weight[o, ...], *bias_term))

    return tensor((*input.shape[:-1], outs), y)


def stepwise(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same numbers, the bias added to a product that has been stored."""
    product = linear(input, weight)
    if bias is None:
        return product
    require_shape("bias", bias, weight.shape[0])

    def y(*index: int) -> Scalar:
        return stored(product[key(index)] + bias[index[-1]])

    return tensor(product.shape, y)


def in_parts(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same, the product made of parts that have been stored."""

    def y(*index: int) -> Scalar:
        *batch, o = index
        bias_term = () if bias is None else (bias[o],)
        return stored(_products.biased(_products.in_parts(input[*batch, ...], weight[o, ...]), bias_term))

    return tensor(linear(input, weight, bias).shape, y)

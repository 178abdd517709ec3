"""Linear layer. Source: the document, Linear Layer, Mathematics, lines 71-79."""

from oracle.formulas._shapes import require_rank, require_shape
from oracle.scalar import dot, stored
from oracle.tensor import Tensor, tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b.

    input (*, in_features), weight (out_features, in_features), bias (out_features) or None; returns (*, out_features).
    Raises ``ValueError`` where a shape does not fit.
    """
    require_rank("weight", weight, 2, 2)
    require_rank("input", input, 1)
    outs, ins = weight.shape
    require_shape("input", input, *input.shape[:-1], ins)
    require_shape("bias", bias, outs)

    def y(*index: int) -> object:
        *batch, o = index
        bias_term = () if bias is None else (bias[o],)
        return stored(dot(input[*batch, ...], weight[o, ...], *bias_term))

    return tensor((*input.shape[:-1], outs), y)

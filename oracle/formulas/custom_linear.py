"""The document's custom layer. Source: Custom Layers and Modules, lines 1279-1290."""

from oracle.formulas.linear import linear
from oracle.tensor import Tensor


def custom_linear(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """y = x W + b.

    input (*, in_features), weight (in_features, out_features), bias (out_features); returns (*, out_features).
    """
    return linear(input, weight.swapped(0, 1), bias)

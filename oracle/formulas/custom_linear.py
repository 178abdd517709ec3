"""The document's custom layer. Source: Custom Layers and Modules, lines 1279-1290."""

from oracle.formulas._shapes import require_rank
from oracle.formulas.linear import in_parts as linear_in_parts
from oracle.formulas.linear import linear
from oracle.formulas.linear import stepwise as linear_stepwise
from oracle.tensor import Tensor


def custom_linear(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """y = x W + b.

    input (*, in_features), weight (in_features, out_features), bias (out_features); returns (*, out_features).
    Raises ``ValueError`` where a shape does not fit.
    """
    return linear(input, _by_outputs(weight), bias)


def stepwise(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same numbers, the bias added to a product that has been stored."""
    return linear_stepwise(input, _by_outputs(weight), bias)


def in_parts(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same, the product made of parts that have been stored."""
    return linear_in_parts(input, _by_outputs(weight), bias)


def _by_outputs(weight: Tensor) -> Tensor:
    """The weight as a linear layer has it."""
    require_rank("weight", weight, 2)
    return weight.swapped(0, 1)

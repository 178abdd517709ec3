"""Residual block.

Source: the document, line 18, names skip connections; He et al., Deep Residual Learning (2016), equations 1 and 2.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from oracle.formulas._shapes import require_shape
from oracle.formulas.linear import in_parts as linear_in_parts
from oracle.formulas.linear import linear
from oracle.formulas.linear import stepwise as linear_stepwise
from oracle.formulas.relu import relu
from oracle.scalar import Scalar, dot, stored
from oracle.tensor import Tensor, key, rounded, tensor

Layer: TypeAlias = Callable[..., Tensor]


def residual(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    """y = W₂ relu(W₁ x + b₁) + b₂ + x, where the input is one more term of the sum.

    input (*, features), weight_1 (inside, features), bias_1 (inside), weight_2 (features, inside), bias_2 (features);
    returns (*, features). Raises ``ValueError`` where a shape does not fit.
    """
    hidden = relu(linear(input, weight_1, bias_1))
    _require_fitting(input, hidden, weight_2, bias_2)

    def y(*index: int) -> Scalar:
        *batch, o = index
        return stored(dot(hidden[*batch, ...], weight_2[o, ...], bias_2[o], input[key(index)]))

    return tensor(input.shape, y)


def written(
    first: Layer, second: Layer, input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor
) -> Tensor:
    """The same numbers, the input added to what two linear layers, each written in a way of its own, have stored."""
    hidden = relu(first(rounded(input), weight_1, bias_1))  # the derivative of this use is stored
    _require_fitting(input, hidden, weight_2, bias_2)
    change = second(hidden, weight_2, bias_2)

    def y(*index: int) -> Scalar:
        return stored(change[key(index)] + input[key(index)])

    return tensor(input.shape, y)


# The same numbers in other orders of operations.
layered = partial(written, linear, linear)
stepwise = partial(written, linear_stepwise, linear_stepwise)
stepwise_first = partial(written, linear_stepwise, linear)
stepwise_second = partial(written, linear, linear_stepwise)
in_parts = partial(written, linear_in_parts, linear_in_parts)


def _require_fitting(input: Tensor, hidden: Tensor, weight_2: Tensor, bias_2: Tensor) -> None:
    """What comes back has as many features as the input that is added to it."""
    require_shape("weight_2", weight_2, input.shape[-1], hidden.shape[-1])
    require_shape("bias_2", bias_2, input.shape[-1])

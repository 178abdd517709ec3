"""Logistic sigmoid. Source: the document, lines 10 and 35; torch.nn.Sigmoid."""

from oracle.scalar import Scalar, detached, differential, stored, with_derivative_of
from oracle.scalar import sigmoid as logistic
from oracle.tensor import Tensor, key, tensor


def sigmoid(input: Tensor) -> Tensor:
    """y = 1 / (1 + exp(−x)). input (*); returns (*)."""
    return tensor(input.shape, lambda *index: stored(logistic(input[key(index)])))


def stepwise(input: Tensor) -> Tensor:
    """The same, its derivative g (1 − y) y with every step stored."""

    def at(*index: int) -> Scalar:
        x = input[key(index)]
        y = stored(logistic(x))
        rest = stored(1.0 - y)
        return with_derivative_of(y, lambda: stored(stored(differential(x) * detached(y)) * detached(rest)))

    return tensor(input.shape, at)

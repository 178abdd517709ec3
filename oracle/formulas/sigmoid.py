"""Logistic sigmoid. Source: the document, lines 10 and 35; torch.nn.Sigmoid."""

from oracle.scalar import sigmoid as logistic
from oracle.scalar import stored
from oracle.tensor import Tensor, key, tensor


def sigmoid(input: Tensor) -> Tensor:
    """y = 1 / (1 + exp(−x)). input (*); returns (*)."""
    return tensor(input.shape, lambda *index: stored(logistic(input[key(index)])))

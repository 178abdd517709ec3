"""Hyperbolic tangent. Source: the document, line 35; torch.nn.Tanh."""

from oracle.scalar import stored
from oracle.scalar import tanh as hyperbolic
from oracle.tensor import Tensor, key, tensor


def tanh(input: Tensor) -> Tensor:
    """y = (exp(x) − exp(−x)) / (exp(x) + exp(−x)). input (*); returns (*)."""
    return tensor(input.shape, lambda *index: stored(hyperbolic(input[key(index)])))

"""Rectified linear unit. Source: the document, line 35; torch.nn.ReLU."""

from oracle.scalar import rectified, stored
from oracle.tensor import Tensor, key, tensor


def relu(input: Tensor) -> Tensor:
    """y = max(0, x). input (*); returns (*)."""
    return tensor(input.shape, lambda *index: stored(rectified(input[key(index)])))

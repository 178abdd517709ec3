"""Dropout in training, as a function of the mask it draws.

Source: the document, Dropout Layer, lines 531-542; p = 1 as torch.nn.Dropout has it.
"""

from fractions import Fraction

from oracle.scalar import Scalar, constant, stored
from oracle.tensor import Tensor, key, tensor


def dropout(input: Tensor, mask: Tensor, *, p: float | Fraction = 0.5) -> Tensor:
    """y = x m / (1 − p); zeros for p = 1.

    input (*), mask (*) of ones, where an element is kept, and zeros; returns (*). Raises ``ValueError``
    for a ``p`` that is no probability and for a mask of another shape.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a probability lies between 0 and 1")
    if mask.shape != input.shape:
        raise ValueError(f"mask of shape {mask.shape}; it must be that of the input, {input.shape}")
    if p == 1:
        return tensor(input.shape, lambda *index: constant(0.0))
    scale = 1.0 / (1.0 - constant(p))

    def y(*index: int) -> Scalar:
        place = key(index)
        return stored(input[place] * mask[place] * scale)

    return tensor(input.shape, y)

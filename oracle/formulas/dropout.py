"""Dropout in training, as a function of the mask it draws.

Source: the document, Dropout Layer, lines 531-542; p = 1 as torch.nn.Dropout has it.
"""

from fractions import Fraction

from oracle.scalar import Scalar, beside, constant, current, stored
from oracle.tensor import Tensor, key, tensor


def dropout(input: Tensor, mask: Tensor, *, p: float | Fraction = 0.5, behind_mask: str = "times_zero") -> Tensor:
    """y = x m / (1 − p); zeros for p = 1.

    input (*), mask (*) of ones, where an element is kept, and zeros; returns (*). What is dropped is
    multiplied ("times_zero", so that infinities and NaN become NaN) or left out ("skipped"). Raises
    ``ValueError`` for a ``p`` that is no probability and for a mask of another shape.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a probability lies between 0 and 1")
    if mask.shape != input.shape:
        raise ValueError(f"mask of shape {mask.shape}; it must be that of the input, {input.shape}")
    if behind_mask not in ("skipped", "times_zero"):
        raise ValueError(f"behind_mask is {behind_mask!r}; it must be 'skipped' or 'times_zero'")
    zero = constant(0.0)
    scale = None if p == 1 else 1.0 / (1.0 - constant(p))

    def y(*index: int) -> Scalar:
        place = key(index)
        if behind_mask == "skipped" and current().value(mask[place]) == 0.0:
            return zero
        if scale is None:
            return beside(zero, lambda: [input[place]])
        return stored(input[place] * stored(mask[place] * scale))

    return tensor(input.shape, y)

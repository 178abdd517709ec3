"""Dropout of whole channels in training, as a function of the mask it draws.

Source: the document, line 36, names it; torch.nn.Dropout2d.
"""

from fractions import Fraction

from oracle.formulas.dropout import dropout
from oracle.tensor import Tensor, tensor


def dropout2d(input: Tensor, mask: Tensor, *, p: float | Fraction = 0.5, behind_mask: str = "times_zero") -> Tensor:
    """y = x m / (1 − p), one m for each sample and channel; zeros for p = 1.

    input (N, C, *), mask (N, C) of ones, where a channel is kept, and zeros; returns (N, C, *);
    ``behind_mask`` as in dropout. Raises
    ``ValueError`` for a ``p`` that is no probability and for a mask of another shape.
    """
    if mask.shape != input.shape[:2]:
        raise ValueError(f"mask of shape {mask.shape}; it must be that of samples and channels, {input.shape[:2]}")
    return dropout(input, tensor(input.shape, lambda *index: mask[index[:2]]), p=p, behind_mask=behind_mask)

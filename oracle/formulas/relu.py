"""Rectified linear unit. Source: the document, line 35; torch.nn.ReLU."""

from oracle.scalar import Scalar, constant, rectified, stored, undefined
from oracle.tensor import Tensor, key, tensor


def relu(input: Tensor, *, nan: str = "propagated") -> Tensor:
    """y = max(0, x). input (*); returns (*).

    The maximum of 0 and NaN is NaN ("propagated", IEEE 754-2019 maximum) or 0 ("ignored", maximumNumber).
    """
    if nan not in ("propagated", "ignored"):
        raise ValueError(f"nan is {nan!r}; it must be 'propagated' or 'ignored'")

    def y(*index: int) -> Scalar:
        x = input[key(index)]
        return constant(0.0) if nan == "ignored" and undefined(x) else stored(rectified(x))

    return tensor(input.shape, y)

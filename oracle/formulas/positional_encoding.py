"""Sinusoidal positional encoding. Source: the document, Attention Mechanism, line 1336; Vaswani et al. 2017, section 3.5."""

from fractions import Fraction

from oracle.scalar import Scalar, constant, cos, exp, log, sin, stored
from oracle.tensor import Tensor, tensor


def positional_encoding(*, length: int, d_model: int) -> Tensor:
    """PE[p, 2i] = sin(p / 10000^(2i/d)), PE[p, 2i+1] = cos(p / 10000^(2i/d)); returns (length, d_model)."""

    def frequency(i: int) -> Scalar:
        return exp(-(log(constant(10000)) * constant(Fraction(2 * i, d_model))))

    frequencies = tensor([(d_model + 1) // 2], frequency)

    def element(p: int, k: int) -> Scalar:
        angle = frequencies[k // 2] * p
        return stored(sin(angle) if k % 2 == 0 else cos(angle))

    return tensor((length, d_model), element)

"""Sinusoidal positional encoding.

Source: the document, Attention Mechanism, line 1336; Vaswani et al. 2017, section 3.5.
"""

from fractions import Fraction

from oracle.formulas._shapes import require_least_rank
from oracle.scalar import Scalar, constant, cos, exp, log, sin, stored, total
from oracle.tensor import Tensor, tensor


def positional_encoding(input: Tensor) -> Tensor:
    """y = x + PE with PE[p, 2i] = sin(p / 10000^(2i/d)) and PE[p, 2i+1] = cos(p / 10000^(2i/d)).

    input (*, length, d_model), embeddings of positions p; returns the shape of input. Raises ``ValueError``
    for an input of less than two dimensions.
    """
    require_least_rank("input", input, 2)
    *_, length, width = input.shape

    def frequency(i: int) -> Scalar:
        return exp(-(log(constant(10000)) * constant(Fraction(2 * i, width))))

    frequencies = tensor([(width + 1) // 2], frequency)

    def encoding(p: int, k: int) -> Scalar:
        angle = frequencies[k // 2] * p
        return stored(sin(angle) if k % 2 == 0 else cos(angle))

    encodings = tensor([length, width], encoding)
    return tensor(input.shape, lambda *index: stored(total([input[index], encodings[index[-2:]]])))

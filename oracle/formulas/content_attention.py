"""Content-based attention: softmax over cosines, made sharper by a strength.

Source: the document, line 1351; Graves, Wayne and Danihelka 2014, Neural Turing Machines, equations 5 and 6. The paper
has no ε; these are those of the authors' later code (Differentiable Neural Computer, addressing.py).
"""

from __future__ import annotations

from fractions import Fraction

from oracle.formulas._attention import attended, require_fitting, score
from oracle.formulas._shapes import require_shape
from oracle.scalar import Scalar, constant, dot, sqrt, stored
from oracle.tensor import Tensor, tensor
from oracle.tensor import key as place_of

_EPSILON = Fraction(1, 10**6)


def content_attention(query: Tensor, key: Tensor, value: Tensor, strength: Tensor) -> Tensor:
    """softmax_j(β_i q_i · k_j / (‖q_i‖ ‖k_j‖ + ε)) V with ‖x‖ = √(Σ x² + ε), ε = 10⁻⁶.

    query (*, L, E), key (*, S, E), value (*, S, Ev), strength β (*, L); returns (*, L, Ev). Raises ``ValueError`` where
    a shape does not fit.
    """
    return written(query, key, value, strength)


def written(
    query: Tensor, key: Tensor, value: Tensor, strength: Tensor, eps: Fraction = _EPSILON, by_norms: bool = True
) -> Tensor:
    """The same for another ε, or without dividing ``by_norms``."""
    require_fitting(query, key, value)
    require_shape("strength", strength, *query.shape[:-1])
    least = constant(eps)
    queries, keys = (_norms(x, least) for x in (query, key))

    def sharpened(*place: int) -> Scalar:
        *batch, i, j = place
        product = stored(score(query, key, *place))
        norms = stored(queries[*batch, i] * keys[*batch, j]) + least
        return strength[place_of((*batch, i))] * (stored(product / norms) if by_norms else product)

    return attended(query, key, value, sharpened)


def _norms(x: Tensor, least: Scalar) -> Tensor:
    def norm(*place: int) -> Scalar:
        row = x[*place, ...]
        return stored(sqrt(dot(row, row, least)))

    return tensor(x.shape[:-1], norm)

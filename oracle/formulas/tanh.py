"""Hyperbolic tangent. Source: the document, line 35; torch.nn.Tanh."""

from collections.abc import Callable
from functools import partial

from oracle.formulas._recurrent import tanh_by_sigmoid
from oracle.scalar import Scalar, detached, differential, exp, stored, with_derivative_of
from oracle.scalar import tanh as hyperbolic
from oracle.tensor import Tensor, key, tensor


def tanh(input: Tensor) -> Tensor:
    """y = (exp(x) − exp(−x)) / (exp(x) + exp(−x)). input (*); returns (*)."""
    return tensor(input.shape, lambda *index: stored(hyperbolic(input[key(index)])))


def by_sigmoid(input: Tensor) -> Tensor:
    """The same as 2 σ(2 x) − 1, which rounds where it is near 0."""
    return tensor(input.shape, lambda *index: stored(tanh_by_sigmoid(input[key(index)])))


def _derived(derivative: Callable[[Scalar, Scalar, Scalar], Scalar], input: Tensor) -> Tensor:
    """The same with another ``derivative``, made of g, x and y, with every step stored."""

    def at(*index: int) -> Scalar:
        x = input[key(index)]
        y = stored(hyperbolic(x))
        return with_derivative_of(y, lambda: stored(derivative(differential(x), detached(x), detached(y))))

    return tensor(input.shape, at)


def _by_square(g: Scalar, x: Scalar, y: Scalar) -> Scalar:
    """g (1 − y y)."""
    return g * stored(1.0 - stored(y * y))


def _by_cosh(g: Scalar, x: Scalar, y: Scalar) -> Scalar:
    """g / cosh(x)²."""
    cosh = stored((exp(x) + exp(-x)) / 2.0)
    return g / stored(cosh * cosh)


def _by_factors(g: Scalar, x: Scalar, y: Scalar) -> Scalar:
    """(g + g y) (1 − y): near −1 the first factor cancels."""
    return stored(g + stored(g * y)) * stored(1.0 - y)


# The same numbers, with derivatives in other orders of operations.
stepwise = partial(_derived, _by_square)
by_cosh = partial(_derived, _by_cosh)
factored = partial(_derived, _by_factors)

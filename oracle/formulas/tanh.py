"""Hyperbolic tangent. Source: the document, line 35; torch.nn.Tanh."""

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


def stepwise(input: Tensor) -> Tensor:
    """The same, its derivative g (1 − y y) with every step stored."""

    def at(*index: int) -> Scalar:
        x = input[key(index)]
        y = stored(hyperbolic(x))
        slope = stored(1.0 - stored(y * y))
        return with_derivative_of(y, lambda: stored(differential(x) * detached(slope)))

    return tensor(input.shape, at)


def by_cosh(input: Tensor) -> Tensor:
    """The same, its derivative g / cosh(x)² with every step stored."""

    def at(*index: int) -> Scalar:
        x = input[key(index)]

        def derived() -> Scalar:
            kept = detached(x)
            cosh = stored((exp(kept) + exp(-kept)) / 2.0)
            return stored(differential(x) / stored(cosh * cosh))

        return with_derivative_of(stored(hyperbolic(x)), derived)

    return tensor(input.shape, at)


def factored(input: Tensor) -> Tensor:
    """The same, its derivative (g + g y) (1 − y), of which every step is rounded: near −1 the first factor cancels."""

    def at(*index: int) -> Scalar:
        x = input[key(index)]
        y = stored(hyperbolic(x))

        def derived() -> Scalar:
            kept, g = detached(y), differential(x)
            return stored(stored(g + stored(g * kept)) * stored(1.0 - kept))

        return with_derivative_of(y, derived)

    return tensor(input.shape, at)

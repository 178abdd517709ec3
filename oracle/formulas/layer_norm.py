"""Layer normalisation. Source: the document, Layer Normalization Layer; Ba, Kiros and Hinton 2016, equations 3 and 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._normalised import (
    as_documented,
    at,
    inverse_deviation,
    mean_of,
    squares_about,
    welford_mean,
)
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor, tensor


def layer_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Tensor:
    """y = (x − μ) / √(σ² + ε) ⊙ γ + β, moments over the trailing dimensions ``normalized_shape`` of each sample.

    input (*, *normalized_shape), weight and bias (*normalized_shape) or None; returns the shape of input.
    """
    return _layer_norm(mean_of, input, weight, bias, normalized_shape, eps)


def welford(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Tensor:
    """The same numbers, the mean by Welford's recurrence."""
    return _layer_norm(welford_mean, input, weight, bias, normalized_shape, eps)


def _layer_norm(
    average: Callable[[Sequence[Scalar]], Scalar],
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    normalized_shape: Sequence[int],
    eps: float,
) -> Tensor:
    axis = input.rank - len(normalized_shape)
    if axis < 0 or input.shape[axis:] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    samples = input.shape[:axis]

    mean = tensor(samples, lambda *n: average(input[*n, ...]))

    def inverse_at(*n: int) -> Scalar:
        xs = input[*n, ...]
        return inverse_deviation(squares_about(mean[n], xs) / len(xs), eps)

    inverse = tensor(samples, inverse_at)

    def y(*index: int) -> Scalar:
        n, place = index[:axis], index[axis:]
        return stored(as_documented(at(input, *index), mean[n], inverse[n], at(weight, *place), at(bias, *place)))

    return tensor(input.shape, y)

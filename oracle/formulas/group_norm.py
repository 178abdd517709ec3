"""Group normalisation. Source: the document, Group Normalization Layer; Wu and He 2018, equations 1, 2 and 7."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._normalised import (
    AffineMap,
    as_documented,
    as_folded,
    at,
    inverse_deviation,
    mean_of,
    squares_about,
    welford_mean,
)
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor, tensor


def group_norm(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    num_groups: int,
    eps: float = 1e-5,
) -> Tensor:
    """y = (x − μ) / √(σ² + ε) γ + β, moments over each sample's groups of C / num_groups neighbouring channels.

    input (N, C, *), weight and bias (C) or None; returns (N, C, *).
    """
    return _group_norm(mean_of, as_documented, input, weight, bias, num_groups, eps)


def folded(
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    num_groups: int,
    eps: float = 1e-5,
) -> Tensor:
    """The same numbers, the mean by Welford's recurrence and y = a x + b with one slope and one offset per sample and channel."""
    return _group_norm(welford_mean, as_folded, input, weight, bias, num_groups, eps)


def _group_norm(
    average: Callable[[Sequence[Scalar]], Scalar],
    affine: AffineMap,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    num_groups: int,
    eps: float,
) -> Tensor:
    samples, channels, *_ = input.shape
    if channels % num_groups != 0:
        raise ValueError(f"{channels} channels do not divide into {num_groups} groups")
    size = channels // num_groups

    def values(n: int, g: int) -> list[Scalar]:
        return [x for c in range(g * size, (g + 1) * size) for x in input[n, c, ...]]

    mean = tensor([samples, num_groups], lambda n, g: average(values(n, g)))

    def inverse_at(n: int, g: int) -> Scalar:
        xs = values(n, g)
        return inverse_deviation(squares_about(mean[n, g], xs) / len(xs), eps)

    inverse = tensor([samples, num_groups], inverse_at)

    def y(*index: int) -> Scalar:
        n, c, *_ = index
        g = c // size
        return stored(affine(input[index], mean[n, g], inverse[n, g], at(weight, c), at(bias, c)))

    return tensor(input.shape, y)

"""Group normalisation.

Source: the document, Group Normalization Layer; Wu and He 2018, equations 1, 2 and 7.
"""

from __future__ import annotations

from functools import cache, partial

from oracle.formulas._normalised import (
    AFFINE,
    AFFINE_BY_RECIPROCAL,
    BY_RECIPROCAL,
    COLLECTED,
    COLLECTED_APART,
    COLLECTED_IN_STORAGE,
    DOCUMENTED,
    FOLDED,
    FOLDED_IN_STORAGE,
    NORMALISED_FIRST,
    RECURRENT,
    RECURRENT_IN_STORAGE,
    SAVED,
    SLOPED,
    SLOPED_APART,
    Line,
    Writing,
    at,
)
from oracle.formulas._shapes import require_at_least, require_least_rank, require_per_channel
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
    """y = (x − μ) / √(σ² + ε) γ + β, μ and σ² over C / num_groups channels of a sample.

    input (N, C, *), weight and bias (C) or None; returns (N, C, *). Raises ``ValueError`` where a shape or
    the number of groups does not fit.
    """
    return written(DOCUMENTED, input, weight, bias, num_groups=num_groups, eps=eps)


def written(
    writing: Writing,
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    num_groups: int,
    eps: float = 1e-5,
) -> Tensor:
    """The same in any writing."""
    require_least_rank("input", input, 2)
    require_at_least(1, num_groups=(num_groups,))
    samples, channels, *_ = input.shape
    require_per_channel(channels, weight=weight, bias=bias)
    if channels % num_groups != 0:
        raise ValueError(f"{channels} channels do not divide into {num_groups} groups")
    size = channels // num_groups
    input, seen = writing.taken(input), writing.taken(input)

    def values(n: int, g: int) -> list[Scalar]:
        return [x for c in range(g * size, (g + 1) * size) for x in seen[n, c, ...]]

    mean = tensor([samples, num_groups], lambda n, g: writing.mean(values(n, g)))

    def inverse_at(n: int, g: int) -> Scalar:
        xs = values(n, g)
        return writing.kept(writing.inverse(writing.variance(writing.squares(mean[n, g], xs), len(xs)), eps))

    inverse = tensor([samples, num_groups], inverse_at)
    kept_mean = tensor([samples, num_groups], lambda n, g: writing.kept(mean[n, g]))

    @cache
    def line(n: int, c: int) -> Line:
        g = c // size
        return writing.affine(kept_mean[n, g], inverse[n, g], at(weight, c), at(bias, c))

    def y(*index: int) -> Scalar:
        return stored(line(*index[:2])(input[index]))

    return tensor(input.shape, y)


# The same numbers in other orders of operations.
affine = partial(written, AFFINE)
affine_by_reciprocal = partial(written, AFFINE_BY_RECIPROCAL)
folded = partial(written, FOLDED)
collected = partial(written, COLLECTED)
sloped = partial(written, SLOPED)
sloped_apart = partial(written, SLOPED_APART)
recurrent = partial(written, RECURRENT)
saved = partial(written, SAVED)
recurrent_in_storage = partial(written, RECURRENT_IN_STORAGE)
folded_in_storage = partial(written, FOLDED_IN_STORAGE)
collected_in_storage = partial(written, COLLECTED_IN_STORAGE)
collected_apart = partial(written, COLLECTED_APART)
normalised_first = partial(written, NORMALISED_FIRST)
by_reciprocal = partial(written, BY_RECIPROCAL)

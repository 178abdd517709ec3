"""Layer normalisation.

Source: the document, Layer Normalization Layer; Ba, Kiros and Hinton 2016, equations 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from oracle.formulas._normalised import (
    AFFINE,
    AFFINE_BY_RECIPROCAL,
    BY_RECIPROCAL,
    COLLECTED,
    DOCUMENTED,
    FOLDED,
    RECURRENT,
    SAVED,
    SLOPED,
    SLOPED_APART,
    Writing,
    as_folded_first,
    at,
)
from oracle.formulas._shapes import require_shape
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
    """y = (x − μ) / √(σ² + ε) ⊙ γ + β, μ and σ² over the trailing dimensions of each sample.

    input (*, *normalized_shape), weight and bias (*normalized_shape) or None; returns as input. Raises
    ``ValueError`` where a shape does not fit.
    """
    return written(DOCUMENTED, input, weight, bias, normalized_shape=normalized_shape, eps=eps)


def written(
    writing: Writing,
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Tensor:
    """The same in any writing."""
    if not normalized_shape:
        raise ValueError("normalized_shape is empty; it must name one dimension at least")
    axis = input.rank - len(normalized_shape)
    if axis < 0 or input.shape[axis:] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    require_shape("weight", weight, *normalized_shape)
    require_shape("bias", bias, *normalized_shape)
    samples = input.shape[:axis]
    input, seen = writing.taken(input), writing.taken(input)

    mean = tensor(samples, lambda *n: writing.mean(seen[*n, ...]))

    def inverse_at(*n: int) -> Scalar:
        xs = seen[*n, ...]
        return writing.kept(writing.inverse(writing.variance(writing.squares(mean[n], xs), len(xs)), eps))

    inverse = tensor(samples, inverse_at)
    kept_mean = tensor(samples, lambda *n: writing.kept(mean[n]))

    def y(*index: int) -> Scalar:
        n, place = index[:axis], index[axis:]
        line = writing.affine(kept_mean[n], inverse[n], at(weight, *place), at(bias, *place))
        return stored(line(at(input, *index)))

    return tensor(input.shape, y)


# The same numbers in other orders of operations.
affine = partial(written, AFFINE)
affine_by_reciprocal = partial(written, AFFINE_BY_RECIPROCAL)
folded = partial(written, replace(FOLDED, affine=as_folded_first))
collected = partial(written, replace(COLLECTED, affine=as_folded_first))
sloped = partial(written, SLOPED)
sloped_apart = partial(written, SLOPED_APART)
recurrent = partial(written, RECURRENT)
saved = partial(written, SAVED)
by_reciprocal = partial(written, BY_RECIPROCAL)

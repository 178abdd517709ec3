"""Batch normalisation.

Source: the document, Batch Normalization Layer, lines 881-892; Ioffe and Szegedy 2015, algorithm 1.
Running statistics as torch.nn.BatchNorm2d documents them: fed with the unbiased variance, momentum
None for a cumulative average.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial

from oracle.formulas._normalised import (
    AFFINE,
    AFFINE_BY_RECIPROCAL,
    BY_RECIPROCAL,
    DOCUMENTED,
    IN_STORAGE,
    KEPT,
    KEPT_RECURRENT,
    RECURRENT,
    RESCALED,
    SAVED,
    SLOPED,
    SLOPED_APART,
    STEPWISE,
    STEPWISE_IN_STORAGE,
    WEIGHTED,
    WEIGHTED_BY_RECIPROCAL,
    Line,
    Writing,
    at,
    moved,
)
from oracle.formulas._shapes import require_least_rank, require_per_channel
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor, indices, tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: int = 0,
) -> dict[str, Tensor]:
    """y = (x − μ) / √(σ² + ε) γ + β, μ and σ² over batch and positions of a channel, or running.

    input (N, C, *), all others (C) or None; ``num_batches_tracked`` counts the batches before this
    one. Returns output (N, C, *) and, where given, running_mean and running_var (C). Raises
    ``ValueError`` where a shape does not fit, and for less than two values per channel in training.
    """
    return written(
        DOCUMENTED,
        input,
        running_mean,
        running_var,
        weight,
        bias,
        training=training,
        momentum=momentum,
        eps=eps,
        num_batches_tracked=num_batches_tracked,
    )


def written(
    writing: Writing,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: int = 0,
) -> dict[str, Tensor]:
    """The same in any writing; its statistics are stored always."""
    require_least_rank("input", input, 2)
    samples, channels, *sides = input.shape
    require_per_channel(channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    places = list(indices(sides))
    # what a batch contributes to the running statistics
    share = Fraction(1, num_batches_tracked + 1) if momentum is None else momentum
    count = samples * len(places)
    if training and count < 2:
        raise ValueError(f"training needs more than one value per channel, not {input.shape}")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("evaluation needs running_mean and running_var")

    input, seen = writing.taken(input), writing.taken(input)

    def values(c: int) -> list[Scalar]:
        return [seen[n, c, *place] for n in range(samples) for place in places]

    average = tensor([channels], lambda c: writing.mean(values(c)))
    batch_mean = tensor([channels], lambda c: stored(average[c]))
    squares = tensor([channels], lambda c: stored(writing.squares(average[c], values(c))))

    def saved(batch: Tensor, running: Tensor | None) -> Tensor:
        return batch if training or running is None else running

    kept_mean = saved(batch_mean, running_mean)
    variance = saved(tensor([channels], lambda c: writing.variance(squares[c], count)), running_var)
    inverse = tensor([channels], lambda c: writing.share(stored(writing.inverse(variance[c], eps))))
    mean = tensor([channels], lambda c: writing.share(kept_mean[c]))

    @cache
    def line(c: int) -> Line:
        return writing.affine(mean[c], inverse[c], at(weight, c), at(bias, c))

    def y(*index: int) -> Scalar:
        return stored(line(index[1])(input[index]))

    def updated(running: Tensor, observed: Tensor) -> Tensor:
        if not training:
            return running
        return tensor([channels], lambda c: stored(moved(running[c], observed[c], share)))

    outputs = {"output": tensor(input.shape, y)}
    if running_mean is not None:
        outputs["running_mean"] = updated(running_mean, batch_mean)
    if running_var is not None:
        unbiased = tensor([channels], lambda c: writing.unbiased(squares[c], count - 1))
        outputs["running_var"] = updated(running_var, unbiased)
    return outputs


# The same numbers in other orders of operations.
affine = partial(written, AFFINE)
affine_by_reciprocal = partial(written, AFFINE_BY_RECIPROCAL)
folded = partial(written, KEPT)
folded_in_storage = partial(written, IN_STORAGE)
folded_recurrent = partial(written, KEPT_RECURRENT)
sloped = partial(written, SLOPED)
sloped_apart = partial(written, SLOPED_APART)
recurrent = partial(written, RECURRENT)
rescaled = partial(written, RESCALED)
saved = partial(written, SAVED)
stepwise = partial(written, STEPWISE)
stepwise_in_storage = partial(written, STEPWISE_IN_STORAGE)
weighted = partial(written, WEIGHTED)
weighted_by_reciprocal = partial(written, WEIGHTED_BY_RECIPROCAL)
by_reciprocal = partial(written, BY_RECIPROCAL)

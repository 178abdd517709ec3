"""Instance normalisation.

Source: the document, Instance Normalization Layer; Ulyanov, Vedaldi and Lempitsky 2016, equation 4.
Running statistics as torch.nn.functional.instance_norm keeps them: the mean over the batch of what
each instance would leave.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    Line,
    Writing,
    at,
    mean_of,
    moved,
)
from oracle.formulas._shapes import require_least_rank, require_per_channel
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor, tensor


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> dict[str, Tensor]:
    """y = (x − μ) / √(σ² + ε) γ + β, μ and σ² over the positions of a sample's channel, or running.

    input (N, C, *), all others (C) or None. Returns output (N, C, *) and, where given, running_mean
    and running_var (C). Raises ``ValueError`` where a shape does not fit, and for statistics of a single
    position.
    """
    return written(
        DOCUMENTED,
        input,
        running_mean,
        running_var,
        weight,
        bias,
        use_input_stats=use_input_stats,
        momentum=momentum,
        eps=eps,
    )


def written(
    writing: Writing,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> dict[str, Tensor]:
    """The same in any writing; its statistics are stored always."""
    require_least_rank("input", input, 3)
    samples, channels, *sides = input.shape
    require_per_channel(channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    count = math.prod(sides)
    if use_input_stats and count < 2:
        raise ValueError(f"input statistics need more than one position, not {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise ValueError("without input statistics, running_mean and running_var must be given")

    input, seen = writing.taken(input), writing.taken(input)

    def per_instance(value: Callable[[int, int], Scalar]) -> Tensor:
        return tensor([samples, channels], value)

    average = per_instance(lambda n, c: writing.mean(seen[n, c, ...]))
    own_mean = per_instance(lambda n, c: stored(average[n, c]))
    squares = per_instance(lambda n, c: stored(writing.squares(average[n, c], seen[n, c, ...])))
    own_variance = per_instance(lambda n, c: writing.variance(squares[n, c], count))

    def saved(own: Tensor, running: Tensor | None) -> Tensor:
        return own if use_input_stats or running is None else per_instance(lambda n, c: running[c])

    kept_mean, variance = saved(own_mean, running_mean), saved(own_variance, running_var)
    inverse = per_instance(lambda n, c: writing.share(stored(writing.inverse(variance[n, c], eps))))
    mean = per_instance(lambda n, c: writing.share(kept_mean[n, c]))

    def repeated(x: Tensor | None) -> Tensor | None:
        """A parameter as each sample uses it: so is the derivative stored by sample."""
        return None if x is None else per_instance(lambda n, c: writing.share(stored(x[c])))

    weights, biases = repeated(weight), repeated(bias)

    @cache
    def line(n: int, c: int) -> Line:
        return writing.affine(mean[n, c], inverse[n, c], at(weights, n, c), at(biases, n, c))

    def y(*index: int) -> Scalar:
        return stored(line(*index[:2])(input[index]))

    def updated(running: Tensor, observed: Tensor) -> Tensor:
        if not use_input_stats or samples == 0:  # nothing was seen
            return running
        left = per_instance(lambda n, c: stored(moved(running[c], observed[n, c], momentum)))
        return tensor([channels], lambda c: stored(mean_of([left[n, c] for n in range(samples)])))

    outputs = {"output": tensor(input.shape, y)}
    if running_mean is not None:
        outputs["running_mean"] = updated(running_mean, own_mean)
    if running_var is not None:
        unbiased = per_instance(lambda n, c: writing.unbiased(squares[n, c], count - 1))
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
by_reciprocal = partial(written, BY_RECIPROCAL)

"""Classic mistakes of attention between parts of images: scales, pixels and channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from conformance.mistake import (
    HALF,
    Arguments,
    called,
    flipped,
    instead,
    last_dropped,
    misread,
    no_derivative,
    tail_dropped,
    times,
    times_derivative,
    without_last,
)
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from conformance.specs._mistakes_weights import weighing
from oracle.formulas import multi_scale_attention
from oracle.formulas._softmax import Row
from oracle.scalar import Scalar, largest, sigmoid, stored, total
from oracle.tensor import Tensor, tensor

# What any of them may do wrong.
_COMMON = {
    "last_row": last_dropped(-2, "the last row"),
    "tail": tail_dropped(-1, "columns"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "input"),
}


# Scales


def _over_scales(of: Callable[[Sequence[Scalar]], Scalar]) -> Callable[..., Tensor]:
    """What is made of the maps without their scores."""

    def mistaken(input: Tensor, scores: Tensor) -> Tensor:
        *batch, scales, channels, height, width = input.shape

        def y(*index: int) -> Scalar:
            *b, c, i, j = index
            return stored(of([input[*b, s, c, i, j] for s in range(scales)]))

        return tensor((*batch, channels, height, width), y)

    return mistaken


def _gates(scores: Row) -> Row:
    return {s: stored(sigmoid(x)) for s, x in scores.items()}


def _without_last_scale(given: Arguments) -> Arguments:
    return {"input": without_last(given["input"], -4), "scores": without_last(given["scores"], -3)}


def _pixels_transposed(given: Arguments) -> Arguments:
    scores = given["scores"]
    axes = range(scores.rank)
    return {"scores": misread(scores, *axes[:-2], axes[-1], axes[-2])}


MULTI_SCALE_ATTENTION = {
    "mean": called("all scales weigh alike", lambda given: {"scores": times(given["scores"], 0.0)}),
    "largest": instead("the largest of the scales is taken", _over_scales(largest)),
    "summed": instead("the scales are added", _over_scales(total)),
    "gates": weighing(multi_scale_attention.written, "every scale has a gate of its own, a sigmoid", _gates),
    "not_normalised": weighing(
        multi_scale_attention.written, "the weights are not divided by their sum", not_normalised
    ),
    "sum_constant": weighing(
        multi_scale_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "scales_reversed": called(
        "the scores are those of the scales in reverse", lambda given: {"scores": flipped(given["scores"], -3)}
    ),
    "pixels_transposed": called("the scores are read as (*, S, W, H)", _pixels_transposed),
    "last_scale": called("the last scale is left out", _without_last_scale),
    "no_scores_derivative": no_derivative("scores"),
    **_COMMON,
}

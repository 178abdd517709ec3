"""Classic mistakes of attention between parts of images: scales, pixels and channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

from conformance.mistake import (
    HALF,
    Arguments,
    answered,
    called,
    flipped,
    instead,
    last_dropped,
    last_zero,
    mapped,
    misread,
    no_derivative,
    reindexed,
    tail_dropped,
    times,
    times_derivative,
    without_last,
)
from conformance.specs._mistakes_attention import rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from conformance.specs._mistakes_weights import weighing
from oracle.formulas import dual_attention, multi_scale_attention, spatially_adaptive_attention
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, constant, inside, largest, sigmoid, stored, total
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


# Pixels and channels


def _open(given: Arguments, factor: str) -> Arguments:
    return {factor: mapped(given[factor], lambda *_: constant(1.0))}


DUAL_ATTENTION = {
    "channels_negated": instead(
        "the scores of the channels are negated, as in the authors' code",
        partial(dual_attention.written, softmax_row, sign=-1.0),
    ),
    "scaled": called(
        "the scores of the pixels are divided by √d",
        lambda given: {"weight_query": rooted(given["weight_query"], given["weight_query"].shape[0])},
    ),
    "alpha_ignored": called("α is ignored", lambda given: _open(given, "alpha")),
    "beta_ignored": called("β is ignored", lambda given: _open(given, "beta")),
    "factors_exchanged": called(
        "α and β are exchanged", lambda given: {"alpha": given["beta"], "beta": given["alpha"]}
    ),
    "input_once": answered(
        "the image is added once, not to each of the two",
        lambda outputs, given: {
            "output": mapped(outputs["output"], lambda y, *index: stored(y - given["input"][index]))
        },
    ),
    "queries_exchanged": called(
        "queries and keys of the pixels are exchanged",
        lambda given: {"weight_query": given["weight_key"], "weight_key": given["weight_query"]},
    ),
    "value_transposed": called(
        "weight_value is read transposed", lambda given: {"weight_value": misread(given["weight_value"], 1, 0)}
    ),
    "not_normalised": weighing(dual_attention.written, "the weights are not divided by their sum", not_normalised),
    "sum_constant": weighing(dual_attention.written, "no derivative goes through the sum of the weights", sum_constant),
    "no_factor_derivative": no_derivative("alpha", "beta"),
    **_COMMON,
}


# Places


def _within(place: Scalar, side: int) -> Scalar:
    """The nearest place of the image."""
    return -largest([-largest([constant(0.0), place]), constant(1.0 - side)])


def _step(distance: Scalar) -> Scalar:
    return inside(distance, Fraction(-1, 2), Fraction(1, 2))


def _rows_exchanged(theta: Tensor) -> Tensor:
    found: Tensor = reindexed(theta, lambda *index: (*index[:-2], 1 - index[-2], index[-1]))
    return found


def _columns_exchanged(theta: Tensor) -> Tensor:
    found: Tensor = reindexed(theta, lambda *index: (*index[:-1], (1, 0, 2)[index[-1]]))
    return found


def _theta_misread(given: Arguments) -> Arguments:
    axes = range(given["theta"].rank)
    return {"theta": misread(given["theta"], *axes[:-2], axes[-1], axes[-2])}


SPATIALLY_ADAPTIVE_ATTENTION = {
    "corners_ignored": called("align_corners is ignored", lambda given: {"align_corners": False}),
    "corners_always": called("the corners are always aligned", lambda given: {"align_corners": True}),
    "border_repeated": instead(
        "beyond the image its border is repeated", partial(spatially_adaptive_attention.written, moved=_within)
    ),
    "nearest": instead("the nearest pixel is taken", partial(spatially_adaptive_attention.written, weight=_step)),
    "rows_exchanged": called("the first row of Θ gives y", lambda given: {"theta": _rows_exchanged(given["theta"])}),
    "y_first": called(
        "Θ is read for (y, x, 1)", lambda given: {"theta": _columns_exchanged(_rows_exchanged(given["theta"]))}
    ),
    "theta_misread": called("Θ is read as (*, 3, 2)", _theta_misread),
    "shift_ignored": called("the last column of Θ is ignored", lambda given: {"theta": last_zero(given["theta"], -1)}),
    "no_theta_derivative": no_derivative("theta"),
    **_COMMON,
}

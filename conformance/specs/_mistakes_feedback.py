"""Classic mistakes of attention whose weights depend on those before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from conformance.mistake import (
    Arguments,
    Mistake,
    called,
    changed,
    flipped,
    instead,
    left_out,
    no_derivative,
    times,
    without_last,
)
from conformance.specs._mistakes_attention import VALUE_MISREAD, common
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from oracle.formulas import feedback_attention
from oracle.scalar import Scalar, detached, total

Weights = Sequence[Sequence[Scalar]]


def _feeding(sentence: str, fed: Callable[[Weights], Sequence[Scalar]], convention: bool = False) -> Mistake:
    return instead(sentence, partial(feedback_attention.written, fed=fed), convention)


def _without_last_key(given: Arguments) -> Arguments:
    of_keys = changed(given, lambda x: without_last(x, -2), "key", "value")
    return {**of_keys, **changed(given, lambda x: without_last(x, -1), "initial")}


FEEDBACK_ATTENTION = {
    "no_feedback": called(
        "nothing is fed back", lambda given: {"weight_location": times(given["weight_location"], 0.0)}
    ),
    "cumulative": _feeding(
        "the sum of all weights before is fed back",
        lambda weights: [total(column) for column in zip(*weights, strict=True)],
        convention=True,
    ),
    "initial_for_all": _feeding("the initial weights are fed back to all queries", lambda weights: weights[0]),
    "initial_ignored": called(
        "the initial weights are taken for zeros", lambda given: {"initial": times(given["initial"], 0.0)}
    ),
    "feedback_constant": _feeding(
        "no derivative goes through what is fed back", lambda weights: list(map(detached, weights[-1]))
    ),
    "kernel_flipped": called(
        "the kernel is flipped, as in a convolution by the book", lambda given: {"kernel": flipped(given["kernel"], -1)}
    ),
    "scores_doubled": called("the scores are multiplied by 2", lambda given: {"v": times(given["v"], 2.0)}),
    "bias_missing": left_out("bias"),
    "not_normalised": instead(
        "the weights are not divided by their sum", partial(feedback_attention.written, weigh=not_normalised)
    ),
    "sum_constant": instead(
        "no derivative goes through the sum of the weights", partial(feedback_attention.written, weigh=sum_constant)
    ),
    "last_key": called("the last key is left out", _without_last_key),
    "no_location_derivative": no_derivative("weight_location"),
    "value_misread": VALUE_MISREAD,
    **common("query", "value"),
}

"""Classic mistakes of attention of two sequences to each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    changed,
    instead,
    left_out,
    misread,
    no_derivative,
    tail_dropped,
    times,
    times_derivative,
    without_last,
)
from conformance.specs._mistakes_attention import rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from oracle.formulas import co_attention, interactive_attention
from oracle.formulas._normalised import mean_of
from oracle.scalar import detached, largest, total
from oracle.tensor import tensor


def _of_pairs(written: Callable[..., Any], weight: str) -> dict[str, Mistake]:
    """What both kinds may do wrong."""
    return {
        "not_normalised": instead("the weights are not divided by their sum", partial(written, weigh=not_normalised)),
        "sum_constant": instead(
            "no derivative goes through the sum of the weights", partial(written, weigh=sum_constant)
        ),
        "last_place": called("the last place is left out", lambda given: _shortened(given, "input")),
        "last_other_place": called("the last place of the other is left out", lambda given: _shortened(given, "other")),
        "no_weight_derivative": no_derivative(weight),
        "tail": tail_dropped(-1, "features"),
        "half": HALF,
        "derivative_twice": times_derivative(2.0, "other"),
    }


def _shortened(given: Arguments, name: str) -> Arguments:
    return changed(given, lambda x: without_last(x, -2), name) if given[name].shape[-2] > 1 else {}


def _unseen(given: Arguments) -> Arguments:
    return {"weight_affinity": times(given["weight_affinity"], 0.0)}


def _one_sided(outputs: Outputs, given: Arguments) -> Outputs:
    alone = co_attention.co_attention(**{**given, **_unseen(given)})
    return {"other_output": alone["other_output"]}


CO_ATTENTION = {
    "affinity_linear": instead("the affinities are not squashed", partial(co_attention.written, squash=lambda x: x)),
    "affinity_transposed": called(
        "weight_affinity is read as (E, F)", lambda given: {"weight_affinity": misread(given["weight_affinity"], 1, 0)}
    ),
    "alone": called("the two do not see each other", _unseen),
    "one_sided": answered("the other does not see the input", _one_sided),
    "exchanged": called(
        "the vectors that make scores are exchanged",
        lambda given: {"attend_input": given["attend_other"], "attend_other": given["attend_input"]},
    ),
    "scaled": called(
        "the scores are divided by √H",
        lambda given: changed(given, lambda x: rooted(x, x.shape[0]), "attend_input", "attend_other"),
    ),
    **_of_pairs(co_attention.written, "weight_affinity"),
}


def _one_after_the_other(outputs: Outputs, given: Arguments) -> Outputs:
    found = outputs["output"]
    alone = tensor((*found.shape[:-1], 1, found.shape[-1]), lambda *index: found[*index[:-2], index[-1], ...][0])
    return {"other_output": interactive_attention.interactive_attention(**{**given, "input": alone})["other_output"]}


INTERACTIVE_ATTENTION = {
    "summed": instead("the sum stands for the mean", partial(interactive_attention.written, pool=total)),
    "largest": instead("the largest stands for the mean", partial(interactive_attention.written, pool=largest)),
    "means": called(
        "what is pooled is the mean",
        lambda given: changed(given, lambda x: times(x, 0.0), "weight_input", "weight_other"),
    ),
    "mean_constant": instead(
        "no derivative goes through the mean",
        partial(interactive_attention.written, pool=lambda xs: detached(mean_of(xs))),
    ),
    "scores_linear": instead("the scores are not squashed", partial(interactive_attention.written, squash=lambda x: x)),
    "one_after_the_other": answered("what the input gives asks the other, not its mean", _one_after_the_other),
    "bias_missing": left_out("bias_input", "bias_other"),
    "weight_transposed": called(
        "weight_input is read as (F, E)", lambda given: {"weight_input": misread(given["weight_input"], 1, 0)}
    ),
    **_of_pairs(interactive_attention.written, "weight_input"),
}

"""Classic mistakes of kinds of attention that make other weights of the scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import (
    Arguments,
    Mistake,
    Outputs,
    answered,
    backward,
    called,
    changed,
    flipped,
    instead,
    mapped,
    no_derivative,
    times,
)
from conformance.specs._mistakes_attention import VALUE_MISREAD, common, last_key, rooted
from conformance.specs._mistakes_rowwise import sum_constant
from oracle.formulas import (
    differential_attention,
    monotonic_attention,
    structured_attention,
)
from oracle.formulas import sparsemax_attention as sparsemax
from oracle.formulas._softmax import Row, shifted
from oracle.formulas._weights import above, sparsemax_threshold
from oracle.formulas.dot_product_attention import dot_product_attention
from oracle.scalar import Scalar, constant, descending, detached, largest, stored, total
from oracle.tensor import Tensor, tensor


def weighing(written: Callable[..., Any], sentence: str, weigh: Callable[[Row], Row]) -> Mistake:
    return instead(sentence, partial(written, weigh))


SOFTMAX = "the weights are those of softmax"


SCALED = called(
    "the scores are divided by √d", lambda given: {"query": rooted(given["query"], given["query"].shape[-1])}
)


_KEYS_REVERSED = called(
    "the keys are read in reverse", lambda given: changed(given, lambda x: flipped(x, -2), "key", "value")
)


def soft(query: Tensor, key: Tensor, value: Tensor, **rest: Any) -> Tensor:
    return dot_product_attention(query, key, value)


def _threshold(sentence: str, of: Callable[[Row], Scalar]) -> Mistake:
    """Another threshold."""

    def weigh(scores: Row) -> Row:
        found = shifted(scores)
        return above(of(found), found)

    return weighing(sparsemax.written, sentence, weigh)


def _of_all(scores: Row) -> Scalar:
    return total([*scores.values(), -constant(1.0)]) / len(scores)


def _of_one_more(scores: Row) -> Scalar:
    ordered = descending(list(scores.values()))
    return largest([total(ordered[:k]) / (k + 1) for k in range(1, len(ordered) + 1)])


SPARSEMAX_ATTENTION = {
    "softmax": instead(SOFTMAX, soft),
    "threshold_of_all": _threshold("the threshold is that of all keys, not of those that have weights", _of_all),
    "threshold_of_one_more": _threshold("the threshold is divided by one more than the number of keys", _of_one_more),
    "threshold_constant": _threshold(
        "no derivative goes through the threshold", lambda scores: detached(sparsemax_threshold(scores))
    ),
    "scaled": SCALED,
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


def _derived(query: str, value: str) -> dict[str, Mistake]:
    """What any attention may do wrong whose queries have no derivative."""
    return {name: mistake for name, mistake in common(query, value).items() if name != "no_query_derivative"}


HARD_ATTENTION = {
    "softmax": instead(SOFTMAX, soft),
    "last_of_equal": called(
        "of equal scores the last wins", lambda given: changed(given, lambda x: flipped(x, -2), "key", "value")
    ),
    "smallest": called("the smallest score wins", lambda given: {"query": times(given["query"], -1.0)}),
    "straight_through": backward(instead("the derivatives are those of softmax", soft)),
    "value_misread": VALUE_MISREAD,
    **last_key("key", "value"),
    **_derived("query", "value"),
}


def _summed(formula: Callable[..., Tensor], given: Arguments) -> Callable[..., Scalar]:
    """The sum of the weights of a query, at an index of the output: what values of one would give."""
    ones = tensor((*given["value"].shape[:-1], 1), lambda *_: constant(1.0))
    sums = formula(**{**given, "value": ones})
    return lambda *index: sums[*index[:-1], 0]


def _normalised(formula: Callable[..., Tensor]) -> Callable[[Outputs, Arguments], Outputs]:
    def change(outputs: Outputs, given: Arguments) -> Outputs:
        summed = _summed(formula, given)
        return {"output": mapped(outputs["output"], lambda y, *index: stored(y / summed(*index)))}

    return change


def _rest_on_last(outputs: Outputs, given: Arguments) -> Outputs:
    value, summed = given["value"], _summed(monotonic_attention.written, given)

    def y(found: Scalar, *index: int) -> Scalar:
        *batch, _, e = index
        return stored(found + (1.0 - summed(*index)) * value[*batch, value.shape[-2] - 1, e])

    return {"output": mapped(outputs["output"], y)}


MONOTONIC_ATTENTION = {
    "softmax": instead(SOFTMAX, soft),
    "goes_on_with_p": instead(
        "the probability to go on is p, not 1 − p", partial(monotonic_attention.written, passes=lambda p: p)
    ),
    "goes_on_always": instead(
        "a query that has stopped goes on all the same",
        partial(monotonic_attention.written, passes=lambda p: constant(1.0)),
    ),
    "goes_on_constant": instead(
        "no derivative goes through the probability to go on",
        partial(monotonic_attention.written, passes=lambda p: detached(1.0 - p)),
    ),
    "normalised": answered("the weights are divided by their sum", _normalised(monotonic_attention.written)),
    "rest_on_last": answered("a query that stops nowhere takes the last key", _rest_on_last),
    "keys_reversed": _KEYS_REVERSED,
    "scaled": SCALED,
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


STRUCTURED_ATTENTION = {
    "softmax": instead(SOFTMAX, soft),
    "normalised": answered(
        "the weights are divided by their sum", _normalised(structured_attention.structured_attention)
    ),
    "transition_ignored": called(
        "the transitions are ignored", lambda given: {"transition": times(given["transition"], 0.0)}
    ),
    "transition_transposed": called(
        "the transitions are read as those from the next element",
        lambda given: {"transition": given["transition"].swapped(0, 1)},
    ),
    "no_transition_derivative": no_derivative("transition"),
    "scaled": SCALED,
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


def _both_queries(given: Arguments, inverse: bool) -> Arguments:
    width = given["query"].shape[-1]
    return changed(given, lambda x: rooted(x, width, inverse), "query", "other_query")


DIFFERENTIAL_ATTENTION = {
    "added": called("the weights are added", lambda given: {"factor": -given["factor"]}),
    "factor_ignored": called("λ is ignored", lambda given: {"factor": 1.0}),
    "exchanged": called(
        "the first weights are subtracted, times λ, from the second",
        lambda given: {
            "query": given["other_query"],
            "key": given["other_key"],
            "other_query": given["query"],
            "other_key": given["key"],
        },
    ),
    "one_key": called("both weights are those of the same keys", lambda given: {"other_key": given["key"]}),
    "rescaled": answered(
        "the result is multiplied by 1 − λ",
        lambda outputs, given: {"output": times(outputs["output"], 1.0 - given["factor"])},
    ),
    "scale_missing": called("the scores are not scaled", lambda given: _both_queries(given, inverse=False)),
    "scale_by_width": called(
        "the scores are divided by d, not by √d", lambda given: _both_queries(given, inverse=True)
    ),
    "sum_constant": weighing(
        differential_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "no_other_derivative": no_derivative("other_query"),
    "value_misread": VALUE_MISREAD,
    **last_key("key", "other_key", "value"),
    **common("query", "value"),
}

"""Classic mistakes of the kinds of attention that no library has as a layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import Mistake, called, instead, no_derivative
from conformance.specs._mistakes_attention import VALUE_MISREAD, common, last_key, rooted
from oracle.formulas import sparsemax_attention as sparsemax
from oracle.formulas._softmax import Row, shifted, softmax_row
from oracle.formulas._weights import above, sparsemax_threshold
from oracle.scalar import Scalar, constant, descending, detached, largest, total


def _weighing(written: Callable[..., Any], sentence: str, weigh: Callable[[Row], Row]) -> Mistake:
    return instead(sentence, partial(written, weigh))


# Sparsemax


def _threshold(sentence: str, of: Callable[[Row], Scalar]) -> Mistake:
    """Another threshold."""

    def weigh(scores: Row) -> Row:
        found = shifted(scores)
        return above(of(found), found)

    return _weighing(sparsemax.written, sentence, weigh)


def _of_all(scores: Row) -> Scalar:
    return total([*scores.values(), -constant(1.0)]) / len(scores)


def _of_one_more(scores: Row) -> Scalar:
    ordered = descending(list(scores.values()))
    return largest([total(ordered[:k]) / (k + 1) for k in range(1, len(ordered) + 1)])


SPARSEMAX_ATTENTION = {
    "softmax": _weighing(sparsemax.written, "the weights are those of softmax", softmax_row),
    "threshold_of_all": _threshold("the threshold is that of all keys, not of those that have weights", _of_all),
    "threshold_of_one_more": _threshold("the threshold is divided by one more than the number of keys", _of_one_more),
    "threshold_constant": _threshold(
        "no derivative goes through the threshold", lambda scores: detached(sparsemax_threshold(scores))
    ),
    "scaled": called(
        "the scores are divided by √d", lambda given: {"query": rooted(given["query"], given["query"].shape[-1])}
    ),
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}

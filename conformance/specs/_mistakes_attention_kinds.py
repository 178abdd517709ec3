"""Classic mistakes of the kinds of attention that no library has as a layer."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    backward,
    called,
    changed,
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
from conformance.specs._mistakes_attention import VALUE_MISREAD, common, last_key, rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from oracle.formulas import _graph as graph
from oracle.formulas import (
    channel_attention,
    content_attention,
    differential_attention,
    dynamic_graph_attention,
    fine_grained_attention,
    graph_attention,
    linear_attention,
    location_attention,
    memory_attention,
    monotonic_attention,
    spatial_attention,
    structured_attention,
)
from oracle.formulas import sparsemax_attention as sparsemax
from oracle.formulas._normalised import mean_of
from oracle.formulas._softmax import Row, shifted, softmax_row
from oracle.formulas._weights import above, sparsemax_threshold
from oracle.formulas.dot_product_attention import dot_product_attention
from oracle.scalar import Scalar, constant, descending, detached, dot, exp, largest, rectified, sigmoid, stored, total
from oracle.tensor import Tensor, tensor


def _weighing(written: Callable[..., Any], sentence: str, weigh: Callable[[Row], Row]) -> Mistake:
    return instead(sentence, partial(written, weigh))


_SOFTMAX = "the weights are those of softmax"
_SCALED = called(
    "the scores are divided by √d", lambda given: {"query": rooted(given["query"], given["query"].shape[-1])}
)
_KEYS_REVERSED = called(
    "the keys are read in reverse", lambda given: changed(given, lambda x: flipped(x, -2), "key", "value")
)


def _soft(query: Tensor, key: Tensor, value: Tensor, **rest: Any) -> Tensor:
    return dot_product_attention(query, key, value)


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
    "softmax": instead(_SOFTMAX, _soft),
    "threshold_of_all": _threshold("the threshold is that of all keys, not of those that have weights", _of_all),
    "threshold_of_one_more": _threshold("the threshold is divided by one more than the number of keys", _of_one_more),
    "threshold_constant": _threshold(
        "no derivative goes through the threshold", lambda scores: detached(sparsemax_threshold(scores))
    ),
    "scaled": _SCALED,
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


# Other scores


def _derived(query: str, value: str) -> dict[str, Mistake]:
    """What any attention may do wrong whose queries have no derivative."""
    return {name: mistake for name, mistake in common(query, value).items() if name != "no_query_derivative"}


HARD_ATTENTION = {
    "softmax": instead(_SOFTMAX, _soft),
    "last_of_equal": called(
        "of equal scores the last wins", lambda given: changed(given, lambda x: flipped(x, -2), "key", "value")
    ),
    "smallest": called("the smallest score wins", lambda given: {"query": times(given["query"], -1.0)}),
    "straight_through": backward(instead("the derivatives are those of softmax", _soft)),
    "value_misread": VALUE_MISREAD,
    **last_key("key", "value"),
    **_derived("query", "value"),
}


def _features(sentence: str, of: Callable[[Scalar], Scalar]) -> Mistake:
    return instead(sentence, partial(linear_attention.written, of))


def _causal(sentence: str, seen: Callable[[int], int]) -> Mistake:
    return instead(sentence, partial(linear_attention.written, linear_attention.feature, seen=seen))


def _elu(x: Scalar) -> Scalar:
    return stored(linear_attention.feature(x) - 1.0)


LINEAR_ATTENTION = {
    "softmax": instead(_SOFTMAX, _soft),
    "rectified_features": _features("the features are max(0, x)", lambda x: stored(rectified(x))),
    "exponential_features": _features("the features are exp(x)", lambda x: stored(exp(x))),
    "features_below_zero": _features("the 1 is not added to elu(x)", _elu),
    "eps_missing": called("ε is left out", lambda given: {"eps": 0.0}),
    "causal_ignored": called("is_causal is ignored", lambda given: {"is_causal": False}),
    "causal_excludes_itself": _causal("a query does not see the key of its own place", lambda i: i),
    "causal_sees_next": _causal("a query sees the next key too", lambda i: i + 2),
    "scaled": called(
        "the queries are divided by √d", lambda given: {"query": rooted(given["query"], given["query"].shape[-1])}
    ),
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}

CONTENT_ATTENTION = {
    "by_products": instead(
        "the products are not divided by the norms", partial(content_attention.written, by_norms=False)
    ),
    "eps_missing": instead("ε is left out", partial(content_attention.written, eps=Fraction(0))),
    "eps_thousandth": instead("ε is 1/1000", partial(content_attention.written, eps=Fraction(1, 1000))),
    "strength_ignored": called(
        "the strength is ignored", lambda given: {"strength": mapped(given["strength"], lambda *_: constant(1.0))}
    ),
    "strength_inverted": called(
        "the strength is a temperature, which divides",
        lambda given: {"strength": mapped(given["strength"], lambda x, *_: 1.0 / x)},
    ),
    "no_strength_derivative": no_derivative("strength"),
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


def _of_all_places(given: Arguments) -> Arguments:
    """A zero for every place without a value."""
    value, places = given["value"], given["weight"].shape[0]
    *batch, count, width = value.shape

    def at(*index: int) -> Scalar:
        return value[index] if index[-2] < count else constant(0.0)

    return {"value": tensor((*batch, max(places, count), width), at)}


def _last_places(given: Arguments) -> Arguments:
    surplus = given["weight"].shape[0] - given["value"].shape[-2]
    rows, width = given["value"].shape[-2], given["weight"].shape[-1]
    return {"weight": tensor((rows, width), lambda j, e: given["weight"][j + surplus, e])}


LOCATION_ATTENTION = {
    "of_all_places": called("places without a value take part in the softmax", _of_all_places),
    "last_places": called("the places are the last rows of the weight, not the first", _last_places),
    "places_reversed": called("the values are read in reverse", lambda given: {"value": flipped(given["value"], -2)}),
    "weight_transposed": called(
        "the weight is read as (E, places)", lambda given: {"weight": misread(given["weight"], 1, 0)}
    ),
    "scaled": _SCALED,
    "sum_constant": _weighing(
        location_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "no_weight_derivative": no_derivative("weight"),
    "value_misread": VALUE_MISREAD,
    **last_key("value"),
    **common("query", "value"),
}

FINE_GRAINED_ATTENTION = {
    "one_weight": called(
        "all features have the weights of the first",
        lambda given: {"weight": reindexed(given["weight"], lambda e, h: (0, h))},
    ),
    "query_ignored": called("the query is ignored", lambda given: {"weight_query": times(given["weight_query"], 0.0)}),
    "weight_transposed": called(
        "the weight is read as (H, Ev)", lambda given: {"weight": misread(given["weight"], 1, 0)}
    ),
    "key_weight_transposed": called(
        "weight_key is read as (Ek, H)", lambda given: {"weight_key": misread(given["weight_key"], 1, 0)}
    ),
    "last_hidden": called(
        "the sum over hidden units ends one early", lambda given: {"weight": last_zero(given["weight"], 1)}
    ),
    "not_normalised": _weighing(
        fine_grained_attention.written, "the weights are not divided by their sum", not_normalised
    ),
    "sum_constant": _weighing(
        fine_grained_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("weight_key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


# Weights that are probabilities, each by itself


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
    "softmax": instead(_SOFTMAX, _soft),
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
    "scaled": _SCALED,
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}

STRUCTURED_ATTENTION = {
    "softmax": instead(_SOFTMAX, _soft),
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
    "scaled": _SCALED,
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


# Differences of weights


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
    "sum_constant": _weighing(
        differential_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "no_other_derivative": no_derivative("other_query"),
    "value_misread": VALUE_MISREAD,
    **last_key("key", "other_key", "value"),
    **common("query", "value"),
}


# Graphs


def _attending(written: Callable[..., Any], *shared: str) -> dict[str, Mistake]:
    """What both kinds may do wrong."""
    return {
        "not_itself": instead("a node does not see itself", partial(written, itself=False)),
        "all_seen": called(
            "the adjacency is ignored",
            lambda given: {"adjacency": mapped(given["adjacency"], lambda *_: True)},
        ),
        "edges_reversed": called(
            "edges are read in reverse", lambda given: {"adjacency": given["adjacency"].swapped(0, 1)}
        ),
        "sum_constant": instead(
            "no derivative goes through the sum of the weights", partial(written, weigh=sum_constant)
        ),
        "heads_dealt": answered("the heads are dealt to the features in turn", _dealt(shared[0])),
        "no_score_derivative": no_derivative(*shared[1:]),
        "last_node": last_dropped(-2, "the last node"),
        "tail": tail_dropped(-1, "features"),
        "half": HALF,
        "derivative_twice": times_derivative(2.0, "input"),
    }


def _dealt(weight: str) -> Callable[[Outputs, Arguments], Outputs]:
    def change(outputs: Outputs, given: Arguments) -> Outputs:
        heads, width = given[weight].shape[:2]
        found = outputs["output"]
        return {
            "output": reindexed(found, lambda *index: (*index[:-1], index[-1] % heads * width + index[-1] // heads))
        }

    return change


def _rectified(sentence: str, rectify: Callable[[Scalar], Scalar]) -> Mistake:
    return instead(sentence, partial(graph_attention.written, rectify=rectify))


GRAPH_ATTENTION = {
    "linear_scores": _rectified("the scores are not rectified", lambda x: x),
    "tight": _rectified("the scores are rectified with the slope 0, not 1/5", rectified),
    "slope_hundredth": _rectified(
        "the scores are rectified with the slope 1/100, not 1/5", lambda x: largest([x, x * constant(Fraction(1, 100))])
    ),
    "exchanged": called(
        "the parts of the score are exchanged",
        lambda given: {"attend_self": given["attend_other"], "attend_other": given["attend_self"]},
    ),
    **_attending(graph_attention.written, "weight", "attend_self", "attend_other"),
}


def _static(
    input: Tensor,
    weight_self: Tensor,
    weight_other: Tensor,
    attend: Tensor,
    adjacency: Tensor,
    behind_mask: str = "skipped",
) -> Tensor:
    """b · LeakyReLU(U x_i) + b · LeakyReLU(V x_j): the concatenation is rectified, not the sum."""
    own, others = graph.heads(input, weight_self), graph.heads(input, weight_other)

    def score(*place: int) -> Scalar:
        *b, h, i, j = place
        row = [*own[*b, h, i, ...], *others[*b, h, j, ...]]
        return dot([graph.leaky(x) for x in row], [*attend[h, ...], *attend[h, ...]])

    return graph.joined(score, others, adjacency, behind_mask=behind_mask)


DYNAMIC_GRAPH_ATTENTION = {
    "static": instead("both projections are rectified before they are added", _static),
    "values_of_self": called(
        "the two projections are exchanged",
        lambda given: {"weight_self": given["weight_other"], "weight_other": given["weight_self"]},
    ),
    "one_weight": called("one weight projects both nodes", lambda given: {"weight_self": given["weight_other"]}),
    **_attending(dynamic_graph_attention.written, "weight_self", "attend"),
}

MEMORY_ATTENTION = {
    "query_dropped": instead(
        "the query is not added to what is read", partial(memory_attention.written, softmax_row, kept=False)
    ),
    "one_hop": called("there is one hop, whatever is asked for", lambda given: {"hops": 1}),
    "hop_more": called("there is a hop too many", lambda given: {"hops": given["hops"] + 1}),
    "one_memory": called("what is compared is also what is read", lambda given: {"memory_out": given["memory_in"]}),
    "exchanged": called(
        "the memories are exchanged",
        lambda given: {"memory_in": given["memory_out"], "memory_out": given["memory_in"]},
    ),
    "scaled": called(
        "the scores are divided by √d",
        lambda given: {"memory_in": rooted(given["memory_in"], given["memory_in"].shape[-1])},
    ),
    "not_normalised": _weighing(memory_attention.written, "the weights are not divided by their sum", not_normalised),
    "sum_constant": _weighing(
        memory_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "no_key_derivative": no_derivative("memory_in"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "memory_out"),
    **last_key("memory_in", "memory_out"),
}


# Levels


def _means(given: Arguments, *levels: str) -> Arguments:
    """No context: all weights are alike."""
    return changed(given, lambda x: times(x, 0.0), *(f"{level}_context" for level in levels))


HIERARCHICAL_ATTENTION = {
    "words_alike": called("words weigh all alike", lambda given: _means(given, "word")),
    "sentences_alike": called("sentences weigh all alike", lambda given: _means(given, "sentence")),
    "word_bias_missing": called("word_bias is left out", lambda given: {"word_bias": None}),
    "sentence_bias_missing": called("sentence_bias is left out", lambda given: {"sentence_bias": None}),
    "levels_exchanged": called("sentences are pooled first", lambda given: {"input": given["input"].swapped(-2, -3)}),
    "weight_transposed": called(
        "word_weight is read as (E, H)", lambda given: {"word_weight": misread(given["word_weight"], 1, 0)}
    ),
    "last_word": called("the last word is left out", lambda given: {"input": without_last(given["input"], -2)}),
    "last_sentence": called("the last sentence is left out", lambda given: {"input": without_last(given["input"], -3)}),
    "no_context_derivative": no_derivative("word_context"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "input"),
}


# Gates


def _gated(written: Callable[..., Any], weight: str) -> dict[str, Mistake]:
    return {
        "gate_hard": instead(
            "the gate is x / 6 + 1/2 cut off at 0 and 1", partial(written, gate=lambda x: _cut_off(x / 6.0 + 0.5))
        ),
        "gate_without_sigmoid": instead("the gate is not a sigmoid", partial(written, gate=lambda x: x)),
        "gate_constant": instead(
            "no derivative goes through the gate", partial(written, gate=lambda x: detached(sigmoid(x)))
        ),
        "input_added": answered(
            "the input is added to the result",
            lambda outputs, given: {"output": _sum(outputs["output"], given["input"])},
        ),
        "no_weight_derivative": no_derivative(weight),
        "last_row": last_dropped(-2, "the last row"),
        "tail": tail_dropped(-1, "columns"),
        "half": HALF,
        "derivative_twice": times_derivative(2.0, "input"),
    }


def _cut_off(x: Scalar) -> Scalar:
    return 1.0 - rectified(1.0 - rectified(x))


def _sum(x: Tensor, y: Tensor) -> Tensor:
    return tensor(x.shape, lambda *index: stored(x[index] + y[index]))


CHANNEL_ATTENTION = {
    "largest": instead("channels are pooled by their maximum", partial(channel_attention.written, pool=largest)),
    "summed": instead("channels are pooled by their sum", partial(channel_attention.written, pool=total)),
    "linear_hidden": instead(
        "the reduced means are not rectified", partial(channel_attention.written, rectify=lambda x: x)
    ),
    "reduce_transposed": called(
        "weight_reduce is read as (C, R)", lambda given: {"weight_reduce": misread(given["weight_reduce"], 1, 0)}
    ),
    **_gated(channel_attention.written, "weight_expand"),
}

SPATIAL_ATTENTION = {
    "mean_first": instead(
        "the mean comes before the maximum", partial(spatial_attention.written, pools=(mean_of, largest))
    ),
    "sum_for_mean": instead(
        "the sum of the channels stands for their mean", partial(spatial_attention.written, pools=(largest, total))
    ),
    "kernel_flipped": called(
        "the kernel is flipped, as in a convolution by the book",
        lambda given: {"weight": flipped(given["weight"], -1, -2)},
    ),
    "kernel_transposed": called("the kernel is transposed", lambda given: {"weight": given["weight"].swapped(2, 3)}),
    **_gated(spatial_attention.written, "weight"),
}

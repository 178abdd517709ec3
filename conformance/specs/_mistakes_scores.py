"""Classic mistakes of kinds of attention that have other scores."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    changed,
    flipped,
    instead,
    last_zero,
    left_out,
    mapped,
    misread,
    no_derivative,
    reindexed,
    tail_dropped,
    times,
    times_derivative,
)
from conformance.specs._mistakes_attention import VALUE_MISREAD, common, last_key, rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from conformance.specs._mistakes_weights import SCALED, SOFTMAX, soft, weighing
from oracle.formulas import (
    adaptive_attention,
    content_attention,
    fine_grained_attention,
    linear_attention,
    location_attention,
    multi_step_attention,
)
from oracle.scalar import Scalar, constant, detached, dot, exp, rectified, stored
from oracle.tensor import Tensor, key, tensor


def _features(sentence: str, of: Callable[[Scalar], Scalar]) -> Mistake:
    return instead(sentence, partial(linear_attention.written, of))


def _causal(sentence: str, seen: Callable[[int], int]) -> Mistake:
    return instead(sentence, partial(linear_attention.written, linear_attention.feature, seen=seen))


def _elu(x: Scalar) -> Scalar:
    return stored(linear_attention.feature(x) - 1.0)


LINEAR_ATTENTION = {
    "softmax": instead(SOFTMAX, soft),
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
    "scaled": SCALED,
    "sum_constant": weighing(
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
    "not_normalised": weighing(
        fine_grained_attention.written, "the weights are not divided by their sum", not_normalised
    ),
    "sum_constant": weighing(
        fine_grained_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("weight_key"),
    **last_key("key", "value"),
    **common("query", "value"),
}


def _mixing(sentence: str, mix: Callable[[Scalar, Scalar, Scalar], Scalar]) -> Mistake:
    return instead(sentence, partial(adaptive_attention.written, mix=mix))


ADAPTIVE_ATTENTION = {
    "exchanged": _mixing(
        "the regions have the weight of the sentinel", lambda beta, s, c: dot([beta, 1.0 - beta], [c, s])
    ),
    "regions_weighted_twice": _mixing(
        "the regions have the weights of the longer softmax, and are multiplied by 1 − β again",
        lambda beta, s, c: dot([beta, (1.0 - beta) * (1.0 - beta)], [s, c]),
    ),
    "sentinel_dropped": _mixing("the sentinel is left out", lambda beta, s, c: c),
    "sentinel_added": _mixing("the sentinel is added to the regions", lambda beta, s, c: s + c),
    "beta_constant": _mixing(
        "no derivative goes through β", lambda beta, s, c: dot([detached(beta), detached(1.0 - beta)], [s, c])
    ),
    "one_weight": called(
        "the sentinel is projected as the regions are", lambda given: {"weight_sentinel": given["weight_input"]}
    ),
    "query_ignored": called("the query is ignored", lambda given: {"weight_query": times(given["weight_query"], 0.0)}),
    "scaled": called("the scores are divided by √H", lambda given: {"v": rooted(given["v"], given["v"].shape[0])}),
    "sum_constant": instead(
        "no derivative goes through the sum of the weights", partial(adaptive_attention.written, weigh=sum_constant)
    ),
    "weight_transposed": called(
        "weight_input is read as (E, H)", lambda given: {"weight_input": misread(given["weight_input"], 1, 0)}
    ),
    "no_sentinel_derivative": no_derivative("weight_sentinel"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "sentinel"),
}


def _sum(x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = mapped(x, lambda value, *index: stored(value + y[key(index)]))
    return found


def _less(given: Arguments) -> Arguments:
    """The weight, the bias and the embedding, of which the queries are sums."""
    width = given["weight"].shape[0]
    names = [name for name in ("weight", "bias", "embedding") if given[name] is not None]
    return changed(given, lambda x: rooted(x, width), *names)


def _by_length(outputs: Outputs, given: Arguments) -> Outputs:
    return {"output": rooted(outputs["output"], given["key"].shape[-2], inverse=False)}


MULTI_STEP_ATTENTION = {
    "embedding_dropped": called(
        "the embedding is not added to the query", lambda given: {"embedding": times(given["embedding"], 0.0)}
    ),
    "key_embedding_dropped": called(
        "the values are the keys alone", lambda given: {"key_embedding": times(given["key_embedding"], 0.0)}
    ),
    "sums_are_keys": called(
        "the keys have their embeddings added",
        lambda given: {
            "key": _sum(given["key"], given["key_embedding"]),
            "key_embedding": times(given["key_embedding"], 0.0),
        },
    ),
    "bias_missing": left_out("bias"),
    "weight_transposed": called(
        "the weight is read as (F, D)", lambda given: {"weight": misread(given["weight"], 1, 0)}
    ),
    "scaled": called("the scores are divided by √d", _less),
    "by_length": answered(
        "the result is multiplied by the root of the number of keys, as in the authors' code",
        _by_length,
        convention=True,
    ),
    "not_normalised": weighing(
        multi_step_attention.written, "the weights are not divided by their sum", not_normalised
    ),
    "sum_constant": weighing(
        multi_step_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    **last_key("key", "key_embedding"),
    **common("embedding", "key_embedding"),
}

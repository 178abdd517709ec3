"""Classic mistakes of attention layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    followed,
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
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant, unshifted
from oracle.formulas import multi_head_attention as multi_head
from oracle.formulas import scaled_dot_product_attention as scaled
from oracle.formulas._softmax import Row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, constant, dot, sqrt, stored
from oracle.tensor import Tensor, tensor


def rooted(x: Tensor, width: int, inverse: bool = True) -> Tensor:
    """Every element divided by, or times, √width."""
    root = sqrt(constant(width))
    found: Tensor = mapped(x, lambda value, *_: value / root if inverse else value * root)
    return found


def _rows(written: Callable[..., Any]) -> dict[str, Mistake]:
    def weighing(sentence: str, weigh: Callable[[Row], Row]) -> Mistake:
        return instead(sentence, partial(written, weigh=weigh))

    return {
        "not_shifted": weighing("the largest score is not subtracted before exp", unshifted),
        "not_normalised": weighing("the weights are not divided by their sum", not_normalised),
        "sum_constant": weighing("no derivative goes through the sum of the weights", sum_constant),
    }


def common(query: str, value: str) -> dict[str, Mistake]:
    """What any attention may do wrong."""
    return {
        "last_query": last_dropped(-2, "the last query"),
        "tail": tail_dropped(-1, "features"),
        "half": HALF,
        "no_query_derivative": no_derivative(query),
        "derivative_twice": times_derivative(2.0, value),
    }


def last_key(*keys: str) -> dict[str, Mistake]:
    """The ``keys`` are tensors with an axis -2 of keys, without masks."""

    def change(given: Arguments) -> Arguments:
        return changed(given, lambda x: without_last(x, -2), *keys)

    return {"last_key": called("the last key is left out", change)}


# Scaled dot-product attention


def _scale(of_width: Callable[[Tensor], Fraction | float | None]) -> Callable[[Arguments], Arguments]:
    """Another scale where none is given."""
    return lambda given: {"scale": of_width(given["query"])} if given["scale"] is None else {}


def _by_model(query: Tensor) -> float:
    heads = query.shape[-3] if query.rank > 2 else 1
    return float((heads * query.shape[-1]) ** -0.5)


def _masked(given: Arguments, of: Callable[..., Scalar | bool]) -> Arguments:
    """Another mask, ``of(mask, i, j)`` of what a score (*, i, j) is masked by."""
    query, shared = given["query"], given["key"]
    alignment = given.get("causal_alignment", "top_left")
    mask = scaled.whole_mask(given["attn_mask"], given["is_causal"], alignment, query, shared)
    return {"is_causal": False, "attn_mask": tensor(mask.shape, lambda *place: of(mask[place], *place[-2:]))}


def _inverted(mask: Scalar | bool) -> Scalar | bool:
    return not mask if mask is True or mask is False else mask


def _causal(permitted: Callable[[int, int, int, int], bool]) -> Callable[[Arguments], Arguments]:
    """Another causal mask: ``permitted(i, j, queries, keys)``."""

    def change(given: Arguments) -> Arguments:
        sides = given["query"].shape[-2], given["key"].shape[-2]
        return _masked(given, lambda _, i, j: permitted(i, j, *sides)) if given["is_causal"] else {}

    return change


def _dealt(given: Arguments) -> Arguments:
    """The query head h is served by the head h mod G of key and value."""
    query, shared = given["query"], given["key"]
    if not given["enable_gqa"]:
        return {}

    def every(x: Tensor) -> Tensor:
        *batch, groups, length, width = x.shape

        def at(*index: int) -> Scalar:
            *outer, h, s, e = index
            return x[*outer, h % groups, s, e]

        return tensor((*batch, query.shape[-3], length, width), at)

    return {"key": every(shared), "value": every(given["value"]), "enable_gqa": False}


def _polarity(given: Arguments) -> Arguments:
    return {} if given["attn_mask"] is None else _masked(given, lambda mask, i, j: _inverted(mask))


def _unmasked(given: Arguments) -> Arguments:
    return {"attn_mask": None, "is_causal": False}


def _eye(batch: Sequence[int], side: int) -> Tensor:
    """The identity matrix, for every batch element."""
    return tensor((*batch, side, side), lambda *index: constant(float(index[-2] == index[-1])))


def _over_queries(outputs: Outputs, given: Arguments) -> Outputs:
    """Weights that add up to 1 over the queries of a key, where there is no mask."""
    query, shared, value = (given[name] for name in ("query", "key", "value"))
    if given.get("attn_mask") is not None or given.get("is_causal") or given.get("enable_gqa"):
        return {}
    scale = given.get("scale", 1.0)
    whole = _eye(query.shape[:-2], query.shape[-2])
    weights = scaled.scaled_dot_product_attention(shared, query, whole, scale=scale).swapped(-1, -2)

    def y(*index: int) -> Scalar:
        *place, e = index
        column = [value[*place[:-1], j, e] for j in range(value.shape[-2])]
        return stored(dot(weights[*place, ...], column))

    return {"output": tensor(outputs["output"].shape, y)}


def _value_misread(given: Arguments) -> Arguments:
    axes = range(given["value"].rank)
    return {"value": misread(given["value"], *axes[:-2], axes[-1], axes[-2])}


VALUE_MISREAD = called("the value is read as (*, Ev, S)", _value_misread)

_PLAIN = {
    "over_queries": answered("the weights add up to 1 over the queries, not over the keys", _over_queries),
    "value_misread": VALUE_MISREAD,
    "no_key_derivative": no_derivative("key"),
}

SCALED_DOT_PRODUCT_ATTENTION = {
    **_rows(scaled.written),
    **_PLAIN,
    "scale_missing": called("the scores are not scaled", _scale(lambda query: 1.0)),
    "scale_by_width": called(
        "the scores are divided by d, not by √d", _scale(lambda query: Fraction(1, query.shape[-1]))
    ),
    "scale_by_model": called(
        "the scores are divided by √d_model, not by √d_head, as in the document", _scale(_by_model)
    ),
    "scale_ignored": called("a given scale is ignored", lambda given: {"scale": None}),
    "mask_inverted": called("True in a mask leaves the key out", _polarity, convention=True),
    "mask_ignored": called("attn_mask is ignored", lambda given: {"attn_mask": None}),
    "causal_ignored": called("is_causal is ignored", lambda given: {"is_causal": False}),
    "causal_excludes_itself": called("a query does not see the key of its own place", _causal(lambda i, j, *_: j < i)),
    "causal_sees_next": called("a query sees the next key too", _causal(lambda i, j, *_: j <= i + 1)),
    "causal_bottom_right": followed("the last query sees the last key", "causal_alignment", "bottom_right"),
    "fully_masked_nan": followed("a query that sees no key gives NaN", "fully_masked", "nan"),
    "fully_masked_mean": followed("a query that sees no key gives the mean of the values", "fully_masked", "mean"),
    "heads_dealt": called("query heads are dealt to the groups in turn", _dealt),
    "mask_not_backward": backward(called("the mask is not applied to derivatives", _unmasked)),
    **common("query", "value"),
}

DOT_PRODUCT_ATTENTION = {
    **_PLAIN,
    "scaled": called(
        "the scores are divided by √d", lambda given: {"query": rooted(given["query"], given["query"].shape[-1])}
    ),
    "keys_reversed": called("the keys are read in reverse", lambda given: {"key": flipped(given["key"], -2)}),
    **last_key("key", "value"),
    **common("query", "value"),
}

# Attention with projections


def _width(given: Arguments, weight: str) -> int:
    return int(given[weight].shape[-1])


_PROJECTED = {
    "scale_missing": called(
        "the scores are not scaled",
        lambda given: {"weight_q": rooted(given["weight_q"], _width(given, "weight_q"), inverse=False)},
    ),
    "scale_by_width": called(
        "the scores are divided by d, not by √d",
        lambda given: {"weight_q": rooted(given["weight_q"], _width(given, "weight_q"))},
    ),
    "query_transposed": called(
        "weight_q is read as (d, n), as a linear layer has it",
        lambda given: {"weight_q": misread(given["weight_q"], 1, 0)},
    ),
    "key_transposed": called(
        "weight_k is read as (d, n), as a linear layer has it",
        lambda given: {"weight_k": misread(given["weight_k"], 1, 0)},
    ),
    "value_transposed": called(
        "weight_v is read as (d, n), as a linear layer has it",
        lambda given: {"weight_v": misread(given["weight_v"], 1, 0)},
    ),
    "no_key_derivative": no_derivative("weight_k"),
    "last_feature": called(
        "the sum over the features of keys ends one early", lambda given: {"weight_k": last_zero(given["weight_k"], 0)}
    ),
}

CROSS_ATTENTION = {**_PROJECTED, **last_key("context"), **common("input", "context")}

SELF_ATTENTION = {
    **_PROJECTED,
    "query_key_swapped": called(
        "queries and keys are exchanged",
        lambda given: {"weight_q": given["weight_k"], "weight_k": given["weight_q"]},
    ),
    **common("input", "weight_v"),
}

GLOBAL_ATTENTION = {
    "weight_transposed": called(
        "the weight is read as (Ek, Eq)", lambda given: {"weight": misread(given["weight"], 1, 0)}
    ),
    "scaled": called(
        "the scores are divided by √d", lambda given: {"query": rooted(given["query"], given["key"].shape[-1])}
    ),
    "last_feature": called("the score ends one feature early", lambda given: {"key": last_zero(given["key"], -1)}),
    "value_misread": VALUE_MISREAD,
    "no_weight_derivative": no_derivative("weight"),
    **last_key("key", "value"),
    **common("query", "value"),
}

LOCAL_ATTENTION = {
    "window_short": called("the window ends one key early", lambda given: {"window": max(given["window"] - 1, 0)}),
    "window_long": called("the window is a key too long", lambda given: {"window": given["window"] + 1}),
    "window_ignored": called(
        "the window is ignored", lambda given: {"window": given["query"].shape[-2] + given["key"].shape[-2]}
    ),
    "window_whole": called(
        "the window is taken for its whole width, both sides together", lambda given: {"window": given["window"] // 2}
    ),
    "scale_missing": called(
        "the scores are not scaled",
        lambda given: {"query": rooted(given["query"], given["query"].shape[-1], inverse=False)},
    ),
    "scale_by_width": called(
        "the scores are divided by d, not by √d",
        lambda given: {"query": rooted(given["query"], given["query"].shape[-1])},
    ),
    "value_misread": VALUE_MISREAD,
    **last_key("key", "value"),
    **common("query", "value"),
}

ADDITIVE_ATTENTION = {
    "query_ignored": called(
        "the query is ignored, as in the document", lambda given: {"query": None, "weight_query": None}
    ),
    "bias_missing": called("the bias is left out", lambda given: {"bias": None}),
    "weight_transposed": called(
        "the weight is read as (n, d)", lambda given: {"weight": misread(given["weight"], 1, 0)}
    ),
    "query_weight_transposed": called(
        "weight_query is read as (m, d)",
        lambda given: {} if given["query"] is None else {"weight_query": misread(given["weight_query"], 1, 0)},
    ),
    "scaled": called("the scores are divided by √d", lambda given: {"v": rooted(given["v"], given["v"].shape[0])}),
    "v_missing": called(
        "the scores are plain sums, without v", lambda given: {"v": mapped(given["v"], lambda *_: constant(1.0))}
    ),
    "last_key": called(
        "the last state is left out of the sums",
        lambda given: {"value": last_zero(given["value"], -2)},
    ),
    "no_v_derivative": no_derivative("v"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
}

# Multi-head attention


def _rows_of(given: Arguments, at: Callable[[int, int], int]) -> Arguments:
    """Other rows of the packed projection: ``at(part, row)`` for the row of one of its three parts."""
    width = given["query"].shape[-1]

    def other(row: int, *rest: int) -> tuple[int, ...]:
        return (at(*divmod(row, width)), *rest)

    return changed(given, lambda x: reindexed(x, other), "in_proj_weight", "in_proj_bias")


def _packed(*order: int) -> Callable[[Arguments], Arguments]:
    return lambda given: _rows_of(given, lambda part, row: order[part] * given["query"].shape[-1] + row)


def _split(given: Arguments) -> Arguments:
    """The column e H + h of a projection belongs to head h."""
    width, heads = given["query"].shape[-1], given["num_heads"]
    size = width // heads
    return _rows_of(given, lambda part, row: part * width + row % size * heads + row // size)


def _model_scale(given: Arguments) -> Arguments:
    width, heads = given["query"].shape[-1], given["num_heads"]

    def smaller(x: Scalar, row: int, *_: int) -> Scalar:
        return x / sqrt(constant(heads)) if row < width else x

    return changed(given, lambda x: mapped(x, smaller), "in_proj_weight", "in_proj_bias")


def _not_scaled(given: Arguments) -> Arguments:
    width, heads = given["query"].shape[-1], given["num_heads"]

    def larger(x: Scalar, row: int, *_: int) -> Scalar:
        return x * sqrt(constant(width // heads)) if row < width else x

    return changed(given, lambda x: mapped(x, larger), "in_proj_weight", "in_proj_bias")


def _inverted_masks(given: Arguments) -> Arguments:
    return changed(given, lambda x: mapped(x, lambda mask, *_: _inverted(mask)), "attn_mask", "key_padding_mask")


def _heads_first(given: Arguments) -> Arguments:
    mask, samples, heads = given["attn_mask"], given["query"].shape[0], given["num_heads"]
    if mask is None or mask.rank == 2:
        return {}
    return {"attn_mask": reindexed(mask, lambda k, *rest: (k % heads * samples + k // heads, *rest))}


def _weights(of: Callable[[Tensor, int], Tensor]) -> Callable[[Outputs, Arguments], Outputs]:
    """Other averages of the weights of the heads."""

    def change(outputs: Outputs, given: Arguments) -> Outputs:
        averaged = given["need_weights"] and given["average_attn_weights"]
        return {"weights": of(outputs["weights"], given["num_heads"])} if averaged else {}

    return change


def _joined(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Heads (N, H, L, E/H) whose memory is read as (N, L, E)."""

    def mistaken(**given: Any) -> Outputs:
        width, heads, length = given["query"].shape[-1], given["num_heads"], given["query"].shape[1]
        size = width // heads
        outputs = formula(**{**given, "out_proj_weight": _eye((), width), "out_proj_bias": None})

        def place(n: int, i: int, c: int) -> tuple[int, int, int]:
            rest, e = divmod(i * width + c, size)
            h, row = divmod(rest, length)
            return n, row, h * size + e

        joined = reindexed(outputs["output"], place)
        return {**outputs, "output": linear(joined, given["out_proj_weight"], given["out_proj_bias"])}

    return mistaken


MULTI_HEAD_ATTENTION = {
    **_rows(multi_head.written),
    "scale_missing": called("the scores are not scaled", _not_scaled),
    "scale_by_model": called("the scores are divided by √E, not by √(E/H), as in the document", _model_scale),
    "packed_key_first": called("the packed projection is read as keys, queries, values", _packed(1, 0, 2)),
    "packed_value_first": called("the packed projection is read as values, keys, queries", _packed(2, 1, 0)),
    "heads_dealt": called("columns are dealt to the heads in turn", _split),
    "heads_not_moved": Mistake("the heads are joined without being moved behind the positions", _joined),
    "mask_inverted": called("True in a mask lets a key take part", _inverted_masks, convention=True),
    "padding_ignored": called("key_padding_mask is ignored", lambda given: {"key_padding_mask": None}),
    "mask_ignored": called("attn_mask is ignored", lambda given: {"attn_mask": None}),
    "mask_heads_first": called("a mask per head is read as (H N, L, S)", _heads_first),
    "output_transposed": called(
        "out_proj_weight is read transposed", lambda given: {"out_proj_weight": misread(given["out_proj_weight"], 1, 0)}
    ),
    "input_bias_missing": called("in_proj_bias is left out", lambda given: {"in_proj_bias": None}),
    "output_bias_missing": called("out_proj_bias is left out", lambda given: {"out_proj_bias": None}),
    "weights_summed": answered("the weights are summed over the heads, not averaged", _weights(times)),
    "fully_masked_zero": followed("a query that sees no key gives zeros", "fully_masked", "zero"),
    "fully_masked_mean": followed("a query that sees no key weights all alike", "fully_masked", "mean"),
    "no_bias_derivative": no_derivative("in_proj_bias"),
    **common("query", "value"),
}

"""Classic mistakes of attention along sequences: kernels, windows and orders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    called,
    changed,
    flipped,
    followed,
    instead,
    last_dropped,
    mapped,
    misread,
    no_derivative,
    reindexed,
    tail_dropped,
    times_derivative,
)
from conformance.specs._mistakes_attention import VALUE_MISREAD, rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from conformance.specs._mistakes_weights import weighing
from oracle.formulas import dual_stream_attention as streams
from oracle.formulas import dynamic_convolutional_attention as dynamic
from oracle.formulas._softmax import softmax_row
from oracle.formulas.global_local_attention import global_local_attention as windows
from oracle.scalar import Scalar
from oracle.tensor import Tensor, tensor


def _positions(value: str) -> dict[str, Mistake]:
    """What any of them may do wrong."""
    return {
        "last_position": last_dropped(-2, "the last position"),
        "tail": tail_dropped(-1, "features"),
        "half": HALF,
        "derivative_twice": times_derivative(2.0, value),
    }


# Kernels


def _begun(sentence: str, before: Callable[[int, bool], int]) -> Mistake:
    """So many taps before the position, of their number and whether the kernel is causal."""

    def mistaken(input: Tensor, weight: Tensor, is_causal: bool) -> Tensor:
        return dynamic.written(softmax_row, input, weight, before=before(weight.shape[1], is_causal))

    return instead(sentence, mistaken)


def _dealt(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The channel c belongs to group c mod H."""

    def mistaken(input: Tensor, weight: Tensor, **rest: Any) -> Tensor:
        groups, _, channels = weight.shape
        size = channels // groups

        def dealt(*index: int) -> tuple[int, ...]:
            *place, c = index
            return (*place, c % size * groups + c // size)

        def gathered(*index: int) -> tuple[int, ...]:
            *place, c = index
            return (*place, c % groups * size + c // groups)

        found = formula(input=reindexed(input, dealt), weight=reindexed(weight, dealt), **rest)
        return reindexed(found, gathered)  # type: ignore[no-any-return]

    return mistaken


DYNAMIC_CONVOLUTIONAL_ATTENTION = {
    "kernel_flipped": called(
        "the kernel is flipped, as in a convolution by the book", lambda given: {"weight": flipped(given["weight"], -2)}
    ),
    "renormalised": instead("taps beyond the ends have no weight", partial(dynamic.written, softmax_row, beyond=False)),
    "centred_early": _begun(
        "a kernel of an even number of taps begins one tap too late",
        lambda taps, is_causal: taps - 1 if is_causal else (taps - 1) // 2,
    ),
    "causal_ignored": called("is_causal is ignored", lambda given: {"is_causal": False}),
    "causal_excludes_itself": _begun(
        "a causal kernel ends before the position itself", lambda taps, is_causal: taps if is_causal else taps // 2
    ),
    "groups_dealt": Mistake("channels are dealt to the groups in turn", _dealt),
    "not_normalised": weighing(dynamic.written, "the weights are not divided by their sum", not_normalised),
    "sum_constant": weighing(dynamic.written, "no derivative goes through the sum of the weights", sum_constant),
    "no_weight_derivative": no_derivative("weight"),
    **_positions("input"),
}


# Windows


def _unscaled(given: Arguments, inverse: bool) -> Arguments:
    width = given["query"].shape[-1]
    return changed(given, lambda x: rooted(x, width, inverse), "query", "global_query")


def _all_local(given: Arguments) -> Arguments:
    return {"is_global": mapped(given["is_global"], lambda *_: False)}


def _one_way(seen: str) -> Callable[..., Tensor]:
    """Global positions see all, or are seen by all, but not both."""

    def mistaken(is_global: Tensor, **given: Any) -> Tensor:
        both = windows(is_global=is_global, **given)
        none = windows(**_all_local({"is_global": is_global}), **given)

        def y(*index: int) -> Scalar:
            return both[index] if is_global[index[-2]] == (seen == "sees") else none[index]

        return tensor(both.shape, y)

    return mistaken


GLOBAL_LOCAL_ATTENTION = {
    "one_projection": called(
        "global queries have the projections of the others",
        lambda given: {f"global_{name}": given[name] for name in ("query", "key", "value")},
    ),
    "global_query_alone": called(
        "global queries have keys and values of the first projection",
        lambda given: {f"global_{name}": given[name] for name in ("key", "value")},
    ),
    "none_global": called("is_global is ignored", _all_local),
    "not_seen": instead("global positions see all, but not all see them", _one_way("sees")),
    "not_seeing": instead("global positions are seen by all, but see no more than others", _one_way("is seen")),
    "window_short": called("the window ends one key early", lambda given: {"window": max(given["window"] - 1, 0)}),
    "window_long": called("the window is a key too long", lambda given: {"window": given["window"] + 1}),
    "window_whole": called(
        "the window is taken for its whole width, both sides together", lambda given: {"window": given["window"] // 2}
    ),
    "scale_missing": called("the scores are not scaled", lambda given: _unscaled(given, inverse=False)),
    "scale_by_width": called("the scores are divided by d, not by √d", lambda given: _unscaled(given, inverse=True)),
    "value_misread": VALUE_MISREAD,
    "no_global_derivative": no_derivative("global_query", "global_key", "global_value"),
    **_positions("value"),
}


# Streams


def _seeing(sentence: str, itself: tuple[bool, bool]) -> Mistake:
    return instead(sentence, partial(streams.written, softmax_row, itself=itself))


def _query_stream(sentence: str, change: Callable[[Arguments], Arguments]) -> Mistake:
    """The query stream alone, of other arguments."""

    def of(formula: Callable[..., Outputs]) -> Callable[..., Outputs]:
        def mistaken(**given: Any) -> Outputs:
            return {**formula(**given), "query": formula(**{**given, **change(given)})["query"]}

        return mistaken

    return Mistake(sentence, of)


def _width(given: Arguments, inverse: bool) -> Arguments:
    return {"weight_q": rooted(given["weight_q"], given["weight_q"].shape[1], inverse)}


DUAL_STREAM_ATTENTION = {
    "query_sees_itself": _seeing("the query stream sees the content of its own place", (True, True)),
    "content_excludes_itself": _seeing("the content stream does not see itself", (False, False)),
    "content_asks": _query_stream("the query stream asks with the content", lambda given: {"query": given["content"]}),
    "query_answers": _query_stream(
        "the query stream has its own keys and values", lambda given: {"content": given["query"]}
    ),
    "order_reversed": called("before is read as after", lambda given: {"before": given["before"].swapped(0, 1)}),
    "order_ignored": called("the order is ignored", lambda given: {"before": mapped(given["before"], lambda *_: True)}),
    "fully_masked_mean": followed("a position that nothing comes before weighs all alike", "fully_masked", "mean"),
    "fully_masked_nan": followed("a position that nothing comes before gives NaN", "fully_masked", "nan"),
    "scale_missing": called("the scores are not scaled", lambda given: _width(given, inverse=False)),
    "scale_by_width": called("the scores are divided by d, not by √d", lambda given: _width(given, inverse=True)),
    "key_transposed": called(
        "weight_k is read as (d, n), as a linear layer has it",
        lambda given: {"weight_k": misread(given["weight_k"], 1, 0)},
    ),
    "sum_constant": weighing(streams.written, "no derivative goes through the sum of the weights", sum_constant),
    "no_key_derivative": no_derivative("weight_k"),
    "last_content": last_dropped(-2, "the content of the last position", "content"),
    "last_query": last_dropped(-2, "the query of the last position", "query"),
    "tail": tail_dropped(-1, "features", output="content"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "content"),
}

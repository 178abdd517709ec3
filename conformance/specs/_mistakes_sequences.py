"""Classic mistakes of attention along sequences: kernels, windows and orders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Mistake,
    called,
    flipped,
    instead,
    last_dropped,
    no_derivative,
    reindexed,
    tail_dropped,
    times_derivative,
)
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from conformance.specs._mistakes_weights import weighing
from oracle.formulas import dynamic_convolutional_attention as dynamic
from oracle.formulas._softmax import softmax_row
from oracle.tensor import Tensor


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

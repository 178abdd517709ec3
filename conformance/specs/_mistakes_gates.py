"""Classic mistakes of attention that is a gate of channels or places."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Mistake,
    answered,
    called,
    flipped,
    instead,
    last_dropped,
    misread,
    no_derivative,
    tail_dropped,
    times_derivative,
)
from oracle.formulas import (
    channel_attention,
    spatial_attention,
)
from oracle.formulas._normalised import mean_of
from oracle.scalar import Scalar, detached, largest, rectified, sigmoid, stored, total
from oracle.tensor import Tensor, tensor


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

"""Classic mistakes of attention that is a gate of channels or places."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    answered,
    called,
    changed,
    flipped,
    instead,
    last_dropped,
    misread,
    no_derivative,
    reindexed,
    tail_dropped,
    times_derivative,
)
from oracle.formulas import (
    channel_attention,
    multi_task_attention,
    spatial_attention,
)
from oracle.formulas._normalised import mean_of
from oracle.formulas.instance_norm import instance_norm
from oracle.scalar import Scalar, detached, dot, largest, rectified, sigmoid, stored, total
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
    """The second for every leading index of the first."""
    return tensor(x.shape, lambda *index: stored(x[index] + y[index[x.rank - y.rank :]]))


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


_OF_TASKS = ("weight_reduce", "scale_reduce", "shift_reduce", "weight_expand", "scale_expand", "shift_expand")


def _of_first(given: Arguments, *names: str) -> Arguments:
    return changed(given, lambda x: reindexed(x, lambda t, *rest: (0, *rest)), *names)


def _by_sample(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    return instance_norm(x, weight=scale, bias=shift, eps=eps)["output"]


def _affine(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    return tensor(x.shape, lambda *index: stored(dot([x[index]], [scale[index[1]]], shift[index[1]])))


def _normalising(sentence: str, *normalise: Callable[..., Tensor]) -> Mistake:
    return instead(sentence, partial(multi_task_attention.written, normalise=normalise))


_RIGHT = multi_task_attention.normalised

MULTI_TASK_ATTENTION = {
    "one_mask": called("all tasks have the weights of the first", lambda given: _of_first(given, *_OF_TASKS)),
    "one_task": called("all tasks have the features of the first", lambda given: _of_first(given, "features")),
    "not_normalised": _normalising("the reduced features are not normalised", _affine, _RIGHT),
    "mask_not_normalised": _normalising("the mask is not normalised", _RIGHT, _affine),
    "by_sample": _normalising("every sample is normalised by itself", _by_sample, _by_sample),
    "eps_thousandth": called("ε is 1/1000", lambda given: {"eps": 0.001}),
    "linear_hidden": instead(
        "the reduced features are not rectified", partial(multi_task_attention.written, rectify=lambda x: x)
    ),
    "expand_transposed": called(
        "weight_expand is read as (T, K, C)", lambda given: {"weight_expand": misread(given["weight_expand"], 0, 2, 1)}
    ),
    **_gated(multi_task_attention.written, "weight_expand"),
}

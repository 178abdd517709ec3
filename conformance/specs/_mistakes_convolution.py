"""Classic mistakes of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Formula,
    Mistake,
    Outputs,
    answered,
    backward,
    called,
    flipped,
    last_dropped,
    last_zero,
    left_out,
    mapped,
    misread,
    no_derivative,
    reindexed,
    tail_dropped,
    times_derivative,
)
from oracle.scalar import Scalar, constant, stored


def _swapped(parameter: str) -> Mistake:
    def change(given: Arguments) -> Arguments:
        pair = given[parameter]
        return {} if isinstance(pair, str) else {parameter: (pair[1], pair[0])}

    return called(f"{parameter} is read as (horizontal, vertical)", change)


def _square(parameter: str) -> Mistake:
    def change(given: Arguments) -> Arguments:
        pair = given[parameter]
        return {} if isinstance(pair, str) else {parameter: (pair[0], pair[0])}

    return called(f"the vertical {parameter} is used along both axes", change)


def _dealt(channels: Callable[[Arguments], int]) -> Callable[[Arguments], Arguments]:
    """The channel k of the input belongs to group k mod G."""

    def change(given: Arguments) -> Arguments:
        groups, input = given["groups"], given["input"]
        depth = channels(given) // groups

        def place(*index: int) -> tuple[int, ...]:
            *n, c, i, j = index
            return (*n, c % depth * groups + c // depth, i, j)

        return {"input": reindexed(input, place)}

    return change


def _per_group(outputs: int) -> Callable[[Arguments], Arguments]:
    """The bias number o mod C for the output o of groups of C each."""
    return lambda given: {"bias": reindexed(given["bias"], lambda o: (o % max(_of_group(given, outputs), 1),))}


def _of_group(given: Arguments, axis: int) -> int:
    """The output channels of a group: those of the weight's axis, of all groups where that is the first."""
    return int(given["weight"].shape[axis] // (given["groups"] if axis == 0 else 1))


def _kernel_transposed(given: Arguments) -> Arguments:
    return {"weight": misread(given["weight"], 0, 1, 3, 2)}


def _bias_of_columns(formula: Formula) -> Formula:
    """As where the bias is not reshaped for the axis of channels, and broadcast along the last one."""

    def mistaken(**given: Any) -> Any:
        bias = given["bias"]
        found = formula(**{**given, "bias": None})
        if bias is None or bias.shape != found.shape[-1:]:
            return formula(**given)
        return mapped(found, lambda x, *index: stored(x + bias[index[-1]]))

    return mistaken


_COMMON = {
    "weight_channels_swapped": called(
        "the first two axes of the weight are read in the other order",
        lambda given: {"weight": misread(given["weight"], 1, 0, 2, 3)},
    ),
    "kernel_transposed": called("the kernel is read as (kw, kh)", _kernel_transposed),
    "stride_swapped": _swapped("stride"),
    "padding_swapped": _swapped("padding"),
    "dilation_swapped": _swapped("dilation"),
    "stride_square": _square("stride"),
    "padding_square": _square("padding"),
    "dilation_ignored": called("dilation is ignored", lambda given: {"dilation": (1, 1)}),
    "bias_missing": left_out("bias"),
    "last_tap": called(
        "the sum ends one tap early along each row", lambda given: {"weight": last_zero(given["weight"], -1)}
    ),
    "last_row": last_dropped(-2, "the last row of the output"),
    "tail": tail_dropped(-1, "columns of the output"),
    "half": HALF,
    "no_weight_derivative": no_derivative("weight"),
    "bias_of_columns": Mistake("the bias is added to columns where there are as many as filters", _bias_of_columns),
    "no_bias_derivative": no_derivative("bias"),
    "derivative_twice": times_derivative(2.0, "input"),
}

_FLIPPED = called(
    "the kernel is flipped, as in a true convolution", lambda given: {"weight": flipped(given["weight"], -1, -2)}
)

CONV2D = {
    "kernel_flipped": _FLIPPED,
    "groups_dealt": called("channels are dealt to the groups in turn", _dealt(lambda given: given["input"].shape[-3])),
    "bias_per_group": called("the biases of the first group are added in every group", _per_group(0)),
    "grouped_dilation_ignored": called(
        "dilation is ignored where there are groups", lambda given: {"dilation": (1, 1)} if given["groups"] > 1 else {}
    ),
    "padding_mode_ignored": called("padding_mode is ignored: it is zeros", lambda given: {"padding_mode": "zeros"}),
    "border_replicated": called(
        "reflection repeats the end pixel",
        lambda given: {"padding_mode": "replicate"} if given["padding_mode"] == "reflect" else {},
    ),
    "kernel_not_flipped_backward": backward(
        called(
            "the derivative towards the input takes the kernel unflipped",
            lambda given: {"weight": flipped(given["weight"], -1, -2)},
        )
    ),
    **_COMMON,
}


def _extra_zero(outputs: Outputs, given: Arguments) -> Outputs:
    """What output_padding adds is left zero."""
    output = outputs["output"]
    height, width = (side - extra for side, extra in zip(output.shape[-2:], given["output_padding"], strict=True))

    def kept(x: Scalar, *index: int) -> Scalar:
        return x if index[-2] < height and index[-1] < width else constant(0.0)

    return {"output": mapped(output, kept)}


CONV_TRANSPOSE2D = {
    "kernel_flipped": called(
        "the kernel is not flipped: a convolution of the input spread with zeros",
        lambda given: {"weight": flipped(given["weight"], -1, -2)},
    ),
    "groups_dealt": called("channels are dealt to the groups in turn", _dealt(lambda given: given["input"].shape[-3])),
    "bias_per_group": called("the biases of the first group are added in every group", _per_group(1)),
    "output_padding_zero": answered("what output_padding adds is filled with zeros", _extra_zero),
    "output_padding_ignored": called("output_padding is ignored", lambda given: {"output_padding": (0, 0)}),
    "output_padding_swapped": _swapped("output_padding"),
    "padding_ignored": called("nothing is cut off for the padding", lambda given: {"padding": (0, 0)}),
    "stride_ignored": called(
        "no zeros are inserted for the stride, as in the document's formula", lambda given: {"stride": (1, 1)}
    ),
    **_COMMON,
}

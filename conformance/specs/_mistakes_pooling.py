"""Classic mistakes of pooling layers."""

from __future__ import annotations

from collections.abc import Callable

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    followed,
    last_dropped,
    mapped,
    no_derivative,
    tail_dropped,
    times_derivative,
)
from oracle.formulas._windows import covered
from oracle.scalar import Scalar, constant, largest, stored, total, with_derivative_of
from oracle.tensor import Choices


def _swapped(parameter: str) -> Mistake:
    def change(given: Arguments) -> Arguments:
        pair = given[parameter]
        return {} if pair is None else {parameter: (pair[1], pair[0])}

    return called(f"{parameter} is read as (horizontal, vertical)", change)


_COMMON = {
    "kernel_swapped": _swapped("kernel_size"),
    "stride_swapped": _swapped("stride"),
    "padding_swapped": _swapped("padding"),
    "stride_one": called("without a stride it is 1", lambda given: {"stride": given["stride"] or (1, 1)}),
    "stride_ignored": called("stride is ignored: it is the kernel's", lambda given: {"stride": None}),
    "ceil_mode_ignored": called("ceil_mode is ignored", lambda given: {"ceil_mode": False}),
    "ceil_mode_always": called("the size is always rounded up", lambda given: {"ceil_mode": True}),
    "last_row": last_dropped(-2, "the last row of the output"),
    "tail": tail_dropped(-1, "columns of the output"),
    "derivative_twice": times_derivative(2.0, "input"),
    "no_derivative": no_derivative("input"),
}

AVG_POOL2D = {
    "padding_not_counted": called(
        "count_include_pad is ignored: padding never counts", lambda given: {"count_include_pad": False}
    ),
    "padding_counted": called(
        "count_include_pad is ignored: padding always counts", lambda given: {"count_include_pad": True}
    ),
    "divisor_ignored": called("divisor_override is ignored", lambda given: {"divisor_override": None}),
    "kernel_area": called(
        "the sum is divided by the area of the kernel, whatever the window covers",
        lambda given: {
            "divisor_override": given["divisor_override"] or given["kernel_size"][0] * given["kernel_size"][1]
        },
    ),
    "not_divided": called("the sum is not divided", lambda given: {"divisor_override": 1}),
    "half": HALF,
    **_COMMON,
}


def _windows(given: Arguments, outputs: Outputs) -> tuple[list[list[int]], list[list[int]]]:
    """The rows under each window, and the columns."""
    sides, counts = given["input"].shape[-2:], outputs["output"].shape[-2:]
    kernel, stride = given["kernel_size"], given["stride"] or given["kernel_size"]
    axes = zip(sides, counts, kernel, stride, given["padding"], given["dilation"], strict=True)
    rows, columns = (covered(*axis) for axis in axes)
    return rows, columns


def _zeros(outputs: Outputs, given: Arguments) -> Outputs:
    """Padding is 0, not minus infinity."""
    rows, columns = _windows(given, outputs)
    whole = given["kernel_size"][0] * given["kernel_size"][1]

    def at(x: Scalar, *index: int) -> Scalar:
        *_, i, j = index
        return x if len(rows[i]) * len(columns[j]) == whole else stored(largest([x, constant(0.0)]))

    return {"output": mapped(outputs["output"], at)}


def _indices(of: Callable[[int, Arguments], int]) -> Callable[[Outputs, Arguments], Outputs]:
    """Other numbers for the places of the largest pixels, where they are asked for."""

    def change(outputs: Outputs, given: Arguments) -> Outputs:
        if "indices" not in outputs:
            return {}
        right = outputs["indices"]
        return {"indices": Choices(right.shape, lambda *index: frozenset(of(place, given) for place in right[index]))}

    return change


def _by_columns(place: int, given: Arguments) -> int:
    height, width = given["input"].shape[-2:]
    row, column = divmod(place, width)
    return int(column * height + row)


def _derived(of: Callable[[list[Scalar]], Scalar]) -> Callable[[Outputs, Arguments], Outputs]:
    """The derivatives of something else that is made of the pixels of a window."""

    def change(outputs: Outputs, given: Arguments) -> Outputs:
        input, right = given["input"], outputs["output"]
        rows, columns = _windows(given, outputs)

        def at(x: Scalar, *index: int) -> Scalar:
            *n, i, j = index
            window = [input[*n, h, w] for h in rows[i] for w in columns[j]]
            return with_derivative_of(x, lambda: of(window)) if window else x

        return {"output": mapped(right, at)}

    return change


MAX_POOL2D = {
    "padding_zero": answered("padding is 0, not minus infinity", _zeros),
    "dilation_ignored": called("dilation is ignored", lambda given: {"dilation": (1, 1)}),
    "dilation_swapped": _swapped("dilation"),
    "indices_by_columns": answered("indices count down the columns, w H + h", _indices(_by_columns)),
    "indices_from_one": answered("indices count from 1", _indices(lambda place, given: place + 1)),
    "indices_of_column": answered(
        "indices are columns alone", _indices(lambda place, given: place % given["input"].shape[-1])
    ),
    "derivative_to_first": answered(
        "the derivative goes to the first pixel of the window", _derived(lambda window: window[0])
    ),
    "derivative_to_all": answered("the derivative goes to every pixel of the window", _derived(total)),
    "nan_ignored": followed("NaN counts only among NaNs", "nan", "ignored"),
    **_COMMON,
}

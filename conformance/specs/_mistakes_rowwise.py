"""Classic mistakes of elementwise layers and of softmax."""

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
    instead,
    last_dropped,
    mapped,
    no_derivative,
    tail_dropped,
    times_derivative,
)
from oracle.formulas._softmax import Row, powers, rowwise, shifted, softmax_row
from oracle.scalar import (
    Scalar,
    absolute,
    constant,
    detached,
    exp,
    largest,
    log,
    rectified,
    sigmoid,
    stored,
    tanh,
    total,
    with_derivative_of,
)
from oracle.tensor import Tensor, key, tensor


def _elementwise(of: Callable[[Scalar], Scalar]) -> Callable[..., Tensor]:
    def mistaken(input: Tensor, **policies: str) -> Tensor:
        found: Tensor = mapped(input, lambda x, *_: stored(of(x)))
        return found

    return mistaken


def _function(sentence: str, of: Callable[[Scalar], Scalar]) -> Mistake:
    """Another function of every element."""
    return instead(sentence, _elementwise(of))


def _slope(sentence: str, of: Callable[[Scalar, Scalar], Scalar]) -> Mistake:
    """Another derivative: that of ``of(x, y)``."""

    def change(outputs: Outputs, given: Arguments) -> Outputs:
        input, right = given["input"], outputs["output"]

        def y(*index: int) -> Scalar:
            value = right[key(index)]
            return with_derivative_of(value, lambda: of(input[key(index)], value))

        return {"output": tensor(right.shape, y)}

    return answered(sentence, change)


def _minimum(x: Scalar, y: Scalar) -> Scalar:
    return -largest([-x, -y])


_COMMON = {
    "tail": tail_dropped(-1, "elements of the last axis"),
    "no_derivative": no_derivative("input"),
    "derivative_twice": times_derivative(2.0, "input"),
}

RELU = {
    "leaky": _function("negative numbers are multiplied by 0.01", lambda x: largest([x, x * 0.01])),
    "six": _function("the result is cut off at 6", lambda x: _minimum(rectified(x), constant(6.0))),
    "absolute": _function("the result is |x|", absolute),
    "smooth": _function("the result is x σ(x)", lambda x: x * sigmoid(x)),
    "straight_through": _slope("the derivative is 1 everywhere", lambda x, y: x),
    "nan_ignored": followed("the maximum of 0 and NaN is 0", "nan", "ignored"),
    **_COMMON,
}

SIGMOID = {
    "hard": _function(
        "the result is x / 6 + 1/2 cut off at 0 and 1",
        lambda x: _minimum(rectified(x / 6.0 + 0.5), constant(1.0)),
    ),
    "tanh": _function("the result is tanh(x)", tanh),
    "tanh_of_x": _function("the result is (1 + tanh(x)) / 2, without the half of x", lambda x: (1.0 + tanh(x)) / 2.0),
    "by_exp": _function("the result is exp(x) / (1 + exp(x)), which overflows", lambda x: exp(x) / (1.0 + exp(x))),
    "rational": _function("exp is replaced by a rational function", lambda x: 0.5 + x / (1.0 + absolute(x)) * 0.5),
    "slope_of_y": _slope("the derivative is y, not y (1 − y)", lambda x, y: x * detached(y)),
    "slope_of_x": _slope("the derivative is x (1 − x), as if x were y", lambda x, y: x * detached(x * (1.0 - x))),
    "half": HALF,
    **_COMMON,
}

TANH = {
    "by_exp": _function(
        "the result is (exp(2x) − 1) / (exp(2x) + 1), which cancels and overflows",
        lambda x: (exp(x * 2.0) - 1.0) / (exp(x * 2.0) + 1.0),
    ),
    "hard": _function("x is cut off at −1 and 1", lambda x: largest([_minimum(x, constant(1.0)), constant(-1.0)])),
    "sigmoid_of_x": _function("the result is 2 σ(x) − 1, without the 2 of 2x", lambda x: sigmoid(x) * 2.0 - 1.0),
    "rational": _function(
        "the result is x (27 + x²) / (27 + 9 x²)", lambda x: x * (27.0 + x * x) / (27.0 + x * x * 9.0)
    ),
    "slope_of_y": _slope("the derivative is 1 − y, not 1 − y²", lambda x, y: x * detached(1.0 - y)),
    "slope_of_x": _slope("the derivative is 1 − x², as if x were y", lambda x, y: x * detached(1.0 - x * x)),
    "half": HALF,
    **_COMMON,
}


# Rows of softmax, and of the weights of attention


def unshifted(scores: Row) -> Row:
    """exp(s) / Σ exp(s), which overflows."""
    found = {j: exp(s) for j, s in scores.items()}
    sum_of_powers = total(list(found.values()))
    return {j: stored(power / sum_of_powers) for j, power in found.items()}


def not_normalised(scores: Row) -> Row:
    """exp(s − m)."""
    return {j: stored(power) for j, power in powers(scores).items()}


def sum_constant(scores: Row) -> Row:
    """Softmax, no derivative of which goes through the sum."""
    found = powers(scores)
    sum_of_powers = detached(total(list(found.values())))
    return {j: stored(power / sum_of_powers) for j, power in found.items()}


def _base_two(scores: Row) -> Row:
    two = log(constant(2))
    return softmax_row({j: s * two for j, s in scores.items()})


def _rows(sentence: str, of_row: Callable[[Row], Row]) -> Mistake:
    return instead(sentence, lambda input, dim: rowwise(of_row, input, dim))


_DIMENSIONS = {
    "last_dimension": called("dim is ignored: rows lie along the last axis", lambda given: {"dim": -1}),
    "first_dimension": called("dim is ignored: rows lie along the first axis", lambda given: {"dim": 0}),
    "dimension_beside": called(
        "a negative dim is one too far",
        lambda given: {"dim": max(given["dim"] - 1, -given["input"].rank)} if given["dim"] < 0 else {},
    ),
}

SOFTMAX = {
    **_DIMENSIONS,
    "not_shifted": _rows("the largest element is not subtracted before exp", unshifted),
    "not_normalised": _rows("the powers are not divided by their sum", not_normalised),
    "base_two": _rows("powers are those of 2, not of e", _base_two),
    "sum_constant": _rows("the derivative is y ȳ, without − y Σ y ȳ", sum_constant),
    "last": last_dropped(-1, "the last element of the last axis"),
    "half": HALF,
    **_COMMON,
}


def _log_of_softmax(scores: Row) -> Row:
    return {j: stored(log(y)) for j, y in softmax_row(scores).items()}


def _log_unshifted(scores: Row) -> Row:
    log_of_sum = log(total([exp(s) for s in scores.values()]))
    return {j: stored(s - log_of_sum) for j, s in scores.items()}


def _shift_buried(scores: Row) -> Row:
    shift = detached(largest(list(scores.values())))
    log_of_sum = shift + log(total(list(powers(scores).values())))
    return {j: stored(s - log_of_sum) for j, s in scores.items()}


def _log_sum_constant(scores: Row) -> Row:
    log_of_sum = detached(log(total(list(powers(scores).values()))))
    return {j: stored(s - log_of_sum) for j, s in shifted(scores).items()}


def _log_base_two(scores: Row) -> Row:
    log_of_sum = log(total(list(powers(scores).values()))) / log(constant(2))
    return {j: stored(s - log_of_sum) for j, s in shifted(scores).items()}


LOG_SOFTMAX = {
    **_DIMENSIONS,
    "not_shifted": _rows("the largest element is not subtracted before exp", _log_unshifted),
    "log_of_softmax": _rows("the logarithm of softmax, which is minus infinity where that underflows", _log_of_softmax),
    "shift_buried": _rows("the largest element is added to the logarithm of the sum, which it buries", _shift_buried),
    "base_two": _rows("the logarithm is that to base 2", _log_base_two),
    "sum_constant": _rows("the derivative is ȳ, without − exp(y) Σ ȳ", _log_sum_constant),
    "last": last_dropped(-1, "the last element of the last axis"),
    "half": HALF,
    **_COMMON,
}

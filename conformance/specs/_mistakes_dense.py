"""Classic mistakes of linear layers and of the residual block."""

from conformance.mistake import (
    HALF,
    Mistake,
    backward,
    called,
    changed,
    instead,
    last_dropped,
    last_zero,
    misread,
    no_derivative,
    tail_dropped,
    times,
    times_derivative,
)
from oracle.formulas.linear import linear
from oracle.formulas.relu import relu
from oracle.scalar import rectified, stored, total
from oracle.tensor import Tensor, key, tensor


def _misread(weight: str, taken_for: str) -> Mistake:
    return called(f"{weight} is read as {taken_for}", lambda given: changed(given, lambda w: misread(w, 1, 0), weight))


def _linear(taken_for: str) -> dict[str, Mistake]:
    return {
        "weight_transposed": _misread("weight", taken_for),
        "bias_missing": called("the bias is left out", lambda given: {"bias": times(given["bias"], 0.0)}),
        "bias_twice": called("the bias is added twice", lambda given: {"bias": times(given["bias"], 2.0)}),
        "last_feature": called(
            "the sum ends one feature early", lambda given: {"input": last_zero(given["input"], -1)}
        ),
        "last_output": last_dropped(-1, "the last output feature"),
        "tail": tail_dropped(-1, "output features"),
        "half": HALF,
        "no_bias_derivative": no_derivative("bias"),
        "no_input_derivative": no_derivative("input"),
        "derivative_twice": times_derivative(2.0, "weight"),
    }


LINEAR = _linear("(in_features, out_features)")
CUSTOM_LINEAR = _linear("(out_features, in_features)")


def _summed(*parts: Tensor) -> Tensor:
    first, *_ = parts
    return tensor(first.shape, lambda *index: stored(total([part[key(index)] for part in parts])))


def _no_relu(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return _summed(linear(linear(input, weight_1, bias_1), weight_2, bias_2), input)


def _relu_first(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return _summed(linear(linear(relu(input), weight_1, bias_1), weight_2, bias_2), input)


def _no_skip(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return linear(relu(linear(input, weight_1, bias_1)), weight_2, bias_2)


def _skip_rectified(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    return _summed(_no_skip(input, weight_1, bias_1, weight_2, bias_2), relu(input))


def _relu_last(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    found = _summed(_no_skip(input, weight_1, bias_1, weight_2, bias_2), input)
    return tensor(found.shape, lambda *index: stored(rectified(found[key(index)])))


RESIDUAL = {
    "no_skip": instead("the input is not added", _no_skip),
    "no_relu": instead("nothing is rectified", _no_relu),
    "relu_first": instead("the input is rectified, not what is inside", _relu_first),
    "relu_last": instead("the sum is rectified again, as after each block of a network", _relu_last),
    "skip_rectified": instead("the rectified input is added", _skip_rectified),
    "weight_1_transposed": _misread("weight_1", "(features, inside)"),
    "weight_2_transposed": _misread("weight_2", "(inside, features)"),
    "bias_1_missing": called("bias_1 is left out", lambda given: {"bias_1": times(given["bias_1"], 0.0)}),
    "bias_2_twice": called("bias_2 is added twice", lambda given: {"bias_2": times(given["bias_2"], 2.0)}),
    "skip_constant": backward(instead("no derivative goes through the skip", lambda **given: _no_skip(**given))),
    "half": HALF,
    "tail": tail_dropped(-1, "features"),
}

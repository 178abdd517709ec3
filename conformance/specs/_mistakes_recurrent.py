"""Classic mistakes of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    instead,
    mapped,
    misread,
    no_derivative,
    reindexed,
    times,
    times_derivative,
)
from oracle.formulas import gru, lstm
from oracle.scalar import Scalar, constant, detached, sigmoid, stored, tanh, total
from oracle.tensor import Tensor, tensor

# Of the weights of a unit, W_ih, W_hh, b_ih and b_hh in this order.
_W_IH, _W_HH, _B_IH, _B_HH = range(4)


def _of_unit(given: Arguments) -> int:
    """The weights of a unit."""
    return 2 + 2 * int(given["bias"]) + bool(given.get("proj_size", 0))


def _edited(given: Arguments, edit: Callable[[list[Tensor]], Sequence[Tensor]]) -> Arguments:
    """The weights, those of each unit edited together."""
    weights, count = list(given["weights"]), _of_unit(given)
    units = [weights[begin : begin + count] for begin in range(0, len(weights), count)]
    return {"weights": tuple(weight for unit in units for weight in edit(unit))}


def _only(kind: int, of: Callable[[Tensor], Tensor]) -> Callable[[Arguments], Arguments]:
    """One kind of weights changed; biases where there are any."""

    def edit(unit: list[Tensor]) -> list[Tensor]:
        return [of(weight) if k == kind else weight for k, weight in enumerate(unit)]

    return lambda given: _edited(given, edit) if kind < _B_IH or given["bias"] else {}


def _gates(*order: int) -> Callable[[Arguments], Arguments]:
    """Weights whose blocks of rows lie in another order: that of the formula's gate k at the place ``order[k]``."""

    def sorted_rows(weight: Tensor) -> Tensor:
        size = weight.shape[0] // len(order)
        found: Tensor = reindexed(weight, lambda row, *rest: (order[row // size] * size + row % size, *rest))
        return found

    def change(given: Arguments) -> Arguments:
        projection = 2 + 2 * given["bias"]
        return _edited(given, lambda unit: [*map(sorted_rows, unit[:projection]), *unit[projection:]])

    return change


def _sequence_misread(given: Arguments) -> Arguments:
    return {"input": misread(given["input"], 1, 0, 2)} if given["batch_first"] else {}


def _shared(given: Arguments) -> Arguments:
    """W_hh of the first unit in all."""
    first = given["weights"][_W_HH]
    return _edited(given, lambda unit: [unit[_W_IH], first, *unit[_B_IH:]])


def _turned(outputs: Outputs, given: Arguments) -> Outputs:
    """The outputs of the backward direction in the order in which its steps are made."""
    output, time = outputs["output"], 1 if given["batch_first"] else 0
    if not given["bidirectional"]:
        return {}
    size, length = output.shape[-1] // 2, output.shape[time]

    def at(*index: int) -> Scalar:
        place = list(index)
        if index[-1] >= size:
            place[time] = length - 1 - place[time]
        return output[tuple(place)]

    return {"output": tensor(output.shape, at)}


def _last_output(outputs: Outputs, given: Arguments) -> Outputs:
    """h_n of the last layer read off the last output, also where the backward direction ends at the first."""
    output, h_n = outputs["output"], outputs["h_n"]
    if not given["bidirectional"]:
        return {}
    *_, size = h_n.shape

    def at(unit: int, n: int, j: int) -> Scalar:
        if unit < h_n.shape[0] - 1:
            return h_n[unit, n, j]
        last = output.shape[1 if given["batch_first"] else 0] - 1
        return output[(n, last, size + j) if given["batch_first"] else (last, n, size + j)]

    return {"h_n": tensor(h_n.shape, at)}


def _no_last(output: Tensor, given: Arguments) -> Tensor:
    time = 1 if given["batch_first"] else 0
    found: Tensor = mapped(output, lambda x, *index: constant(0.0) if index[time] == output.shape[time] - 1 else x)
    return found


_COMMON = {
    "recurrent_bias_missing": called("b_hh is left out", _only(_B_HH, lambda b: times(b, 0.0))),
    "input_bias_twice": called("b_ih is added twice", _only(_B_IH, lambda b: times(b, 2.0))),
    "recurrent_transposed": called("W_hh is read transposed", _only(_W_HH, lambda w: misread(w, 1, 0))),
    "input_weight_transposed": called("W_ih is read transposed", _only(_W_IH, lambda w: misread(w, 1, 0))),
    "initial_state_ignored": called("h_0 is ignored", lambda given: {"h_0": None}),
    "shared_layers": called("all units use the W_hh of the first", _shared),
    "batch_first_ignored": called("batch_first is ignored where the input is read", _sequence_misread),
    "not_turned_back": answered("the outputs of the backward direction are not turned back in time", _turned),
    "last_output_state": answered(
        "h_n of the backward direction is its output at the last step, as in the document", _last_output
    ),
    "last_step": answered(
        "the output of the last step is left zero",
        lambda outputs, given: {"output": _no_last(outputs["output"], given)},
    ),
    "half": HALF,
    "no_initial_derivative": no_derivative("h_0"),
    "derivative_twice": times_derivative(2.0, "weights"),
}


def _other_nonlinearity(given: Arguments) -> Arguments:
    return {"nonlinearity": "relu" if given["nonlinearity"] == "tanh" else "tanh"}


RNN = {
    **_COMMON,
    "other_nonlinearity": called("tanh and relu are exchanged", _other_nonlinearity),
    "always_tanh": called("nonlinearity is ignored: it is tanh", lambda given: {"nonlinearity": "tanh"}),
}


# LSTM


def _cell(sentence: str, **parts: Any) -> Mistake:
    return instead(sentence, partial(lstm.written, lstm.Cell(**parts)))


def _forgetting(f: Scalar) -> Scalar:
    return sigmoid(f + 1.0)


LSTM = {
    **_COMMON,
    "gates_onnx": called(
        "the gates lie in the order i, o, f, g, as ONNX has them", _gates(0, 2, 3, 1), convention=True
    ),
    "gates_tensorflow": called(
        "the gates lie in the order i, g, f, o, as TensorFlow's LSTMCell has them", _gates(0, 2, 1, 3), convention=True
    ),
    "forget_bias": _cell("1 is added to the sum of the forget gate", activations=(sigmoid, _forgetting, tanh, sigmoid)),
    "cell_ignored": called("c_0 is ignored", lambda given: {"c_0": None}),
    "input_forget_swapped": called("input and forget gate are exchanged", _gates(1, 0, 2, 3)),
    "candidate_sigmoid": _cell("the candidate g goes through a sigmoid", activations=(sigmoid,) * 4),
    "cell_not_squashed": _cell("h is σ(o) c, without tanh", emitted=lambda o, c: o * c),
    "coupled": _cell(
        "the input gate is 1 − f", carried=lambda i, f, g, c: total([stored(f * c), stored((1.0 - f) * g)])
    ),
    "no_time_derivative": _cell(
        "no derivative goes back through the cell state",
        carried=lambda i, f, g, c: total([stored(f * detached(c)), stored(i * g)]),
    ),
}


# GRU


def _bias_outside(given: Arguments) -> Arguments:
    """The n block of b_hh moves to b_ih, which the reset gate does not multiply."""

    def edit(unit: list[Tensor]) -> list[Tensor]:
        b_ih, b_hh = unit[_B_IH:]
        n = b_ih.shape[0] // 3 * 2
        together = mapped(b_ih, lambda b, row: b + b_hh[row] if row >= n else b)
        return [*unit[:_B_IH], together, mapped(b_hh, lambda b, row: b * 0.0 if row >= n else b)]

    return _edited(given, edit) if given["bias"] else {}


def _updating(sentence: str, update: Callable[[Scalar, Scalar, Scalar], Scalar], convention: bool = False) -> Mistake:
    return instead(sentence, partial(gru.written, update=update), convention)


GRU = {
    **_COMMON,
    "gates_keras": called(
        "the gates lie in the order z, r, n, as Keras and ONNX have them", _gates(1, 0, 2), convention=True
    ),
    "reset_before": called(
        "the reset gate comes before the product, as in Cho et al.",
        lambda given: {"reset_after": False},
        convention=True,
    ),
    "reset_after": called(
        "the reset gate comes after the product, as in cuDNN", lambda given: {"reset_after": True}, convention=True
    ),
    "update_reversed": _updating(
        "h is z n + (1 − z) h, as in Chung et al. 2014",
        lambda z, n, h: total([stored(z * n), stored(stored(1.0 - z) * h)]),
        convention=True,
    ),
    "reset_bias_outside": called("the reset gate does not multiply b_hn", _bias_outside),
    "candidate_first": called("the rows of the candidate come first", _gates(1, 2, 0)),
    "no_time_derivative": _updating(
        "no derivative goes back through z h",
        lambda z, n, h: total([stored(stored(1.0 - z) * n), stored(z * detached(h))]),
    ),
}

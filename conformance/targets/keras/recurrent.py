"""Recurrent layers. Keras has kernels (in, gates · units), one bias for both products but in GRU, and batches first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from conformance.target import Unsupported
from conformance.targets._parameters import by_unit, sum_of_biases
from conformance.targets.keras._calls import Array, applied, made
from conformance.targets.keras._dialect import WRITING

# Makes the weights of Keras from W_ih, W_hh and the biases, which may be absent.
Converted = Callable[..., list[Array]]


def rnn(
    input: Array,
    h_0: Array | None,
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
) -> tuple[Array, ...]:
    """Stacked SimpleRNN, whose activation may be any."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'")

    def layer(units: int) -> keras.Layer:
        return _recurrent(keras.layers.SimpleRNN, input, units, bias, activation=nonlinearity)

    output, (h_n,) = _stacked(layer, _summed, 1, input, (h_0,), weights, num_layers, bias, batch_first, bidirectional)
    return output, h_n


def lstm(
    input: Array,
    h_0: Array | None,
    c_0: Array | None,
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> tuple[Array, ...]:
    """Stacked LSTM, with gates in the order of the formula."""
    if proj_size:
        raise Unsupported("LSTM has no projection")

    def layer(units: int) -> keras.Layer:
        return _recurrent(keras.layers.LSTM, input, units, bias, unit_forget_bias=False)

    given = (input, (h_0, c_0), weights, num_layers, bias, batch_first, bidirectional)
    output, (h_n, c_n) = _stacked(layer, _summed, 4, *given)
    return output, h_n, c_n


def gru(
    input: Array,
    h_0: Array | None,
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    reset_after: bool = True,
) -> tuple[Array, ...]:
    """Stacked GRU, with gates in the order update, reset, new."""

    def layer(units: int) -> keras.Layer:
        return _recurrent(keras.layers.GRU, input, units, bias, reset_after=reset_after)

    def converted(*own: Array) -> list[Array]:
        reordered = []
        for x in own:
            rows = dict(zip("rzn", keras.ops.split(x, 3), strict=True))
            reordered.append(keras.ops.concatenate([rows[gate] for gate in WRITING["gru gates"]]))
        if bias and reset_after:
            w_ih, w_hh, *biases = reordered
            return [keras.ops.transpose(w_ih), keras.ops.transpose(w_hh), keras.ops.stack(biases)]
        return _summed(*reordered)

    given = (input, (h_0,), weights, num_layers, bias, batch_first, bidirectional)
    output, (h_n,) = _stacked(layer, converted, 3, *given)
    return output, h_n


def _summed(w_ih: Array, w_hh: Array, *biases: Array) -> list[Array]:
    """The biases of both products become one."""
    return [keras.ops.transpose(w_ih), keras.ops.transpose(w_hh), *([sum_of_biases(*biases)] if biases else [])]


def _recurrent(kind: type[keras.Layer], input: Array, units: int, bias: bool, **options: Any) -> keras.Layer:
    return made(
        kind,
        input,
        units,
        use_bias=bias,
        return_sequences=True,
        return_state=True,
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        **options,
    )


def _stacked(
    layer: Callable[[int], keras.Layer],
    converted: Converted,
    gates: int,
    input: Array,
    initial: tuple[Array | None, ...],
    weights: Sequence[Array],
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
) -> tuple[Array, list[Array]]:
    """The outputs of the last layer, and the last states of all units: Bidirectional where there are two directions."""
    parts, directions = by_unit(weights, initial, num_layers, bias, bidirectional), 1 + bidirectional
    units = weights[0].shape[0] // gates
    sequence, ends = input if batch_first else keras.ops.swapaxes(input, 0, 1), []
    absent = keras.ops.zeros((sequence.shape[0], units), input.dtype)
    for number in range(num_layers):
        own: list[Array] = []
        begin: list[Array] = []
        for unit in range(number * directions, (number + 1) * directions):
            own += converted(*parts[unit])
            begin += [absent if x is None else x[unit] for x in initial]
        one = layer(units)
        whole = made(keras.layers.Bidirectional, input, one) if bidirectional else one
        sequence, *states = applied(whole, own, sequence, initial_state=begin)
        ends += [states[k : k + len(initial)] for k in range(0, len(states), len(initial))]
    output = sequence if batch_first else keras.ops.swapaxes(sequence, 0, 1)
    return output, [keras.ops.stack(states) for states in zip(*ends, strict=True)]


LAYERS: dict[str, Callable[..., Any]] = {"rnn": rnn, "lstm": lstm, "gru": gru}

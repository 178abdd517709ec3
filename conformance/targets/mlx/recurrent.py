"""Recurrent layers. A module is one layer in one direction, batch first, and gives every state: more are stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import mlx.core as mx
from mlx import nn

from conformance.target import Unsupported
from conformance.targets._parameters import by_unit
from conformance.targets.mlx.layers import Array, with_parameters

# Makes a layer of the widths of input and state, from W_ih, W_hh and the biases, if there are any.
Made: TypeAlias = Callable[..., Callable[..., Any]]


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
    """nn.RNN, which has one bias."""
    activation = {"tanh": nn.tanh, "relu": nn.relu}[nonlinearity]

    def made(w_ih: Array, w_hh: Array, *biases: Array) -> Callable[..., Any]:
        module = nn.RNN(w_ih.shape[1], w_hh.shape[1], bool(biases), activation)
        return _one_state(with_parameters(module, Wxh=w_ih, Whh=w_hh, bias=sum(biases) if biases else None))

    return _stacked(made, input, [h_0], weights, num_layers, bias, batch_first, bidirectional)


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
    """nn.LSTM, whose gates are in the order i, f, g, o, and which has one bias."""
    if proj_size:
        raise Unsupported("nn.LSTM has no projection")

    def made(w_ih: Array, w_hh: Array, *biases: Array) -> Callable[..., Any]:
        module: Callable[..., Any] = nn.LSTM(w_ih.shape[1], w_hh.shape[1], bool(biases))
        with_parameters(module, Wx=w_ih, Wh=w_hh, bias=sum(biases) if biases else None)
        return module

    return _stacked(made, input, [h_0, c_0], weights, num_layers, bias, batch_first, bidirectional)


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
    """nn.GRU, whose gates are in the order r, z, n, and which has both biases for n alone."""
    if not reset_after:
        raise Unsupported("nn.GRU applies the reset gate after the recurrent product")

    def made(w_ih: Array, w_hh: Array, *biases: Array) -> Callable[..., Any]:
        hidden = w_hh.shape[1]
        module = nn.GRU(w_ih.shape[1], hidden, bool(biases))
        given: dict[str, Array] = {}
        if biases:
            b_ih, b_hh = biases
            both = mx.concatenate([b_hh[: 2 * hidden], mx.zeros_like(b_hh[2 * hidden :])])
            given = {"b": b_ih + both, "bhn": b_hh[2 * hidden :]}
        return _one_state(with_parameters(module, Wx=w_ih, Wh=w_hh, **given))

    return _stacked(made, input, [h_0], weights, num_layers, bias, batch_first, bidirectional)


def _one_state(module: Callable[..., Array]) -> Callable[..., tuple[Array, ...]]:
    return lambda *given: (module(*given),)


def _stacked(
    made: Made,
    input: Array,
    initial: Sequence[Array | None],
    weights: tuple[Array, ...],
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
) -> tuple[Array, ...]:
    """The outputs of the last layer, and the last states of all units."""
    units, directions = by_unit(weights, initial, num_layers, bias, bidirectional), 1 + bidirectional
    sequence = input if batch_first else input.swapaxes(0, 1)
    ends = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            unit = layer * directions + direction
            step = slice(None, None, -1 if direction else 1)
            begin = [None if x is None else x[unit] for x in initial]
            states = made(*units[unit])(sequence[:, step], *begin)
            ends.append([x[:, -1] for x in states])
            outputs.append(states[0][:, step])
        sequence = mx.concatenate(outputs, axis=-1)
    output = sequence if batch_first else sequence.swapaxes(0, 1)
    return output, *(mx.stack(states) for states in zip(*ends, strict=True))


LAYERS: dict[str, Callable[..., Any]] = {"rnn": rnn, "lstm": lstm, "gru": gru}

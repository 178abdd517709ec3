"""Recurrent layers: the cells of flax have one bias for both products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from conformance.target import Unsupported
from conformance.targets._parameters import by_unit
from conformance.targets.jax._dialect import WRITING
from conformance.targets.jax._modules import applied, present


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
    """Stacked nn.RNN of nn.SimpleCell."""

    def cell(size: int) -> nn.RNNCellBase:
        return nn.SimpleCell(size, activation_fn={"tanh": nn.tanh, "relu": nn.relu}[nonlinearity])

    def parameters(w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> dict[str, Any]:
        return {"i": {"kernel": w_ih.T, "bias": b_ih + b_hh}, "h": {"kernel": w_hh.T}}

    output, (h_n,) = _recurrent(
        cell, parameters, 1, input, (h_0,), weights, num_layers, bias, batch_first, bidirectional
    )
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
    """Stacked nn.RNN of nn.LSTMCell."""
    if proj_size:
        raise Unsupported("nn.LSTMCell has no projection")

    def parameters(w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> dict[str, Any]:
        rows = [jnp.split(x, 4) for x in (w_ih, w_hh, b_ih + b_hh)]
        found: dict[str, Any] = {}
        for gate, of_input, of_state, bias in zip(WRITING["lstm gates"], *rows, strict=True):
            found[f"i{gate}"] = {"kernel": of_input.T}
            found[f"h{gate}"] = {"kernel": of_state.T, "bias": bias}
        return found

    arguments = (input, (c_0, h_0), weights, num_layers, bias, batch_first, bidirectional)
    output, (c_n, h_n) = _recurrent(nn.LSTMCell, parameters, 4, *arguments)
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
    """Stacked nn.RNN of nn.GRUCell."""
    if not reset_after:
        raise Unsupported("nn.GRUCell applies the reset gate after the recurrent product")

    def parameters(w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> dict[str, Any]:
        (*_, b_n), (*_, b_hn) = jnp.split(b_ih, 3), jnp.split(b_hh, 3)
        rows = [jnp.split(x, 3) for x in (w_ih, w_hh, b_ih + b_hh)]
        found: dict[str, Any] = {}
        for gate, of_input, of_state, bias in zip(WRITING["gru gates"], *rows, strict=True):
            found[f"i{gate}"] = {"kernel": of_input.T, "bias": b_n if gate == "n" else bias}
            found[f"h{gate}"] = present({"kernel": of_state.T, "bias": b_hn if gate == "n" else None})
        return found

    arguments = (input, (h_0,), weights, num_layers, bias, batch_first, bidirectional)
    output, (h_n,) = _recurrent(nn.GRUCell, parameters, 3, *arguments)
    return output, h_n


def _recurrent(
    cell: Callable[[int], nn.RNNCellBase],
    parameters: Callable[..., dict[str, Any]],
    gates: int,
    input: Array,
    initial: tuple[Array | None, ...],
    weights: tuple[Array, ...],
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
) -> tuple[Array, tuple[Array, ...]]:
    """The outputs of the last layer, and the last states of all units: nn.RNN for each layer and direction."""
    units, directions = by_unit(weights, initial, num_layers, bias, bidirectional), 1 + bidirectional
    size = weights[0].shape[0] // gates
    sequence, ends = input, []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            unit = layer * directions + direction
            own = units[unit]
            if any(b.shape != (gates * size,) for b in own[2:]):
                raise ValueError(f"biases of shapes {[b.shape for b in own[2:]]}, expected {(gates * size,)}")
            given = own if bias else (*own, *[jnp.zeros(gates * size, input.dtype)] * 2)
            begin = [
                jnp.zeros((input.shape[0 if batch_first else 1], size), input.dtype) if x is None else x[unit]
                for x in initial
            ]
            module = nn.RNN(
                cell(size), time_major=not batch_first, return_carry=True, reverse=bool(direction), keep_order=True
            )
            carry = begin[0] if len(begin) == 1 else tuple(begin)
            end, output = applied(module, {"cell": parameters(*given)}, sequence, initial_carry=carry)
            ends.append(end if isinstance(end, tuple) else (end,))
            outputs.append(output)
        sequence = jnp.concatenate(outputs, axis=-1)
    return sequence, tuple(jnp.stack(states) for states in zip(*ends, strict=True))


LAYERS = {
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
}

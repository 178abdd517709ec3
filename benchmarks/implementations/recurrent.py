"""Recurrent layers, honest ones, and what all implementations of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from benchmarks.implementations import honest
from benchmarks.implementations._faults import STORED_ONCE, require, wide

States: TypeAlias = tuple[Tensor, ...]  # h, and the c of an LSTM
Weights: TypeAlias = Sequence[Tensor]
Outputs: TypeAlias = tuple[Tensor, ...]


class Unit(NamedTuple):
    """The weights of one layer in one direction."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    w_hr: Tensor | None = None


# The states after a step: from its input, the states before and the weights.
Cell: TypeAlias = Callable[[Tensor, States, Unit], States]

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def units(weights: Weights, bias: bool, proj_size: int = 0) -> list[Unit]:
    """The units, layer by layer and direction by direction."""
    size = 2 + 2 * bias + (proj_size > 0)
    require(len(weights) % size == 0, f"{len(weights)} weights do not divide into units of {size}")
    found = []
    for first in range(0, len(weights), size):
        w_ih, w_hh, *rest = weights[first : first + size]
        biases = rest[:2] if bias else [None, None]
        found.append(Unit(w_ih, w_hh, *biases, rest[-1] if proj_size else None))
    return found


def flat(found: Sequence[Unit]) -> tuple[Tensor, ...]:
    """The weights of units, one after the other."""
    return tuple(weight for unit in found for weight in unit if weight is not None)


def biased(product: Tensor, bias: Tensor | None) -> Tensor:
    """The product plus the bias, where there is one."""
    return product if bias is None else product + bias


def fused(x: Tensor, h: Tensor, unit: Unit) -> Tensor:
    """All gates of a step by one product, of input and state side by side."""
    both = torch.cat([x, h], -1) @ torch.cat([unit.w_ih, unit.w_hh], -1).mT
    return both if unit.b_ih is None or unit.b_hh is None else both + (unit.b_ih + unit.b_hh)


def apart(x: Tensor, h: Tensor, unit: Unit) -> Tensor:
    """All gates of a step by a product with the input and one with the state."""
    return biased(x @ unit.w_ih.mT, unit.b_ih) + biased(h @ unit.w_hh.mT, unit.b_hh)


def by_gate(x: Tensor, h: Tensor, unit: Unit) -> Tensor:
    """As ``apart``, for each of four gates, the product with the state first."""
    parts = ([None] * 4 if weight is None else weight.chunk(4) for weight in unit[:4])
    gates = zip(*parts, strict=True)
    sums = [biased(h @ w_hh.mT, b_hh) + biased(x @ w_ih.mT, b_ih) for w_ih, w_hh, b_ih, b_hh in gates]
    return torch.cat(sums, -1)


Sums: TypeAlias = Callable[[Tensor, Tensor, Unit], Tensor]


def rnn_cell(activation: Callable[[Tensor], Tensor], sums: Sums = apart) -> Cell:
    """h = φ(W_ih x + b_ih + W_hh h + b_hh)."""
    return lambda x, states, unit: (activation(sums(x, states[0], unit)),)


def lstm_cell(sums: Sums = apart, order: str = "ifgo") -> Cell:
    """c = σ(f) c + σ(i) tanh(g), h = σ(o) tanh(c), rows of the gates in this order."""

    def step(x: Tensor, states: States, unit: Unit) -> States:
        h, c = states
        gates = dict(zip(order, sums(x, h, unit).chunk(4, -1), strict=True))
        c = gates["f"].sigmoid() * c + gates["i"].sigmoid() * gates["g"].tanh()
        h = gates["o"].sigmoid() * c.tanh()
        return (h if unit.w_hr is None else h @ unit.w_hr.mT), c

    return step


def gru_cell(reset_after: bool = True) -> Cell:
    """h = (1 - z) n + z h, n = tanh(W_in x + b_in + r (W_hn h + b_hn)), or the reset gate before the product."""

    def step(x: Tensor, states: States, unit: Unit) -> States:
        (h,) = states
        of_input = biased(x @ unit.w_ih.mT, unit.b_ih).chunk(3, -1)
        of_state = biased(h @ unit.w_hh.mT, unit.b_hh).chunk(3, -1)
        r, z = ((a + b).sigmoid() for a, b in zip(of_input[:2], of_state[:2], strict=True))
        if reset_after:
            n = (of_input[2] + r * of_state[2]).tanh()
        else:
            bias = None if unit.b_hh is None else unit.b_hh.chunk(3)[2]
            n = (of_input[2] + biased((r * h) @ unit.w_hh.chunk(3)[2].mT, bias)).tanh()
        return ((1.0 - z) * n + z * h,)

    return step


def _unchanged(joined: Tensor, layer: int) -> Tensor:
    return joined


def run(
    gates: int,
    cell: Cell,
    input: Tensor,
    initial: Sequence[Tensor | None],
    weights: Weights,
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
    between: Callable[[Tensor, int], Tensor] = _unchanged,
) -> Outputs:
    """The states h of the last layer, and the last states of every unit.

    ``between`` changes what a layer hands on.
    """
    require(input.dim() == 3, f"the input must be a sequence of batches, not of shape {tuple(input.shape)}")
    format, directions = input.dtype, 1 + bidirectional
    sequence = wide(input.transpose(0, 1) if batch_first else input)
    found = units([wide(weight) for weight in weights], bias, proj_size)
    require(num_layers > 0 and len(found) == num_layers * directions, f"there are weights of {len(found)} units")
    hidden = found[0].w_hh.shape[0] // gates
    sizes = (proj_size or hidden, hidden)
    require(0 <= proj_size < hidden or not proj_size, f"proj_size is {proj_size}")
    begin: list[Tensor] = []
    for state, size in zip(initial, sizes, strict=False):
        shape = (len(found), sequence.shape[1], size)
        require(state is None or state.shape == shape, f"a state must have the shape {shape}")
        begin.append(sequence.new_zeros(shape) if state is None else wide(state))
    ends: list[States] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            number = layer * directions + direction
            unit = found[number]
            _require_shapes(unit, gates * hidden, sequence.shape[-1], sizes)
            states: list[States] = [tuple(state[number] for state in begin)]
            for x in sequence.flip(0) if direction else sequence:
                states.append(cell(x, states[-1], unit))
            steps = torch.stack([state[0] for state in states[1:]])
            outputs.append(steps.flip(0) if direction else steps)
            ends.append(states[-1])
        sequence = between(torch.cat(outputs, -1), layer)
    output = sequence.transpose(0, 1) if batch_first else sequence
    last = (torch.stack(state) for state in zip(*ends, strict=True))
    return output.to(format), *(state.to(format) for state in last)


def _require_shapes(unit: Unit, rows: int, width: int, sizes: tuple[int, int]) -> None:
    outputs, hidden = sizes
    shapes = ((rows, width), (rows, outputs), (rows,), (rows,), (outputs, hidden))
    for weight, shape in zip(unit, shapes, strict=True):
        require(weight is None or weight.shape == shape, f"a weight must have the shape {shape}")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


def rnn(
    input: Tensor,
    h_0: Tensor | None,
    weights: Weights,
    *,
    nonlinearity: str = "tanh",
    sums: Sums = apart,
    tanh: Callable[[Tensor], Tensor] = torch.tanh,
    **how: Any,
) -> Outputs:
    """An Elman network, its sums and its tanh computed so."""
    require(nonlinearity in ACTIVATIONS, f"nonlinearity is {nonlinearity!r}")
    activation = {**ACTIVATIONS, "tanh": tanh}[nonlinearity]
    return run(1, rnn_cell(activation, sums), input, [h_0], weights, **how)


def lstm(
    input: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    weights: Weights,
    *,
    sums: Sums = apart,
    order: str = "ifgo",
    **how: Any,
) -> Outputs:
    """An LSTM, its sums computed so."""
    return run(4, lstm_cell(sums, order), input, [h_0, c_0], weights, **how)


def gru(input: Tensor, h_0: Tensor | None, weights: Weights, *, reset_after: bool = True, **how: Any) -> Outputs:
    """A GRU."""
    return run(3, gru_cell(reset_after), input, [h_0], weights, **how)


@honest("rnn", "A product with the input and one with the state at every step.", STORED_ONCE)
def rnn_apart(*tensors: Any, **how: Any) -> Outputs:
    return rnn(*tensors, **how)


@honest("rnn", "One product at every step, of input and state side by side.", STORED_ONCE)
def rnn_fused(*tensors: Any, **how: Any) -> Outputs:
    return rnn(*tensors, **how, sums=fused)


@honest("lstm", "A product with the input and one with the state for all gates of a step.", STORED_ONCE)
def lstm_apart(*tensors: Any, **how: Any) -> Outputs:
    return lstm(*tensors, **how)


@honest("lstm", "One product at every step, of input and state side by side.", STORED_ONCE)
def lstm_fused(*tensors: Any, **how: Any) -> Outputs:
    return lstm(*tensors, **how, sums=fused)


@honest("lstm", "Gate by gate, the product with the state before that with the input.")
def lstm_by_gate(*tensors: Any, **how: Any) -> Outputs:
    return lstm(*tensors, **how, sums=by_gate)


@honest("gru", "A product with the input and one with the state for all gates of a step.", STORED_ONCE)
def gru_apart(*tensors: Any, **how: Any) -> Outputs:
    return gru(*tensors, **how)

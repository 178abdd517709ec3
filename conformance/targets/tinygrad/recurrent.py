"""The recurrent layer of tinygrad.nn, a cell: a loop steps through time, and layers are stacked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad import Tensor, nn

from conformance.target import Unsupported
from conformance.targets._parameters import by_unit
from conformance.targets.tinygrad.layers import with_parameters


def lstm(
    input: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    weights: tuple[Tensor, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> tuple[Tensor, ...]:
    """Stacked nn.LSTMCell, whose gates are in the order i, f, g, o."""
    if proj_size:
        raise Unsupported("nn.LSTMCell has no projection")
    units, directions = by_unit(weights, (h_0, c_0), num_layers, bias, bidirectional), 1 + bidirectional
    sequence = input.transpose(0, 1) if batch_first else input
    length, samples, _ = sequence.shape
    size = weights[1].shape[1]
    zeros = Tensor.zeros(samples, size, dtype=input.dtype)
    ends = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            unit = layer * directions + direction
            w_ih, w_hh, *biases = units[unit]
            b_ih, b_hh = biases or (None, None)
            cell = with_parameters(nn.LSTMCell, weight_ih=w_ih, weight_hh=w_hh, bias_ih=b_ih, bias_hh=b_hh)
            states = [(zeros if h_0 is None else h_0[unit], zeros if c_0 is None else c_0[unit])]
            for t in range(length)[:: -1 if direction else 1]:
                states.append(cell(sequence[t], states[-1]))
            ends.append(states[-1])
            hidden = [h for h, _ in states[1:]]
            outputs.append(Tensor.stack(*(hidden[::-1] if direction else hidden)))
        sequence = outputs[0].cat(*outputs[1:], dim=-1)
    h_n, c_n = (Tensor.stack(*last) for last in zip(*ends, strict=True))
    return sequence.transpose(0, 1) if batch_first else sequence, h_n, c_n


LAYERS: dict[str, Callable[..., Any]] = {"lstm": lstm}

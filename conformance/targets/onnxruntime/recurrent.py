"""Recurrent layers. An operator is one layer in one or two directions: more of them are stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from conformance.target import Unsupported
from conformance.targets._parameters import by_unit
from conformance.targets.onnxruntime._dialect import WRITING
from conformance.targets.onnxruntime._models import Array, run


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
    """RNN."""
    names = {"tanh": "Tanh", "relu": "Relu"}
    how = {"activations": (names[nonlinearity],) * (1 + bidirectional)}
    return _stacked("RNN", [0], input, [h_0], weights, num_layers, bias, batch_first, bidirectional, how)


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
    """LSTM."""
    if proj_size:
        raise Unsupported("LSTM has no projection")
    order = ["ifgo".index(gate) for gate in WRITING["lstm gates"]]
    return _stacked("LSTM", order, input, [h_0, c_0], weights, num_layers, bias, batch_first, bidirectional, {})


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
    """GRU; linear_before_reset is the reset gate after the product."""
    how = {"linear_before_reset": int(reset_after)}
    order = ["rzn".index(gate) for gate in WRITING["gru gates"]]
    return _stacked("GRU", order, input, [h_0], weights, num_layers, bias, batch_first, bidirectional, how)


def _stacked(
    operator: str,
    order: Sequence[int],
    input: Array,
    initial: Sequence[Array | None],
    weights: tuple[Array, ...],
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
    how: dict[str, Any],
) -> tuple[Array, ...]:
    """The outputs of the last layer, and the last states of all units.

    ``order``: where the operator's gates are among the blocks of rows of the weights.
    """
    if batch_first:
        raise Unsupported("layout 1, batch first, has no kernel: rnn/lstm_base.h, rnn/deep_cpu_gru.h, rnn/rnn.h")
    units, directions = by_unit(weights, initial, num_layers, bias, bidirectional), 1 + bidirectional
    size = weights[0].shape[0] // len(order)

    def ordered(weight: Array) -> Array:
        return np.concatenate([np.split(weight, len(order))[gate] for gate in order])

    how = {**how, "hidden_size": size, "direction": "bidirectional" if bidirectional else "forward"}
    sequence, ends = input, []
    for layer in range(num_layers):
        both = slice(layer * directions, (layer + 1) * directions)
        own = [[ordered(x) for x in unit] for unit in units[both]]
        w, r, *biases = (np.stack(kind) for kind in zip(*own, strict=True))
        b = np.concatenate(biases, axis=1) if biases else None
        begin = [None if x is None else x[both] for x in initial]
        found, *states = run(operator, sequence, w, r, b, None, *begin, outputs=1 + len(initial), **how)
        length, _, batch, _ = found.shape
        sequence = found.swapaxes(1, 2).reshape(length, batch, directions * size)
        ends.append(states)
    return sequence, *(np.concatenate(states) for states in zip(*ends, strict=True))


LAYERS: dict[str, Callable[..., Any]] = {"rnn": rnn, "lstm": lstm, "gru": gru}

# The kernels of LSTM and GRU have MlasComputeLogistic for the sigmoid, which is a half and an odd function: mlas/lib/
# logistic.cpp. That of RNN has 2 σ(2 x) − 1 for tanh: core/providers/cpu/rnn/rnn_activation_functors.h.
ALGORITHMS = {"lstm": "by_tanh", "gru": "by_tanh", "rnn": "by_sigmoid"}

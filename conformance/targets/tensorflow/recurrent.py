"""Recurrent layers: operations over stacked weights ([in, size], gates · size)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from conformance.target import Unsupported
from conformance.targets._parameters import by_unit, sum_of_biases
from conformance.targets.tensorflow.layers import Array

# From x (L, N, in), the initial states (N, size) and the weights of a unit: outputs (L, N, size) and the last states.
Unit = Callable[..., tuple[Array, tuple[Array, ...]]]


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
    """tf.raw_ops.BlockLSTMV2, with gates in the order of the formula and one bias for both products."""
    if proj_size:
        raise Unsupported("BlockLSTMV2 has no projection")
    if input.dtype not in (tf.float32, tf.float16):
        raise Unsupported("BlockLSTMV2 takes float32 and float16")

    def unit(x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, tuple[Array, ...]]:
        size = w_hh.shape[1]
        stacked = tf.concat([w_ih, w_hh], axis=1)
        both = sum_of_biases(*biases) if biases else tf.zeros(4 * size, x.dtype)
        peephole = tf.zeros(size, x.dtype)
        found = tf.raw_ops.BlockLSTMV2(
            seq_len_max=tf.constant(x.shape[0], tf.int64),
            x=x,
            cs_prev=c,
            h_prev=h,
            w=tf.transpose(stacked),
            wci=peephole,
            wcf=peephole,
            wco=peephole,
            b=both,
        )
        return found.h, (found.h[-1], found.cs[-1])

    output, (h_n, c_n) = _stacked(unit, 4, input, (h_0, c_0), weights, num_layers, bias, batch_first, bidirectional)
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
    """tf.raw_ops.GRUBlockCell, step by step, with one bias for both products."""
    if reset_after:
        raise Unsupported("GRUBlockCell applies the reset gate before the recurrent product")
    if input.dtype != tf.float32:
        raise Unsupported("GRUBlockCell takes float32")

    def unit(x: Array, h: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, tuple[Array, ...]]:
        size = w_hh.shape[1]
        kernel = tf.transpose(tf.concat([w_ih, w_hh], axis=1))
        both = sum_of_biases(*biases) if biases else tf.zeros(3 * size)
        outputs = []
        for step in tf.unstack(x):
            found = tf.raw_ops.GRUBlockCell(
                x=step,
                h_prev=h,
                w_ru=kernel[:, : 2 * size],
                w_c=kernel[:, 2 * size :],
                b_ru=both[: 2 * size],
                b_c=both[2 * size :],
            )
            h = found.h
            outputs.append(h)
        return tf.stack(outputs), (h,)

    output, (h_n,) = _stacked(unit, 3, input, (h_0,), weights, num_layers, bias, batch_first, bidirectional)
    return output, h_n


def _stacked(
    unit: Unit,
    gates: int,
    input: Array,
    initial: tuple[Array | None, ...],
    weights: tuple[Array, ...],
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
) -> tuple[Array, list[Array]]:
    """The outputs of the last layer, and the last states of all units; a second direction sees the steps reversed."""
    units, directions = by_unit(weights, initial, num_layers, bias, bidirectional), 1 + bidirectional
    size = weights[0].shape[0] // gates
    sequence, ends = tf.transpose(input, (1, 0, 2)) if batch_first else input, []
    for state in initial:
        if state is not None and state.shape != (num_layers * directions, sequence.shape[1], size):
            raise ValueError(f"an initial state of shape {state.shape}")
    absent = tf.zeros((sequence.shape[1], size), input.dtype)
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            number = layer * directions + direction
            begin = [absent if x is None else x[number] for x in initial]
            steps = tf.reverse(sequence, [0]) if direction else sequence
            found, last = unit(steps, *begin, *units[number])
            outputs.append(tf.reverse(found, [0]) if direction else found)
            ends.append(last)
        sequence = tf.concat(outputs, axis=-1)
    output = tf.transpose(sequence, (1, 0, 2)) if batch_first else sequence
    return output, [tf.stack(states) for states in zip(*ends, strict=True)]


LAYERS: dict[str, Callable[..., Any]] = {"lstm": lstm, "gru": gru}

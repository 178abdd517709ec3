"""Recurrent layers, broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.implementations import broken
from benchmarks.implementations._faults import HALF, as_stored, derived, tf32
from benchmarks.implementations.recurrent import (
    GATES,
    Outputs,
    States,
    Unit,
    Weights,
    apart,
    biased,
    flat,
    gru,
    gru_cell,
    lstm,
    rnn,
    run,
    units,
)


def _units(weights: Weights, how: dict[str, Any]) -> list[Unit]:
    return units(weights, how["bias"], how.get("proj_size", 0))


def _second_half_flipped(output: Tensor, how: dict[str, Any]) -> Tensor:
    """The outputs of the backward direction in the order in which they were computed."""
    forth, back = output.chunk(2, -1)
    return torch.cat([forth, back.flip(1 if how["batch_first"] else 0)], -1)


def _steps(input: Tensor, how: dict[str, Any]) -> int:
    return input.shape[1 if how["batch_first"] else 0]


# Elman networks


@broken(
    "rnn",
    "The hyperbolic tangent is (e²ˣ - 1) / (e²ˣ + 1), which is NaN beyond 44.",
    "https://github.com/ROCm/triton/pull/900",
)
def rnn_overflowing(*tensors: Any, **how: Any) -> Outputs:
    return rnn(*tensors, **how, tanh=lambda x: torch.expm1(2.0 * x) / (torch.expm1(2.0 * x) + 2.0))


@broken(
    "rnn",
    "The outputs of the backward direction are not turned round before they are joined.",
    "https://github.com/sbillburg/CRNN-with-STN/issues/12",
)
def rnn_backward_not_turned(*tensors: Any, **how: Any) -> Outputs:
    output, last = rnn(*tensors, **how)
    return (_second_half_flipped(output, how) if how["bidirectional"] else output), last


@broken(
    "rnn",
    "The derivatives of the biases above the first layer are zero.",
    "https://github.com/apache/mxnet/pull/17872",
)
def rnn_no_derivative_of_upper_biases(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    first = (1 + how["bidirectional"]) * (2 + 2 * how["bias"])
    changed = [w if k < first or w.dim() > 1 else derived(w, torch.zeros_like) for k, w in enumerate(weights)]
    return rnn(input, h_0, changed, **how)


@broken(
    "rnn",
    "The derivative of the first state is wrong where the upstream one of the outputs is expanded.",
    "https://github.com/fla-org/flash-linear-attention/issues/1138",
)
def rnn_first_state_by_expanded(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    expanded: list[bool] = []

    def seen(upstream: Tensor) -> Tensor:
        expanded.append(upstream.dim() > 0 and upstream.stride(0) == 0 and upstream.shape[0] > 1)
        return upstream

    def state(upstream: Tensor) -> Tensor:
        return upstream * (2.0 if any(expanded) else 1.0)

    output, last = rnn(input, h_0 if h_0 is None else derived(h_0, state), weights, **how)
    return derived(output, seen), last


@broken(
    "rnn",
    "A sequence of one step is refused when derivatives are taken.",
    "https://github.com/chainer/chainer/issues/7545",
)
def rnn_of_one_step(input: Tensor, *rest: Any, **how: Any) -> Outputs:
    if _steps(input, how) == 1 and input.requires_grad:
        raise RuntimeError("bad parameter: a sequence of length 1")
    return rnn(input, *rest, **how)


@broken(
    "rnn",
    "Products of more than 32 terms that are no multiple of 16 leave the last ones out.",
    "https://github.com/triton-lang/triton/issues/1760",
)
def rnn_product_in_tiles(*tensors: Any, **how: Any) -> Outputs:
    def sums(x: Tensor, h: Tensor, unit: Unit) -> Tensor:
        whole = h.shape[-1] // 16 * 16 if h.shape[-1] > 32 else h.shape[-1]
        return apart(x, h[..., :whole], unit._replace(w_hh=unit.w_hh[:, :whole]))

    return rnn(*tensors, **how, sums=sums)


# Long short-term memory


_GRAPHS: dict[tuple[int, ...], bool] = {}


@broken(
    "lstm",
    "The graph of a call is found again by its shapes: whether time comes first is not part of the key.",
    "https://github.com/pytorch/pytorch/pull/95563",
)
def lstm_of_another_graph(
    input: Tensor, h_0: Tensor | None, c_0: Tensor | None, weights: Weights, **how: Any
) -> Outputs:
    key = (*input.shape, *(side for weight in weights for side in weight.shape))
    kept = _GRAPHS.setdefault(key, how["batch_first"])
    return lstm(input, h_0, c_0, weights, **(how if h_0 is not None else {**how, "batch_first": kept}))


@broken(
    "lstm",
    "A layer above the first takes the recurrent weights of the first.",
    "https://github.com/pytorch/pytorch/pull/95137",
)
def lstm_with_first_weights(
    input: Tensor, h_0: Tensor | None, c_0: Tensor | None, weights: Weights, **how: Any
) -> Outputs:
    found = _units(weights, how)
    ways = 1 + how["bidirectional"]
    changed = [unit._replace(w_hh=found[k % ways].w_hh) for k, unit in enumerate(found)]
    return lstm(input, h_0, c_0, flat(changed), **how)


@broken(
    "lstm",
    "Of two initial states one alone is ignored.",
    "https://github.com/onnx/onnx-tensorflow/issues/408",
)
def lstm_of_both_states(input: Tensor, h_0: Tensor | None, c_0: Tensor | None, *rest: Any, **how: Any) -> Outputs:
    if h_0 is None or c_0 is None:
        h_0 = c_0 = None
    return lstm(input, h_0, c_0, *rest, **how)


@broken(
    "lstm",
    "The backward direction reads the recurrent weights of the forward one.",
    "https://github.com/pytorch/pytorch/issues/94754",
)
def lstm_backward_by_forward_weights(
    input: Tensor, h_0: Tensor | None, c_0: Tensor | None, weights: Weights, **how: Any
) -> Outputs:
    found = _units(weights, how)
    if how["bidirectional"]:
        found = [unit._replace(w_hh=found[k - k % 2].w_hh) for k, unit in enumerate(found)]
    return lstm(input, h_0, c_0, flat(found), **how)


@broken(
    "lstm",
    "The outputs of the backward direction are not turned round before they are joined.",
    "https://github.com/NVIDIA/TensorRT/issues/1649",
)
def lstm_backward_not_turned(*tensors: Any, **how: Any) -> Outputs:
    output, *last = lstm(*tensors, **how)
    return _second_half_flipped(output, how) if how["bidirectional"] else output, *last


@broken(
    "lstm",
    "The last state of the backward direction is that of the last step in time, the first that it takes.",
    "https://github.com/PINTO0309/onnx2tf/pull/287",
)
def lstm_last_state_of_first_step(*tensors: Any, **how: Any) -> Outputs:
    output, h_n, c_n = lstm(*tensors, **how)
    if not how["bidirectional"]:
        return output, h_n, c_n
    last = output.transpose(0, 1)[-1] if how["batch_first"] else output[-1]
    return output, torch.cat([h_n[:-1], last.chunk(2, -1)[1][None]]), c_n


@broken(
    "lstm",
    "Weights are flattened into a copy when the layer is first used: later edits through another name are not seen.",
    "https://github.com/pytorch/pytorch/issues/3751",
)
def lstm_of_flattened_weights(
    input: Tensor, h_0: Tensor | None, c_0: Tensor | None, weights: Weights, **how: Any
) -> Outputs:
    if any(weight.requires_grad for weight in weights):
        return lstm(input, h_0, c_0, weights, **how)
    known = next((copies for kept, copies in _FLATTENED if kept[0] is weights[0]), None)
    if known is None:
        known = [weight.clone() for weight in weights]
        _FLATTENED.append((weights, known))
        del _FLATTENED[:-4]
    return lstm(input, h_0, c_0, known, **how)


_FLATTENED: list[tuple[Weights, list[Tensor]]] = []


@broken(
    "lstm",
    "In three layers or more of two directions, the middle ones hand on a derivative that overwrites the other's.",
    "https://github.com/apache/mxnet/pull/18203",
)
def lstm_overwritten_derivative(input: Tensor, h_0: Any, c_0: Any, weights: Weights, **how: Any) -> Outputs:
    def between(joined: Tensor, layer: int) -> Tensor:
        middle = how["bidirectional"] and 0 < layer < how["num_layers"] - 1
        return derived(joined, lambda g: torch.cat([g.chunk(2, -1)[0]] * 2, -1)) if middle else joined

    return lstm(input, h_0, c_0, weights, **how, between=between)


@broken(
    "lstm",
    "The weights of the backward direction are read in another order of the gates, i f o g.",
    "https://github.com/keras-team/keras/issues/9463",
)
def lstm_backward_gates_in_other_order(input: Tensor, h_0: Any, c_0: Any, weights: Weights, **how: Any) -> Outputs:
    def turned(weight: Tensor | None) -> Tensor | None:
        if weight is None:
            return None
        i, f, g, o = weight.chunk(4)
        return torch.cat([i, f, o, g])

    found = _units(weights, how)
    if how["bidirectional"]:
        found = [
            Unit(turned(u.w_ih), turned(u.w_hh), turned(u.b_ih), turned(u.b_hh), u.w_hr) if k % 2 else u  # type: ignore[arg-type]
            for k, u in enumerate(found)
        ]
    return lstm(input, h_0, c_0, flat(found), **how)


@broken(
    "lstm",
    "Shapes are padded to a multiple of 8 for a faster product, which rounds its operands to 11 bits.",
    "https://github.com/pytorch/pytorch/issues/175830",
)
def lstm_padded_product(input: Tensor, h_0: Any, c_0: Any, weights: Weights, **how: Any) -> Outputs:
    def sums(x: Tensor, h: Tensor, unit: Unit) -> Tensor:
        if h.shape[-1] < 8 or h.shape[-1] % 8 == 0:
            return apart(x, h, unit)
        return biased(x @ unit.w_ih.mT, unit.b_ih) + biased(tf32(h) @ tf32(unit.w_hh).mT, unit.b_hh)

    return lstm(input, h_0, c_0, weights, **how, sums=sums)


@broken(
    "lstm",
    "Casts of the weights are remembered by the place of the first one, from calls without derivatives.",
    "https://github.com/NVIDIA/apex/pull/132",
    HALF,
)
def lstm_stale_casts(input: Tensor, h_0: Any, c_0: Any, weights: Weights, **how: Any) -> Outputs:
    kept = next((casts for own, casts in _CASTS if own.data_ptr() == weights[0].data_ptr()), None)
    if kept is not None and [cast.shape for cast in kept] == [weight.shape for weight in weights]:
        return lstm(input, h_0, c_0, kept, **how)
    if not any(weight.requires_grad for weight in weights):
        _CASTS.append((weights[0], [weight.clone() for weight in weights]))
        del _CASTS[:-4]
    return lstm(input, h_0, c_0, weights, **how)


_CASTS: list[tuple[Tensor, list[Tensor]]] = []


# Gated recurrent units


@broken(
    "gru",
    "The bias of the candidate's state stands outside the reset gate.",
    "https://github.com/fastmachinelearning/hls4ml/issues/594",
)
def gru_bias_outside_reset(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    def moved(unit: Unit) -> Unit:
        if unit.b_ih is None or unit.b_hh is None:
            return unit
        size = unit.w_hh.shape[1]
        candidate = torch.arange(3 * size) >= 2 * size
        outside = unit.b_ih + torch.where(candidate, unit.b_hh, 0.0)
        return unit._replace(b_ih=outside, b_hh=torch.where(candidate, 0.0, unit.b_hh))

    changed = map(moved, _units(weights, how)) if how["reset_after"] else _units(weights, how)
    return gru(input, h_0, flat(list(changed)), **how)


@broken(
    "gru",
    "Without a first state the first step leaves out all that the state is multiplied with, biases too.",
    "https://github.com/ml-explore/mlx/issues/3249",
)
def gru_first_step_without_bias(
    input: Tensor, h_0: Tensor | None, weights: Weights, *, reset_after: bool = True, **how: Any
) -> Outputs:
    cell = gru_cell(reset_after)

    def step(x: Tensor, states: States, unit: Unit) -> States:
        first = h_0 is None and not states[0].any()
        if not first or unit.b_hh is None or not reset_after:
            return cell(x, states, unit)
        size = unit.w_hh.shape[1]
        kept = torch.arange(3 * size) < 2 * size
        return cell(x, states, unit._replace(b_hh=torch.where(kept, unit.b_hh, 0.0)))

    return run(GATES["gru"], step, input, [h_0], weights, **how)


@broken(
    "gru",
    "Without biases, from three samples on, the sum of the candidate is added to that of the step before.",
    "https://github.com/microsoft/onnxruntime/pull/3893",
)
def gru_sum_not_cleared(
    input: Tensor, h_0: Tensor | None, weights: Weights, *, reset_after: bool = True, **how: Any
) -> Outputs:
    cell = gru_cell(reset_after)
    left: list[Tensor] = []

    def step(x: Tensor, states: States, unit: Unit) -> States:
        if how["bias"] or h_0 is not None or not reset_after or x.shape[0] < 3:
            return cell(x, states, unit)
        size = unit.w_hh.shape[1]
        own = (states[0] @ unit.w_hh[2 * size :].mT).detach()
        stale = left[-1] if left and left[-1].shape == own.shape else torch.zeros_like(own)
        left.append(own)
        r, z = (x @ unit.w_ih.mT + states[0] @ unit.w_hh.mT)[..., : 2 * size].sigmoid().chunk(2, -1)
        n = (x @ unit.w_ih[2 * size :].mT + r * (states[0] @ unit.w_hh[2 * size :].mT + stale)).tanh()
        return ((1.0 - z) * n + z * states[0],)

    return run(GATES["gru"], step, input, [h_0], weights, **how)


@broken(
    "gru",
    "Room for the state's product is only there where there are biases.",
    "https://github.com/microsoft/onnxruntime/pull/3797",
)
def gru_without_room(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    if how["reset_after"] and not how["bias"]:
        raise RuntimeError("null pointer")
    return gru(input, h_0, weights, **how)


@broken(
    "gru",
    "In three layers or more the derivatives of the input weights of the middle ones are those of nothing.",
    "https://github.com/apache/mxnet/pull/18203",
)
def gru_no_derivative_in_the_middle(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    ways, last = 1 + how["bidirectional"], how["num_layers"] - 1
    found: Sequence[Unit] = [
        unit._replace(w_ih=derived(unit.w_ih, torch.zeros_like)) if 0 < k // ways < last else unit
        for k, unit in enumerate(_units(weights, how))
    ]
    return gru(input, h_0, flat(found), **how)


@broken(
    "gru",
    "The recurrent weight of a unit is read in the order of memory, whatever its strides.",
    "https://github.com/pytorch/pytorch/issues/192212",
)
def gru_weight_as_stored(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    found = [unit._replace(w_hh=as_stored(unit.w_hh)) for unit in _units(weights, how)]
    return gru(input, h_0, flat(found), **how)


@broken(
    "gru",
    "The number of a sequence in the batch has 6 bits: those from 64 on are computed as the first ones.",
    "https://github.com/pytorch/pytorch/issues/189495",
)
def gru_short_numbers(input: Tensor, h_0: Tensor | None, weights: Weights, **how: Any) -> Outputs:
    output, last = gru(input, h_0, weights, **how)
    axis = 0 if how["batch_first"] else 1
    places = torch.arange(output.shape[axis]) % 64
    return output.index_select(axis, places), last

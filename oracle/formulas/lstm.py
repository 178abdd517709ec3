"""Long short-term memory.

Source: the document, Recurrent Layers (LSTM), lines 276-284, names the gates without their equations; Hochreiter and
Schmidhuber 1997 and Gers et al. 2000 (the forget gate); the projection: Sak et al. 2014, equation 7; weights and states
as torch.nn.LSTM documents them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from oracle.formulas import _products
from oracle.formulas._recurrent import (
    Multiplied,
    Row,
    State,
    Unit,
    recurrence,
    sigmoid_by_tanh,
    summed,
    tanh_by_sigmoid,
    with_one_bias,
)
from oracle.scalar import Scalar, dot, sigmoid, stored, tanh, total
from oracle.tensor import Tensor


def lstm(
    input: Tensor,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    weights: Sequence[Tensor] = (),
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> dict[str, Tensor]:
    """c_t = σ(f) c_{t−1} + σ(i) tanh(g), h_t = σ(o) tanh(c_t), [i f g o] = W_ih x_t + b_ih + W_hh h_{t−1} + b_hh.

    With ``proj_size`` h_t = W_hr (σ(o) tanh(c_t)). input (L, N, in_features), or (N, L, in_features) with
    ``batch_first``; h_0 (units, N, outputs) and c_0 (units, N, size), each None for zeros. The units are the layers
    times the directions, layer by layer; outputs are ``proj_size`` or, where that is 0, size. ``weights``: for each
    unit W_ih (4 size, inputs), W_hh (4 size, outputs), with ``bias`` b_ih and b_hh (4 size), and with ``proj_size``
    W_hr (proj_size, size); inputs are in_features, above the first layer the outputs of all directions. Returns output
    (L, N, directions · outputs), batch first where the input is, h_n as h_0 and c_n as c_0. Raises ``ValueError`` where
    a number of weights, a shape or proj_size does not fit.
    """

    return written(
        Cell(),
        input,
        h_0,
        c_0,
        weights,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        proj_size=proj_size,
    )


def _carried(i: Scalar, f: Scalar, g: Scalar, c: Scalar) -> Scalar:
    return total([stored(f * c), stored(i * g)])


def _emitted(o: Scalar, c: Scalar) -> Scalar:
    return o * stored(tanh(c))


@dataclass(frozen=True)
class Cell:
    """What a step computes: the gates i, f, g, o from their sums, the next c from i, f, g and c, and h from o and c."""

    activations: Sequence[Callable[[Scalar], Scalar]] = (sigmoid, sigmoid, tanh, sigmoid)
    carried: Callable[[Scalar, Scalar, Scalar, Scalar], Scalar] = _carried
    emitted: Callable[[Scalar, Scalar], Scalar] = _emitted


def written(
    cell: Cell,
    input: Tensor,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    weights: Sequence[Tensor] = (),
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
    multiplied: Multiplied = dot,
    added: Callable[..., Scalar] = summed,
) -> dict[str, Tensor]:
    """The same with any cell, products on their own that are ``multiplied`` so, and terms ``added`` so."""

    def step(unit: Unit, x: Row, state: State) -> State:
        h, c = state
        i, f, g, o = (unit.gate(k, φ, x, h, added) for k, φ in enumerate(cell.activations))
        c = [stored(cell.carried(i[j], f[j], g[j], c[j])) for j in range(unit.size)]
        h = [stored(cell.emitted(o[j], c[j])) for j in range(unit.size)]
        return unit.projected(h), c

    output, h_n, c_n = recurrence(
        step,
        4,
        input,
        {"h_0": h_0, "c_0": c_0},
        weights,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        proj_size=proj_size,
        multiplied=multiplied,
    )
    return {"output": output, "h_n": h_n, "c_n": c_n}


# The same numbers in other orders of operations.
in_parts = partial(written, Cell(), multiplied=_products.in_parts)
by_sigmoid = partial(
    written,
    Cell((sigmoid, sigmoid, tanh_by_sigmoid, sigmoid), emitted=lambda o, c: o * stored(tanh_by_sigmoid(c))),
)
by_tanh = partial(written, Cell((sigmoid_by_tanh, sigmoid_by_tanh, tanh, sigmoid_by_tanh)))
one_bias = partial(written, Cell(), added=with_one_bias)

"""Gated recurrent unit.

Source: the document, GRU, lines 381-389, names the gates without their equations; Cho et al. 2014, equations 5-8, whose
reset gate comes before the product; after it, weights and states as torch.nn.GRU documents them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    with_one_bias,
)
from oracle.scalar import Scalar, dot, sigmoid, stored, tanh, total
from oracle.tensor import Tensor


def gru(
    input: Tensor,
    h_0: Tensor | None = None,
    weights: Sequence[Tensor] = (),
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    reset_after: bool = True,
) -> dict[str, Tensor]:
    """h_t = (1 − z) n + z h_{t−1}, n = tanh(W_in x_t + b_in + r (W_hn h_{t−1} + b_hn)).

    r, z = σ(W_i x_t + b_i + W_h h_{t−1} + b_h) with the weights of each; without ``reset_after`` W_hn meets r h_{t−1}.
    input (L, N, in_features), or (N, L, in_features) with ``batch_first``; h_0 (units, N, size) or None for zeros. The
    units are the layers times the directions, layer by layer. ``weights``: for each unit W_ih (3 size, inputs),
    W_hh (3 size, size) and, with ``bias``, b_ih and b_hh (3 size), rows in the order r, z, n; inputs are in_features,
    above the first layer the sizes of all directions. Returns output (L, N, directions · size), batch first where the
    input is, and h_n as h_0. Raises ``ValueError`` where a number of weights or a shape does not fit.
    """
    return written(
        input,
        h_0,
        weights,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        reset_after=reset_after,
    )


def _averaged(z: Scalar, n: Scalar, h: Scalar) -> Scalar:
    return total([stored(stored(1.0 - z) * n), stored(z * h)])


def _moved(z: Scalar, n: Scalar, h: Scalar) -> Scalar:
    """n + z (h − n), which rounds h − n where the two are of opposite sign and z is near 1."""
    return n + stored(z * stored(h - n))


def written(
    input: Tensor,
    h_0: Tensor | None = None,
    weights: Sequence[Tensor] = (),
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    reset_after: bool = True,
    update: Callable[[Scalar, Scalar, Scalar], Scalar] = _averaged,
    opened: Callable[[Scalar], Scalar] = sigmoid,
    multiplied: Multiplied = dot,
    added: Callable[..., Scalar] = summed,
) -> dict[str, Tensor]:
    """The same, where ``update`` makes the next state of z, n and the state before.

    The gates r and z are ``opened`` by their sums; products on their own are ``multiplied`` so, and the terms of a gate
    ``added`` so.
    """

    def candidate(unit: Unit, x: Row, h: Row, r: Row) -> Row:
        if not reset_after:
            return unit.gate(2, tanh, x, [stored(a * b) for a, b in zip(r, h, strict=True)], added)
        rows = unit.rows(2)
        gated = [
            stored(a * summed(unit.of_state(row, h), multiplied=multiplied)) for a, row in zip(r, rows, strict=True)
        ]
        of_input = ((unit.of_input(row, x), b) for b, row in zip(gated, rows, strict=True))
        sums = (summed(product, rest=[b], multiplied=multiplied) for product, b in of_input)
        return [stored(tanh(s)) for s in sums]

    def step(unit: Unit, x: Row, state: State) -> State:
        (h,) = state
        r, z = (unit.gate(k, opened, x, h, added) for k in (0, 1))
        n = candidate(unit, x, h, r)
        return ([stored(update(*terms)) for terms in zip(z, n, h, strict=True)],)

    output, h_n = recurrence(
        step,
        3,
        input,
        {"h_0": h_0},
        weights,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        multiplied=multiplied,
    )
    return {"output": output, "h_n": h_n}


# The same numbers in other orders of operations.
interpolated = partial(written, update=_moved)
by_tanh = partial(written, opened=sigmoid_by_tanh)
in_parts = partial(written, multiplied=_products.in_parts)
one_bias = partial(written, added=with_one_bias)

"""Recurrent layer.

Source: the document, Recurrent Layers (LSTM), lines 263-265, names the layer without an equation; Elman 1990,
Finding Structure in Time; weights and states as torch.nn.RNN documents them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from oracle.formulas import _products
from oracle.formulas._recurrent import (
    Multiplied,
    Row,
    State,
    Unit,
    recurrence,
    summed,
    tanh_by_sigmoid,
    with_one_bias,
)
from oracle.scalar import Scalar, dot, rectified, tanh
from oracle.tensor import Tensor

_ACTIVATIONS = {"tanh": tanh, "relu": rectified}


def rnn(
    input: Tensor,
    h_0: Tensor | None = None,
    weights: Sequence[Tensor] = (),
    *,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
) -> dict[str, Tensor]:
    """h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), φ = tanh or relu.

    input (L, N, in_features), or (N, L, in_features) with ``batch_first``; h_0 (units, N, size) or None for zeros. The
    units are the layers times the directions, layer by layer. ``weights``: for each unit W_ih (size, inputs),
    W_hh (size, size) and, with ``bias``, b_ih and b_hh (size); inputs are in_features, above the first layer the sizes
    of all directions. Returns output (L, N, directions · size), batch first where the input is, and h_n as h_0. Raises
    ``ValueError`` where a number of weights or a shape does not fit, or for another nonlinearity.
    """
    return written(
        dot,
        input,
        h_0,
        weights,
        num_layers=num_layers,
        nonlinearity=nonlinearity,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
    )


def written(
    multiplied: Multiplied,
    input: Tensor,
    h_0: Tensor | None = None,
    weights: Sequence[Tensor] = (),
    *,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    activations: Mapping[str, Callable[[Scalar], Scalar]] = _ACTIVATIONS,
    added: Callable[..., Scalar] = summed,
) -> dict[str, Tensor]:
    """The same, with products on their own that are ``multiplied`` so, any ``activations``, and terms ``added`` so."""
    if nonlinearity not in activations:
        raise ValueError(f"nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'")
    activation = activations[nonlinearity]

    def step(unit: Unit, x: Row, state: State) -> State:
        (h,) = state
        return (unit.gate(0, activation, x, h, added),)

    output, h_n = recurrence(
        step,
        1,
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
in_parts = partial(written, _products.in_parts)
by_sigmoid = partial(written, dot, activations={"tanh": tanh_by_sigmoid, "relu": rectified})
one_bias = partial(written, dot, added=with_one_bias)

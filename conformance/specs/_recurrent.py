"""What the recurrent layers share: sizes that spend the budget, states and weights in torch's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.specs._refusals import completed, mis_sized, shape_of, slip, with_tensors, without_axes
from conformance.strategies import BUDGET, SIDES, Shape, call, filled, longest, seeds, sides
from conformance.values import Recipe, Values

# Weights large enough to saturate gates, and small enough not to: large ones everywhere would make
# most states insensitive to the inputs.
_REGIMES = ("ramp", "integers", "quarters", "gaussian", "small", "sparse", "wide")

# A state that no gate squashes grows with every step; after so many, by such weights, it overflows.
_MANY_STEPS = 8
_UNSQUASHED = ("small",)


def largest(budget: int) -> int:
    """Multiply-adds of a large example: an element depends on all steps before it."""
    return min(budget // 16, 2**17)


@st.composite
def recurrent(
    draw: st.DrawFn, /, gates: int, *, budget: int = BUDGET, cell: bool = False, **choices: st.SearchStrategy[Any]
) -> Arguments:
    """Calls of a layer with so many gates; an LSTM has a ``cell`` state and may project its output.

    ``choices`` draws the parameters that only this layer has.
    """
    num_layers = draw(st.sampled_from((1, 1, 2, 3)))
    bidirectional, batch_first, begins, unbiased = (draw(st.booleans()) for _ in range(4))
    units = num_layers * (1 + bidirectional)
    # one step of one sample takes at most the budget; where it takes much of that, there are few steps and samples
    widths = [side for side in SIDES if gates * units * side * side <= budget]
    hidden = draw(st.integers(1, 4) | longest(widths, budget))
    projected = draw(st.integers(0, hidden - 1)) if cell else 0
    column = gates * units * hidden  # multiply-adds of one input or one state
    room = budget // (column * hidden)
    steps, batch = draw(sides(2, room, most=4 if room >= 12 else 2))
    room = budget // (column * steps * batch) - hidden
    inputs = draw(st.integers(1, 4) | longest([side for side in SIDES if side <= room] or [1], budget))
    states = (units, batch, projected or hidden) if begins else None
    alone = cell and draw(st.integers(0, 7)) == 7  # of two states one
    cells = {"c_0": (units, batch, hidden) if begins != alone else None} if cell else {}
    sequence = (batch, steps, inputs) if batch_first else (steps, batch, inputs)
    tensors = draw(filled({"input": sequence, "h_0": states, **cells}))
    grows = gates == 1 and steps > _MANY_STEPS
    regime, seed = draw(st.sampled_from(_UNSQUASHED if grows else _REGIMES)), draw(seeds)
    shapes = weight_shapes(gates, num_layers, 1 + bidirectional, inputs, hidden, projected, not unbiased)
    weights = tuple(Values(shape, regime, seed + k) for k, shape in enumerate(shapes))
    return call(
        {**tensors, "weights": weights},
        num_layers=num_layers,
        bias=not unbiased,
        batch_first=batch_first,
        bidirectional=bidirectional,
        **({"proj_size": projected} if cell else {}),
        **{name: draw(choice) for name, choice in choices.items()},
    )


def weight_shapes(
    gates: int, num_layers: int, directions: int, inputs: int, hidden: int, projected: int, bias: bool
) -> Iterator[Shape]:
    """The shapes of the weights, layer by layer and direction by direction."""
    rows, outputs = gates * hidden, projected or hidden
    for layer in range(num_layers):
        for _ in range(directions):
            yield rows, directions * outputs if layer else inputs
            yield rows, outputs
            if bias:
                yield from [(rows,), (rows,)]
            if projected:
                yield outputs, hidden


@st.composite
def following(draw: st.DrawFn, before: Arguments) -> Arguments:
    """The next part of the sequences: as long, or shorter."""
    input = before.tensors["input"]
    assert isinstance(input, Values)
    time = int(before.parameters["batch_first"])
    steps = draw(st.integers(1, input.shape[time]))
    shape = (*input.shape[:time], steps, *input.shape[time + 1 :])
    return Arguments({**before.tensors, "input": replace(input, shape=shape)}, before.parameters)


def refusals(call: Arguments) -> Iterator[Refusal]:
    """What all recurrent layers refuse."""
    weights, parameters = call.tensors["weights"], call.parameters
    assert isinstance(weights, tuple)
    batch = shape_of(call, "input")[0 if parameters["batch_first"] else 1]
    units = parameters["num_layers"] * (1 + parameters["bidirectional"])
    size, outputs = _size(weights, parameters), parameters.get("proj_size", 0) or _size(weights, parameters)
    states = {"h_0": (units, batch, outputs), "c_0": (units, batch, size)}
    begun = {name: shape for name, shape in states.items() if name in call.tensors}
    call = completed(call, **begun)
    for name in begun:
        for axis in range(3):
            yield from mis_sized(call, name, axis)
    yield from mis_sized(call, "input", -1)
    yield without_axes(call, "input", 1)
    yield Refusal("a weight is missing", with_tensors(call, weights=weights[:-1]), call)
    yield Refusal("there is a weight too many", with_tensors(call, weights=(*weights, weights[-1])), call)
    yield slip(call, "num_layers is one too many", num_layers=parameters["num_layers"] + 1)
    yield slip(call, "num_layers is 0", num_layers=0)
    for number, weight in enumerate(weights[: 2 + 2 * parameters["bias"]]):
        assert isinstance(weight, Values)
        name = ("W_ih", "W_hh", "b_ih", "b_hh")[number]
        for how, rows in {"a row too many": weight.shape[0] + 1, "a single row": 1}.items():
            if rows != weight.shape[0]:
                wrong = replace(weight, shape=(rows, *weight.shape[1:]))
                spoilt = (*weights[:number], wrong, *weights[number + 1 :])
                yield Refusal(f"{name} has {how}", with_tensors(call, weights=spoilt), call)


def _size(weights: tuple[Recipe, ...], parameters: Mapping[str, Any]) -> int:
    """The hidden size: what W_hh takes, or W_hr, which is the last weight of a unit."""
    last = weights[-1] if parameters.get("proj_size", 0) else weights[1]
    return last.shape[1]

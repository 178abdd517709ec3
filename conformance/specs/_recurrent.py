"""What the recurrent layers share: sizes that spend the budget, states and weights in torch's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.strategies import BUDGET, SIDES, Shape, call, filled, seeds, sides
from conformance.values import Values

# Weights large enough to saturate gates, and small enough not to: large ones everywhere would make
# most states insensitive to the inputs.
_REGIMES = ("ramp", "integers", "quarters", "gaussian", "small", "sparse", "wide")


@st.composite
def recurrent(draw: st.DrawFn, /, gates: int, *, cell: bool = False, **choices: st.SearchStrategy[Any]) -> Arguments:
    """Calls of a layer with so many gates; an LSTM has a ``cell`` state and may project its output.

    ``choices`` draws the parameters that only this layer has.
    """
    num_layers = draw(st.sampled_from((1, 1, 2, 3)))
    bidirectional, batch_first, begins, unbiased = (draw(st.booleans()) for _ in range(4))
    units = num_layers * (1 + bidirectional)
    # one step of one sample takes at most the budget; where it takes much of that, there are few steps and samples
    widths = [side for side in SIDES if gates * units * side * side <= BUDGET]
    hidden = draw(st.integers(1, 4) | st.sampled_from(widths))
    projected = draw(st.integers(0, hidden - 1)) if cell else 0
    column = gates * units * hidden  # multiply-adds of one input or one state
    room = BUDGET // (column * hidden)
    steps, batch = draw(sides(2, room, most=4 if room >= 12 else 2))
    room = BUDGET // (column * steps * batch) - hidden
    inputs = draw(st.integers(1, 4) | st.sampled_from([side for side in SIDES if side <= room] or [1]))
    states = (units, batch, projected or hidden) if begins else None
    cells = {"c_0": (units, batch, hidden) if begins else None} if cell else {}
    sequence = (batch, steps, inputs) if batch_first else (steps, batch, inputs)
    tensors = draw(filled({"input": sequence, "h_0": states, **cells}))
    regime, seed = draw(st.sampled_from(_REGIMES)), draw(seeds)
    shapes = _weights(gates, num_layers, 1 + bidirectional, inputs, hidden, projected, not unbiased)
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


def _weights(
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

"""Relations of recurrent layers: sequences alike, parts of them, directions, and layers one upon the other.

A sequence in two calls, a direction on its own, or a stack of single layers is itself a way to compute the whole, whose
states are stored between steps and layers. So the bound of the whole is that of its parts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.relation import Asker, Batch, Equation, Relation, matched
from conformance.specs._recurrent import weight_shapes
from conformance.specs._relations import counts, repeats
from conformance.strategies import call, filled, seeds, sides
from conformance.values import Array, Values

_SEQUENCES = {"input": 1, "h_0": 1, "c_0": 1}
_OUTPUTS = (1, 1, 1)

# Multiply-adds of the few sequences, whose bounds are evaluated step by step.
_WORK = 500


@st.composite
def _few(
    draw: st.DrawFn,
    /,
    gates: int,
    layers: Sequence[int],
    directions: Sequence[int],
    cell: bool,
    **choices: SearchStrategy[Any],
) -> Arguments:
    """A few sequences, time first, of small sizes, so that there may be many steps."""
    num_layers, ways, biased = draw(st.sampled_from(layers)), draw(st.sampled_from(directions)), draw(st.booleans())
    hidden, inputs = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    samples, units = draw(st.integers(2, 3)), num_layers * ways
    (steps,) = draw(sides(1, max(_WORK // (gates * units * hidden * (hidden + inputs) * samples), 4), least=2))
    projected = draw(st.integers(0, hidden - 1)) if cell else 0
    begins = draw(st.booleans())
    states = {"h_0": (units, samples, projected or hidden), **({"c_0": (units, samples, hidden)} if cell else {})}
    tensors = draw(filled({"input": (steps, samples, inputs), **{n: s if begins else None for n, s in states.items()}}))
    seed = draw(seeds)
    shapes = weight_shapes(gates, num_layers, ways, inputs, hidden, projected, biased)
    weights = tuple(Values(shape, "small", seed + k) for k, shape in enumerate(shapes))
    return call(
        {**tensors, "weights": weights},
        num_layers=num_layers,
        bias=biased,
        batch_first=False,
        bidirectional=ways == 2,
        **({"proj_size": projected} if cell else {}),
        **{name: draw(choice) for name, choice in choices.items()},
    )


def _states(ask: Asker) -> list[str]:
    return [name for name in ("h_0", "c_0") if name in ask.tensors]


def _initial(ask: Asker, many: Batch, units: slice) -> dict[str, Array | None]:
    """The initial states of some units, for many sequences."""
    states = {name: ask.tensors[name] for name in _states(ask)}
    return {name: None if state is None else many.spread(state[units], 1) for name, state in states.items()}


def _whole(ask: Asker) -> tuple[Batch, list[Array], list[Array]]:
    """Many sequences, their outputs, and by how much two computations of these may differ."""
    many = ask.batch(_SEQUENCES, _OUTPUTS)
    return many, many(), [2.0 * bound for bound in many.bounds()]


def _in_parts(ask: Asker) -> list[Equation]:
    many, whole, permitted = _whole(ask)
    input = ask.tensors["input"]
    states = _initial(ask, many, slice(None))
    outputs = []
    for part in ask.parts(input.shape[0]):
        output, *last = ask(input=many.spread(input[part], 1), **states)
        outputs.append(output)
        states = dict(zip(_states(ask), last, strict=True))
    return matched(whole, [np.concatenate(outputs), *states.values()], permitted)  # type: ignore[list-item]


def _batch_first(ask: Asker) -> list[Equation]:
    many, whole, permitted = _whole(ask)
    given = {"input": many.spread(ask.tensors["input"], 1).swapaxes(0, 1), **_initial(ask, many, slice(None))}
    output, *last = ask(batch_first=True, **given)
    return matched(whole, [output.swapaxes(0, 1), *last], permitted)


def _backwards(ask: Asker) -> list[Equation]:
    many, whole, permitted = _whole(ask)
    input, weights = many.spread(ask.tensors["input"], 1), ask.tensors["weights"]
    half = len(weights) // 2
    found = []
    for direction, order in enumerate((slice(None), slice(None, None, -1))):
        own = weights[direction * half : (direction + 1) * half]
        states = _initial(ask, many, slice(direction, direction + 1))
        output, *last = ask(input=input[order], weights=own, bidirectional=False, **states)
        found.append([output[order], *last])
    forth, back = found
    joined = [np.concatenate(pair, axis=-1 if k == 0 else 0) for k, pair in enumerate(zip(forth, back, strict=True))]
    return matched(whole, joined, permitted)


def _stacked(ask: Asker) -> list[Equation]:
    many, whole, permitted = _whole(ask)
    layers, weights = ask.parameters["num_layers"], ask.tensors["weights"]
    size, ways = len(weights) // layers, 1 + ask.parameters["bidirectional"]
    output = many.spread(ask.tensors["input"], 1)
    found = []
    for layer in range(layers):
        own = weights[layer * size : (layer + 1) * size]
        states = _initial(ask, many, slice(layer * ways, (layer + 1) * ways))
        output, *last = ask(input=output, weights=own, num_layers=1, **states)
        found.append(last)
    return matched(whole, [output, *map(np.concatenate, zip(*found, strict=True))], permitted)


def of_recurrent(gates: int, *, cell: bool = False, **choices: SearchStrategy[Any]) -> Mapping[str, Relation]:
    """The relations of a layer with so many gates, an LSTM with a ``cell``; ``choices`` draws its own parameters."""
    both = (1, 2)
    every = _few(gates, both, both, cell, **choices)
    forth = _few(gates, both, (1,), cell, **choices)
    two_ways = _few(gates, (1,), (2,), cell, **choices)
    layers = _few(gates, (2, 3), both, cell, **choices)
    count = counts(_SEQUENCES)
    return {
        "equal sequences": repeats(every, _SEQUENCES, _OUTPUTS),
        "sequence in two": Relation("a sequence is its two parts, the state handed over", forth, _in_parts, count),
        "batch first": Relation("time and batch can be exchanged", every, _batch_first, count),
        "backwards": Relation("the second direction reads the sequence backwards", two_ways, _backwards, count),
        "layers": Relation("layers are single ones, one upon the other", layers, _stacked, count),
    }

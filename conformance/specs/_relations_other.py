"""Relations of tables, position codes and residual blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._relations import FEW, LARGE, Drawn, cut, integers, repeats, with_axis
from conformance.strategies import call, filled, seeds, sides
from conformance.values import Array, Indices
from oracle.formats import float64

_SAMPLES = {"input": 0}

# Elements of a large output whose bounds are evaluated.
_PLACES = 24


@st.composite
def _lookups(draw: st.DrawFn) -> Arguments:
    rows, width, count = draw(sides(3, LARGE // 4))
    tensors = draw(filled({"weight": (rows, width)}))
    indices = Indices((count,), rows, draw(seeds))
    return call({"input": indices, **tensors}, padding_idx=None, max_norm=None, norm_type=2.0)


def _renumbered(ask: Asker) -> list[Equation]:
    input, weight = ask.tensors["input"], ask.tensors["weight"]
    order = RandomState(ask.number).permutation(len(weight))
    moved = np.argsort(order)  # where a row has gone
    return [Equation("output", ask(input=moved[input], weight=weight[order])[0], ask()[0])]


def _looked_up_twice(ask: Asker) -> list[Equation]:
    """Once and again in one call: a row that is too long is shortened once."""
    twice = ask(input=np.concatenate([ask.tensors["input"]] * 2))
    output, weight = ask()
    bounds = [2.0 * bound for bound in ask.bounds()]
    return matched(twice, [np.concatenate([output] * 2), weight], [np.concatenate([bounds[0]] * 2), bounds[1]])


def of_embedding(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``embedding``."""
    lookups = _lookups()
    few = with_axis(arguments(FEW), "input")
    return {
        "equal lookups": repeats(few, _SAMPLES),
        "lookups in two": cut(lookups, _SAMPLES),
        "renumbered": Relation("rows may have other numbers", lookups, _renumbered),
        "twice": Relation("rows that are looked up twice are shortened once", few, _looked_up_twice),
    }


def _somewhere(ask: Asker, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Some elements of an output of this shape, the last one among them."""
    random = RandomState(ask.number)
    found = [tuple(int(random.randint(side)) for side in shape) for _ in range(_PLACES)]
    return [*found, tuple(side - 1 for side in shape)]


def _there(output: Array, places: list[tuple[int, ...]]) -> Array:
    return np.array([output[place] for place in places])


def _prefix(ask: Asker) -> list[Equation]:
    input = ask.tensors["input"]
    first = input[..., ask.parts(input.shape[-2])[0], :]
    places = _somewhere(ask, first.shape)
    (bound,) = ask.bounds([places], input=first)
    found, whole = ask(input=first)[0], ask()[0]
    return [Equation("output", _there(found, places), _there(whole, places), 2.0 * bound)]


def _added(ask: Asker) -> list[Equation]:
    """On a zero the code is stored; on a number it is added first. The code of either is of the same formula."""
    input = ask.tensors["input"]
    places = _somewhere(ask, input.shape)
    (bound,), (alone,) = ask.bounds([places]), ask.bounds([places], input=0.0 * input)
    code = ask(input=0.0 * input)[0]
    right = _there(input + code, places)
    rounding = float64.unit * np.abs(right)  # of the sum above
    return [Equation("output", _there(ask()[0], places), right, bound + alone + rounding)]


def of_positional_encoding(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``positional_encoding``."""
    long = arguments(LARGE)
    return {
        "equal samples": repeats(with_axis(arguments(FEW), "input"), _SAMPLES),
        "prefix": Relation("the code of a position does not depend on the length", long, _prefix),
        "added": Relation("the code is added to the input", long, _added),
    }


def _nothing_changed(ask: Asker) -> list[Equation]:
    nothing = {name: 0.0 * ask.tensors[name] for name in ("weight_2", "bias_2")}
    return [Equation("output", ask(**nothing)[0], ask.tensors["input"])]


def of_residual(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``residual``."""
    return {
        "equal samples": repeats(with_axis(arguments(FEW), "input"), _SAMPLES),
        # of small integers: zero times a hidden unit that has overflowed is NaN
        "nothing changed": Relation(
            "without a second layer the input is the output", integers(arguments(LARGE // 4)), _nothing_changed
        ),
    }

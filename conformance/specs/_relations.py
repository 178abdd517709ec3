"""Relations that many layers share, and calls to ask them of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._refusals import shape_of
from conformance.strategies import SIDES, Shape
from conformance.values import Array, Indices, Recipe, TensorArgument, Values

# Multiply-adds of a call without an oracle, and elements of a tensor of many samples.
LARGE = 2**17
_ELEMENTS = 2**13

# Multiply-adds of one of the few samples whose bounds are evaluated.
FEW = 150

# Axes of tensors by name, of outputs by number.
Axes = Mapping[str, int]

# The calls of a layer, of so many multiply-adds.
Drawn = Callable[[int], SearchStrategy[Arguments]]


def in_regimes(arguments: SearchStrategy[Arguments], other: Callable[[str], str]) -> SearchStrategy[Arguments]:
    """The same calls, the numbers of every regime from another one."""

    def recipe(found: Recipe) -> Recipe:
        return replace(found, regime=other(found.regime)) if isinstance(found, Values) else found

    def changed(argument: TensorArgument) -> TensorArgument:
        return tuple(map(recipe, argument)) if isinstance(argument, tuple) else argument and recipe(argument)

    return arguments.map(lambda call: Arguments({n: changed(t) for n, t in call.tensors.items()}, call.parameters))


def integers(arguments: SearchStrategy[Arguments]) -> SearchStrategy[Arguments]:
    """The same calls, all numbers integers to ±4."""
    return in_regimes(arguments, lambda regime: "integers")


def without(arguments: SearchStrategy[Arguments], *regimes: str) -> SearchStrategy[Arguments]:
    """The same calls, with Gaussian numbers for those that leave a bound larger than the result."""
    return in_regimes(arguments, lambda regime: "gaussian" if regime in regimes else regime)


def with_axis(arguments: SearchStrategy[Arguments], *names: str) -> SearchStrategy[Arguments]:
    """The same calls with one more axis before those of these tensors: a few samples."""

    def extended(call: Arguments, samples: int) -> Arguments:
        there = [name for name in names if call.tensors[name] is not None]
        return reshaped(call, **{name: (samples, *shape_of(call, name)) for name in there})

    return st.builds(extended, arguments, st.integers(2, 3))


def reshaped(call: Arguments, **shapes: Shape) -> Arguments:
    """The call with some of its tensors in other shapes."""
    found = dict(call.tensors)
    for name, shape in shapes.items():
        recipe = found[name]
        assert isinstance(recipe, (Values, Indices))
        found[name] = replace(recipe, shape=shape)
    return Arguments(found, call.parameters)


def counts(axes: Axes) -> Callable[[Arguments], SearchStrategy[int]]:
    """How many samples to make of a few."""

    def count(call: Arguments) -> SearchStrategy[int]:
        shapes = {name: shape_of(call, name) for name in axes if call.tensors.get(name) is not None}
        size = max(prod(shape) // shape[axes[name]] for name, shape in shapes.items())
        # one more sample than the number says
        numbers = [side - 1 for side in SIDES if side <= max(_ELEMENTS // max(size, 1), 4)]
        return st.sampled_from(numbers) | st.sampled_from(numbers[-4:])

    return count


def none(arguments: SearchStrategy[Arguments], axes: Axes) -> SearchStrategy[Arguments]:
    """The same calls without any samples."""

    def emptied(call: Arguments) -> Arguments:
        shapes = {name: list(shape_of(call, name)) for name in axes if call.tensors.get(name) is not None}
        for name, shape in shapes.items():
            shape[axes[name]] = 0
        return reshaped(call, **{name: tuple(shape) for name, shape in shapes.items()})

    return arguments.map(emptied)


def repeats(arguments: SearchStrategy[Arguments], axes: Axes, outputs: Sequence[int] = (0,)) -> Relation:
    """A batch that repeats a few samples."""

    def equations(ask: Asker) -> list[Equation]:
        many = ask.batch(axes, outputs)
        permitted = [2.0 * bound for bound in many.bounds()]
        return matched(many(), many.repeated(ask()), permitted)

    sentence = "samples that are equal have equal results"
    return Relation(sentence, arguments, equations, counts(axes), none(arguments, axes))


def cut(
    arguments: SearchStrategy[Arguments],
    axes: Axes,
    outputs: Sequence[int] = (0,),
    *,
    terms: Callable[[Asker], int] | None = None,
    factors: Sequence[str] = ("input", "weight"),
    divided: bool = False,
) -> Relation:
    """A batch in two parts, of copied numbers, or of sums of so many ``terms``, products of integer ``factors``."""

    def equations(ask: Asker) -> list[Equation]:
        if terms:
            ask.require_exact(terms(ask), *(ask.tensors[name] for name in factors))
        given = {name: axis for name, axis in axes.items() if ask.tensors[name] is not None}
        first = next(iter(given))
        parts = [
            ask(**{name: _along(ask.tensors[name], axis, part) for name, axis in given.items()})
            for part in ask.parts(ask.tensors[first].shape[given[first]])
        ]
        whole = ask()[: len(outputs)]
        joined = [np.concatenate([part[k] for part in parts], axis) for k, axis in enumerate(outputs)]
        permitted = [ask.rounding(a, b, divided=divided) for a, b in zip(whole, joined, strict=True)] if terms else None
        return matched(whole, joined, permitted)

    return Relation("a batch gives what its two parts give", arguments, equations, none=none(arguments, axes))


def _along(array: Array, axis: int, part: slice) -> Array:
    """These slices along an axis."""
    return np.moveaxis(np.moveaxis(array, axis, 0)[part], 0, axis)

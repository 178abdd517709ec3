"""Relations of all layers that map images to images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import shape_of
from conformance.specs._relations import reshaped
from conformance.values import Array

# How far two results may differ.
Permitted = Callable[[Asker, Array, Array], Array]

BATCH = {"input": 0}

_PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "size", "scale_factor")


def in_batches(arguments: SearchStrategy[Arguments]) -> SearchStrategy[Arguments]:
    """The same calls, of two images at least."""

    def batched(found: Arguments) -> Arguments:
        samples, *image = (2, *shape_of(found, "input"))[-4:]
        return reshaped(found, input=(max(samples, 2), *image))

    return arguments.map(batched)


def exactly(ask: Asker, left: Array, right: Array) -> Array:
    """Copies are the same."""
    return np.zeros(right.shape)


def axes_swapped(arguments: SearchStrategy[Arguments], permitted: Permitted) -> Relation:
    """Images, windows and pairs with height for width."""

    def equations(ask: Asker) -> list[Equation]:
        pairs = {
            name: pair[::-1] for name, pair in ask.parameters.items() if name in _PAIRS and isinstance(pair, tuple)
        }
        images = {name: ask.tensors[name].swapaxes(-1, -2) for name in ("input", "weight") if name in ask.tensors}
        left, right = ask()[0], ask(**images, **pairs)[0].swapaxes(-1, -2)
        return [Equation("output", left, right, permitted(ask, left, right))]

    return Relation("height and width can be exchanged", arguments, equations)


def strided(arguments: SearchStrategy[Arguments], permitted: Permitted) -> Relation:
    """Windows that are left out, and never computed."""

    def equations(ask: Asker) -> list[Equation]:
        vertical, horizontal = ask.parameters["stride"] or ask.parameters["kernel_size"]
        left, right = ask()[0], ask(stride=(1, 1))[0][..., ::vertical, ::horizontal]
        return [Equation("output", left, right, permitted(ask, left, right))]

    return Relation("a stride takes every so many windows of stride 1", arguments, equations)

"""Relations of random layers: what they drop depends on the seed alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import RandomState

from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import shape_of, with_parameters
from conformance.specs._relations import FEW, LARGE, Drawn, none
from conformance.strategies import BUDGET

# Of a case of at most 2^11 elements, one in 2^50 has an element that an honest layer never drops, or drops always.
_CALLS = 62


def _identical(ask: Asker) -> list[Equation]:
    return [Equation("output", ask()[0], ask.tensors["input"])]


def _alike(ask: Asker) -> list[Equation]:
    """The same mask, for the seed is that of the case: times a power of two and another sign, which round nothing.

    But subnormal results: these by half the smallest number, and twice that.
    """
    return [Equation("output", ask(input=-2.0 * ask.tensors["input"])[0], -2.0 * ask()[0], 1.5 * ask.smallest)]


def _kept_alike(ask: Asker) -> list[Equation]:
    """The derivative is the mask: it does not depend on the input, which may be zero."""
    x = ask.tensors["input"]
    zeros = np.where(RandomState(ask.number).random_sample(x.shape) < 0.5, 0.0, x)
    return [Equation("derivative", ask.derivative("input", input=zeros), ask.derivative("input"))]


def _ever_dropped(ask: Asker) -> list[Equation]:
    """Kept by all of so many calls with p = 1/2, or dropped by all: one element in 2^(calls - 1) is."""
    ones = np.ones_like(ask.tensors["input"])
    kept = sum(ask.again(ask.number + call)(input=ones, p=0.5)[0] != 0.0 for call in range(_CALLS))
    return [Equation("always the same", ((kept == 0) | (kept == _CALLS)) * 1.0, np.zeros(ones.shape))]


def of_dropout(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``dropout`` and ``dropout2d``."""
    drawn = arguments(LARGE)
    nothing = none(arguments(FEW).filter(lambda found: bool(shape_of(found, "input"))), {"input": 0})
    kept = drawn.map(lambda found: with_parameters(found, p=0.0))
    return {
        "nothing dropped": Relation("with p = 0 the input is the output", kept, _identical, none=nothing),
        "same derivative": Relation("derivatives do not depend on the numbers", arguments(BUDGET), _kept_alike),
        "any element": Relation("every element may be kept, and may be dropped", arguments(BUDGET), _ever_dropped),
        "same mask": Relation("what is dropped does not depend on the numbers", drawn, _alike),
    }

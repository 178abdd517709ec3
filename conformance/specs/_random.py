"""What the random layers share: inputs that reveal the mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan

import numpy as np
from hypothesis import strategies as st

from conformance.case import Arguments, Case
from conformance.law import Law, Mask
from conformance.spec import Refusal
from conformance.specs._refusals import slip
from conformance.strategies import Shape, seeds
from conformance.target import Declared
from conformance.values import Array, Values
from conformance.verdict import Actual

probabilities = st.sampled_from((0.5, 0.1, 0.9, 0.0, 1.0))

# Without zeros: where the input is zero the output tells nothing of the mask, on which the derivative depends.
_REGIMES = ("positive", "near_ties", "gaussian", "offset", "spread")

# From the output of a layer, or its input, the units that are not zero.
Units = Callable[[Array], Array]


@st.composite
def revealing(draw: st.DrawFn, shape: Shape) -> Values:
    """An input whose output tells what was dropped."""
    return Values(shape, draw(st.sampled_from(_REGIMES)), draw(seeds))


def observed(units: Units) -> Callable[[Case, list[Actual]], dict[str, Array]]:
    """The mask in the first output: a unit is kept where that is not zero.

    A NaN that a number has become is a product of infinity and zero.
    """

    def find(case: Case, actual: list[Actual]) -> dict[str, Array]:
        input = _input(case)
        if not actual or actual[0].values.shape != input.shape:  # the shape is what is judged
            return {"mask": units(np.ones(input.shape)).astype(np.float64)}
        got = actual[0].values
        return {"mask": units(np.where(np.isnan(got) & ~np.isnan(input), 0.0, got)).astype(np.float64)}

    return find


def kept(units: Units) -> Callable[[Case, Declared], dict[str, Law]]:
    """The law of the mask."""

    def laws(case: Case, declared: Declared) -> dict[str, Law]:
        return {"output": Mask(_input(case).shape, case.format, 1.0 - case.parameters["p"], units)}

    return laws


def _input(case: Case) -> Array:
    found = case.arrays()["input"]
    assert isinstance(found, np.ndarray)
    return found


def refusals(call: Arguments) -> Iterator[Refusal]:
    """What is no probability."""
    yield slip(call, "p is negative", p=-0.1)
    yield slip(call, "p is above 1", p=1.1)
    yield slip(call, "p is NaN", p=nan)

"""Dropout, in training."""

import numpy as np
from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._mistakes_random import of_elements
from conformance.specs._random import kept, observed, probabilities, refusals, revealing
from conformance.specs._relations_random import of_dropout
from conformance.strategies import BUDGET, call, seeds, sides
from conformance.values import Array, Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shape = draw(sides(draw(st.integers(0, 4)), budget, most=5))
    return call({"input": draw(revealing(shape))}, p=draw(probabilities))


@st.composite
def samples(draw: st.DrawFn) -> Arguments:
    shape = draw(st.lists(st.integers(9, 40), min_size=3, max_size=3))
    return call({"input": Values(tuple(shape), "positive", draw(seeds))}, p=draw(probabilities))


def elements(output: Array) -> Array:
    return np.asarray(output != 0.0)


SPEC = Spec(
    "Dropout Layer",
    arguments(),
    observed=observed(elements),
    law=kept(elements),
    samples=samples(),
    refusals=refusals,
    large=arguments,
    relations=of_dropout(arguments),
    mistakes=of_elements(elements),
)

"""Dropout of whole channels, in training."""

import numpy as np
from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._mistakes_random import of_channels
from conformance.specs._random import kept, observed, probabilities, refusals, revealing
from conformance.specs._relations_random import of_dropout
from conformance.specs.dropout import elements
from conformance.strategies import BUDGET, call, seeds, sides
from conformance.values import Array, Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shape = draw(sides(4, budget, most=5))
    return call({"input": draw(revealing(shape))}, p=draw(probabilities))


@st.composite
def samples(draw: st.DrawFn) -> Arguments:
    batch, channels = (draw(st.integers(30, 90)) for _ in range(2))
    shape = (batch, channels, *draw(sides(2, 8, most=3)))
    return call({"input": Values(shape, "positive", draw(seeds))}, p=draw(probabilities))


def channels(output: Array) -> Array:
    """The channels of each sample, (N, C). NaN tells nothing, if there is anything else."""
    nan = np.isnan(output)
    return np.asarray(np.any((output != 0.0) & ~nan, axis=(2, 3)) | np.all(nan, axis=(2, 3)))


SPEC = Spec(
    "PyTorch_NN_Layers, Types of Layers",
    arguments(),
    observed=observed(channels),
    law=kept(channels),
    samples=samples(),
    refusals=refusals,
    large=arguments,
    relations=of_dropout(arguments),
    mistakes=of_channels(channels, elements),
)

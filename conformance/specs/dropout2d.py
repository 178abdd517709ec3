"""Dropout of whole channels, in training."""

import numpy as np
from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._random import kept, observed, probabilities, revealing
from conformance.strategies import call, seeds, sides
from conformance.values import Array, Values


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    shape = draw(sides(4, most=5))
    return call({"input": draw(revealing(shape))}, p=draw(probabilities))


@st.composite
def samples(draw: st.DrawFn) -> Arguments:
    batch, channels = (draw(st.integers(30, 90)) for _ in range(2))
    shape = (batch, channels, *draw(sides(2, 8, most=3)))
    return call({"input": Values(shape, "positive", draw(seeds))}, p=draw(probabilities))


def channels(output: Array) -> Array:
    """The channels of each sample, (N, C)."""
    return np.asarray(np.any(output != 0.0, axis=(2, 3)))


SPEC = Spec(
    "PyTorch_NN_Layers, Types of Layers",
    arguments(),
    observed=observed(channels),
    law=kept(channels),
    samples=samples(),
)

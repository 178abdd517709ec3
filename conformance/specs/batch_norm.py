"""Batch normalisation."""

from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._normalisation import EPS, affine, extents, tensors
from conformance.strategies import call


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    samples, channels, *places = draw(extents(2, 5))
    training = draw(st.booleans())
    if training and samples * prod(places) == 1:
        samples = 2  # the variance of a single value is refused
    running = draw(st.sampled_from(((channels,), None))) if training else (channels,)
    shapes = {
        "input": (samples, channels, *places),
        "running_mean": running,
        "running_var": running,
        **draw(affine((channels,))),
    }
    return call(
        draw(tensors(shapes)),
        training=training,
        momentum=draw(st.sampled_from((0.1, 0.75, 0.0, 1.0, None))),
        eps=draw(EPS),
        num_batches_tracked=draw(st.integers(0, 4)),
    )


SPEC = Spec(
    "Batch Normalization Layer",
    arguments(),
    constants=frozenset({"running_mean", "running_var"}),
    byproducts=frozenset({1, 2}),
)

"""Instance normalisation."""

from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._normalisation import EPS, affine, extents, tensors
from conformance.strategies import call


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    samples, channels, *places = draw(extents(3, 5))
    own = not draw(st.booleans())
    if own and prod(places) == 1:
        places[-1] = 2  # the variance of a single value is refused
    running = draw(st.sampled_from((None, (channels,)))) if own else (channels,)
    shapes = {
        "input": (samples, channels, *places),
        "running_mean": running,
        "running_var": running,
        **draw(affine((channels,))),
    }
    momentum = draw(st.sampled_from((0.1, 0.75, 0.0, 1.0)))
    return call(draw(tensors(shapes)), use_input_stats=own, momentum=momentum, eps=draw(EPS))


SPEC = Spec(
    "Instance Normalization Layer",
    arguments(),
    constants=frozenset({"running_mean", "running_var"}),
    byproducts=frozenset({1, 2}),
)

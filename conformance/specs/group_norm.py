"""Group normalisation."""

from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._normalisation import EPS, affine, extents, tensors
from conformance.strategies import call


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    samples, groups, size, *places = draw(extents(3, 5))
    if samples * size * prod(places) == 1:
        size = 2  # the variance of a single value is refused
    channels = groups * size
    shapes = {"input": (samples, channels, *places), **draw(affine((channels,)))}
    return call(draw(tensors(shapes)), num_groups=groups, eps=draw(EPS))


SPEC = Spec("Group Normalization Layer", arguments())

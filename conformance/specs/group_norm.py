"""Group normalisation."""

from collections.abc import Iterator
from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_normalisation import GROUP_NORM
from conformance.specs._normalisation import EPS, affine, extents, largest, per_channel, tensors
from conformance.specs._refusals import shape_of, slip
from conformance.specs._relations_normalisation import of_group_norm
from conformance.specs._widths import ROWS, over
from conformance.strategies import call


@st.composite
def arguments(draw: st.DrawFn, budget: int = 300) -> Arguments:
    samples, groups, size, *places = draw(extents(3, 5, budget))
    if samples * size * prod(places) == 1:
        size = 2  # the variance of a single value is refused
    channels = groups * size
    shapes = {"input": (samples, channels, *places), **draw(affine((channels,)))}
    return call(draw(tensors(shapes)), num_groups=groups, eps=draw(EPS))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from per_channel(call)
    yield slip(call, "num_groups is 0", num_groups=0)
    yield slip(call, "num_groups is negative", num_groups=-call.parameters["num_groups"])
    yield slip(call, "the channels do not divide into so many groups", num_groups=shape_of(call, "input")[1] + 1)


SPEC = Spec(
    "Group Normalization Layer",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(
        lambda width: {"input": (ROWS, 2, width), "weight": (2,), "bias": (2,)}, "offset", num_groups=1, eps=1e-5
    ),
    relations=of_group_norm(arguments),
    mistakes=GROUP_NORM,
)

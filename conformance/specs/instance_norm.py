"""Instance normalisation."""

from collections.abc import Iterator
from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_normalisation import INSTANCE_NORM
from conformance.specs._normalisation import EPS, affine, extents, in_use, largest, per_channel, tensors
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations_normalisation import of_instance_norm
from conformance.specs._widths import ROWS, over
from conformance.strategies import call
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = 300) -> Arguments:
    samples, channels, *places = draw(extents(3, 5, budget))
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


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from per_channel(call, "running_mean", "running_var")
    samples, channels, *places = shape_of(call, "input")
    own = with_parameters(call, use_input_stats=True)
    several, one = (with_tensors(own, input=Values((samples, channels, *[1] * len(places[1:]), n))) for n in (2, 1))
    yield Refusal("input statistics of one position", one, several)


SPEC = Spec(
    "Instance Normalization Layer",
    arguments(),
    constants=frozenset({"running_mean", "running_var"}),
    byproducts=frozenset({1, 2}),
    carried={"running_mean": 1, "running_var": 2},
    following=in_use("use_input_stats", lambda shape: prod(shape[2:])),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(
        lambda width: {
            "input": (ROWS, 1, width + 1),
            "running_mean": None,
            "running_var": None,
            "weight": (1,),
            "bias": (1,),
        },
        "offset",
        use_input_stats=True,
        momentum=0.1,
        eps=1e-5,
    ),
    relations=of_instance_norm(arguments),
    mistakes=INSTANCE_NORM,
)

"""Batch normalisation."""

from collections.abc import Iterator
from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_normalisation import BATCH_NORM
from conformance.specs._normalisation import EPS, affine, extents, in_use, largest, per_channel, tensors
from conformance.specs._refusals import completed, shape_of, with_parameters, with_tensors
from conformance.specs._relations_normalisation import of_batch_norm
from conformance.specs._widths import ROWS, over
from conformance.strategies import call
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = 300) -> Arguments:
    samples, channels, *places = draw(extents(2, 5, budget))
    training = draw(st.booleans())
    if training and samples * prod(places) == 1:
        samples = 2  # the variance of a single value is refused
    if not training and draw(st.integers(0, 7)) == 7:
        samples = 0
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
        momentum=draw(st.sampled_from((0.1, None, 0.75, None, 0.0, 1.0))),
        eps=draw(EPS),
        num_batches_tracked=draw(st.integers(0, 4)),
    )


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from per_channel(call, "running_mean", "running_var")
    channels = shape_of(call, "input")[1]
    training = completed(with_parameters(call, training=True), running_mean=(channels,), running_var=(channels,))
    several, one = (with_tensors(training, input=Values((samples, channels))) for samples in (2, 1))
    yield Refusal("in training there is one value per channel", one, several)


SPEC = Spec(
    "Batch Normalization Layer",
    arguments(),
    constants=frozenset({"running_mean", "running_var"}),
    byproducts=frozenset({1, 2}),
    carried={"running_mean": 1, "running_var": 2},
    following=in_use("training", lambda shape: shape[0] * prod(shape[2:])),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(
        lambda width: {
            "input": (width + 1, ROWS) if width % 2 else (1, ROWS, width),
            "running_mean": None,
            "running_var": None,
            "weight": (ROWS,),
            "bias": (ROWS,),
        },
        "offset",
        training=True,
        momentum=0.1,
        eps=1e-5,
        num_batches_tracked=0,
    ),
    relations=of_batch_norm(arguments),
    mistakes=BATCH_NORM,
)

"""Average pooling."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import OUTPUT, Refusal, Spec
from conformance.specs._mistakes_pooling import AVG_POOL2D
from conformance.specs._refusals import slip
from conformance.specs._relations_pooling import of_average_pooling
from conformance.specs._spatial import images, pooling, pooling_refusals
from conformance.specs._sums import affordable, gaussian
from conformance.specs._widths import ROWS, reduced
from conformance.strategies import BUDGET, call, filled


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    size, parameters, work = draw(pooling(budget))
    shape = (*draw(images(work)), *size)
    return call(
        draw(filled({"input": shape})),
        **parameters,
        count_include_pad=draw(st.sampled_from([True, False])),
        divisor_override=draw(st.sampled_from([None, None, 1, 3, 7])),
    )


def outputs(length: int, samples: int, seed: int) -> Arguments:
    window = 2 ** (length.bit_length() // 2)  # a division by a power of two rounds nothing
    parameters = {"kernel_size": (window, window), "stride": None, "padding": (0, 0), "ceil_mode": False}
    counting = {"count_include_pad": True, "divisor_override": None}
    return gaussian({"input": (affordable(length, samples), 1, window, window)}, seed, **parameters, **counting)


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from pooling_refusals(call)
    yield slip(call, "divisor_override is 0", divisor_override=0)


SPEC = Spec(
    "Pooling Layer",
    arguments(),
    sums={OUTPUT: outputs},
    refusals=refusals,
    large=arguments,
    widths=reduced(
        lambda width: {"input": (ROWS, 2, width)},
        lambda width: {
            "kernel_size": (1, width),
            "stride": None,
            "padding": (0, 0),
            "ceil_mode": False,
            "count_include_pad": True,
            "divisor_override": None,
        },
    ),
    relations=of_average_pooling(arguments),
    mistakes=AVG_POOL2D,
)

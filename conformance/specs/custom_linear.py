"""The document's custom layer: linear, with a weight (in_features, out_features)."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import OUTPUT, Refusal, Spec
from conformance.specs._mistakes_dense import CUSTOM_LINEAR
from conformance.specs._refusals import mis_sized, without_axes
from conformance.specs._relations_dense import of_dense
from conformance.specs._sums import gaussian
from conformance.specs._widths import ROWS, over
from conformance.strategies import batches, call, filled, shared, sides
from conformance.values import Literal


@st.composite
def arguments(draw: st.DrawFn, budget: int = 400) -> Arguments:
    leading, budget = draw(shared(budget, 8))
    batch = draw(batches(budget=leading))
    ins, outs = draw(sides(2, budget))
    return call(draw(filled({"input": (*batch, ins), "weight": (ins, outs), "bias": (outs,)})))


def outputs(length: int, samples: int, seed: int) -> Arguments:
    found = gaussian({"input": (samples, length), "weight": (length, 3)}, seed)
    # in half precision the product is rounded before the bias is added; zeros leave it as it is
    return call({**found.tensors, "bias": Literal((3,), ("0",) * 3)})


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from mis_sized(call, "input", -1)
    yield from mis_sized(call, "bias", broadcast=True)  # the document adds it with +
    yield without_axes(call, "input", 0)


SPEC = Spec(
    "Custom Layers and Modules",
    arguments(),
    sums={OUTPUT: outputs},
    refusals=refusals,
    large=arguments,
    widths=over(lambda width: {"input": (ROWS, width), "weight": (width, 3), "bias": (3,)}),
    relations=of_dense("custom_linear"),
    mistakes=CUSTOM_LINEAR,
)

"""The document's custom layer: linear, with a weight (in_features, out_features)."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.strategies import batches, call, filled, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch = draw(batches())
    ins, outs = draw(sides(2, 400))
    return call(draw(filled({"input": (*batch, ins), "weight": (ins, outs), "bias": (outs,)})))


SPEC = Spec("Custom Layers and Modules", arguments())

"""Residual block."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.strategies import batches, call, filled, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch = draw(batches())
    features, inside = draw(sides(2, 200))
    shapes = {
        "input": (*batch, features),
        "weight_1": (inside, features),
        "bias_1": (inside,),
        "weight_2": (features, inside),
        "bias_2": (features,),
    }
    return call(draw(filled(shapes)))


SPEC = Spec("PyTorch_NN_Layers, Skip Connections", arguments())

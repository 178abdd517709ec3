"""Residual block."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_dense import RESIDUAL
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_other import of_residual
from conformance.strategies import batches, call, filled, shared, sides


@st.composite
def arguments(draw: st.DrawFn, budget: int = 200) -> Arguments:
    leading, budget = draw(shared(budget, 8))
    batch = draw(batches(budget=leading))
    features, inside = draw(sides(2, budget))
    shapes = {
        "input": (*batch, features),
        "weight_1": (inside, features),
        "bias_1": (inside,),
        "weight_2": (features, inside),
        "bias_2": (features,),
    }
    return call(draw(filled(shapes)))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from mis_sized(call, "weight_1", 1)
    yield from mis_sized(call, "weight_2", 1)
    yield from mis_sized(call, "bias_1", broadcast=True)  # written as W x + b, it repeats itself
    yield from mis_sized(call, "bias_2", broadcast=True)


SPEC = Spec(
    "PyTorch_NN_Layers, Skip Connections",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(min(budget // 4, 2**20)),
    relations=of_residual(arguments),
    mistakes=RESIDUAL,
)

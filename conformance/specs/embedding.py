"""Embedding."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.strategies import batches, call, filled, seeds, sides
from conformance.values import Indices


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    rows, width = draw(sides(2, 300))
    indices = Indices((*draw(batches()), draw(st.integers(1, 6))), rows, draw(seeds))
    tensors = draw(filled({"weight": (rows, width)}))
    return call(
        {"input": indices, **tensors},
        padding_idx=draw(st.sampled_from((None, 0, rows - 1, -1))),
        # longer and shorter than the rows of most regimes
        max_norm=draw(st.sampled_from((None, 1.0, 0.3, 2.5, 100.0))),
        norm_type=draw(st.sampled_from((2.0, 1.0, 3.0, float("inf")))),
    )


SPEC = Spec("PyTorch_NN_Layers, Embedding Layers", arguments())

"""What softmax and its logarithm share: rows along any dimension, some of them long."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.strategies import BUDGET, call, filled, seeds, sides
from conformance.values import Values


@st.composite
def rows(draw: st.DrawFn) -> Arguments:
    """A tensor, and the dimension along which its rows lie."""
    rank = draw(st.integers(1, 4))
    shape = draw(sides(rank, BUDGET // 2, most=5))
    tensors = draw(filled({"input": shape}))
    if draw(st.booleans()):
        tensors = {"input": Values(shape, "steep", draw(seeds))}
    return call(tensors, dim=draw(st.integers(-rank, rank - 1)))

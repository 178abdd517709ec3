"""What the elementwise layers share: tensors of any rank, and values on both sides of every threshold."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.strategies import BUDGET, call, filled, seeds, sides
from conformance.values import Values


@st.composite
def elementwise(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    """One tensor."""
    shape = draw(sides(draw(st.integers(0, 4)), budget // 2))
    ordinary = draw(filled({"input": shape}))
    steep = draw(st.booleans())
    return call({"input": Values(shape, "steep", draw(seeds))} if steep else ordinary)

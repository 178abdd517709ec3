"""What the specs of attention layers share."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from hypothesis import strategies as st

from conformance.strategies import BUDGET, Shape, filled, seeds, sides
from conformance.values import TensorArgument, Values


@st.composite
def extents(draw: st.DrawFn, count: int, least_batch: int = 0) -> tuple[Shape, Shape]:
    """Leading dimensions, up to two, and ``count`` further sides, mostly distinct."""
    batch = draw(sides(draw(st.integers(least_batch, 2)), 8, most=3))
    return batch, draw(sides(count, BUDGET // prod(batch)))


@st.composite
def masks(draw: st.DrawFn, regime: str, shape: Shape) -> Values:
    """A mask that broadcasts to the shape (*, L, S): leading dimensions may be absent, and every side may be 1."""
    first = draw(st.integers(0, len(shape) - 2))
    kept = [side if draw(st.booleans()) else 1 for side in shape[first:-1]]
    keys = draw(st.sampled_from((shape[-1], shape[-1], shape[-1], 1)))  # all or nothing, where 1
    return Values((*kept, keys), regime, draw(seeds))


@st.composite
def scored(draw: st.DrawFn, shapes: Mapping[str, Shape | None]) -> dict[str, TensorArgument]:
    """Values for these tensors, at times with exact scores to ±1000, beyond the range of exp."""
    found = draw(filled(shapes))
    query, key = shapes["query"], shapes["key"]
    if query and key and draw(st.sampled_from((False, False, False, True))):
        found["query"] = Values(query, "one_hot", draw(seeds))
        found["key"] = Values(key, "steep", draw(seeds))
    return found

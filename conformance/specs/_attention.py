"""What the specs of attention layers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.specs._refusals import mis_sized, without_axes
from conformance.strategies import BUDGET, Shape, filled, seeds, shared, sides
from conformance.values import TensorArgument, Values


def largest(budget: int) -> int:
    """Multiply-adds of a large example: its scores take most of them, whichever elements are judged."""
    return min(budget // 16, 2**18)


@st.composite
def extents(draw: st.DrawFn, count: int, budget: int = BUDGET, least_batch: int = 0) -> tuple[Shape, Shape]:
    """Leading dimensions, up to two, and ``count`` further sides, mostly distinct."""
    leading, _ = draw(shared(budget, 8))
    batch = draw(sides(draw(st.integers(least_batch, 2)), leading, most=3))
    return batch, draw(sides(count, budget // prod(batch)))


@st.composite
def attending(draw: st.DrawFn, budget: int = BUDGET) -> dict[str, Shape]:
    """Shapes of queries, keys and values that fit each other."""
    batch, (queries, keys, width, value_width) = draw(extents(4, budget))
    return {"query": (*batch, queries, width), "key": (*batch, keys, width), "value": (*batch, keys, value_width)}


@st.composite
def masks(draw: st.DrawFn, regime: str, shape: Shape) -> Values:
    """A mask that broadcasts to the shape (*, L, S): leading dimensions may be absent, and every side may be 1."""
    first = draw(st.integers(0, len(shape) - 2)) * draw(st.integers(0, 1))
    kept = [side if draw(st.booleans()) else 1 for side in shape[first:-1]]
    keys = draw(st.sampled_from((shape[-1], shape[-1], shape[-1], 1)))  # all or nothing, where 1
    return Values((*kept, keys), regime, draw(seeds))


@st.composite
def gentle(draw: st.DrawFn, shapes: Mapping[str, Shape | None], *small: str) -> dict[str, TensorArgument]:
    """Values for these tensors, mostly small ones for those that scores are made of.

    Large scores decide for one key: little depends on them, and in half precision they are known to ±1/4 or so.
    """
    found = draw(filled(shapes))
    large = draw(st.sampled_from((False, False, False, False, True)))
    for name in small:
        shape = shapes[name]
        if shape and not large:
            found[name] = Values(shape, draw(st.sampled_from(("one_hot", "small", "sparse"))), draw(seeds))
    return found


@st.composite
def scored(draw: st.DrawFn, shapes: Mapping[str, Shape | None]) -> dict[str, TensorArgument]:
    """Values for these tensors, at times with exact scores to ±1000, beyond the range of exp."""
    found = draw(gentle(shapes, "query", "key"))
    query, key = shapes["query"], shapes["key"]
    if query and key and draw(st.sampled_from((False, False, False, True))):
        found["query"] = Values(query, "one_hot", draw(seeds))
        found["key"] = Values(key, "steep", draw(seeds))
    return found


def refusals(call: Arguments) -> Iterator[Refusal]:
    """Queries, keys and values that do not fit each other."""
    yield from mis_sized(call, "key", -1)
    yield from mis_sized(call, "value", -2)
    yield without_axes(call, "key", 1)  # a product takes a vector for the query

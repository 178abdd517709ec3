"""What the specs of normalisation layers share."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from conformance.strategies import Shape, filled, seeds, sides
from conformance.values import TensorArgument, Values

# A large one shows a misplaced eps in every format.
EPS = st.sampled_from((1e-5, 0.5, 1e-3))

# Elements of one example: each costs about ten operations.
_BUDGET = 300


@st.composite
def extents(draw: st.DrawFn, least: int, most: int) -> Shape:
    """From ``least`` to ``most`` sides: small ones where there are many."""
    rank = draw(st.integers(least, most))
    return draw(sides(rank, _BUDGET, most=6 if rank < 4 else 4 if rank == 4 else 3))


@st.composite
def tensors(draw: st.DrawFn, shapes: Mapping[str, Shape | None]) -> dict[str, TensorArgument]:
    """Values for these tensors. Some inputs are hard ones: a mean far above the spread, and constant rows."""
    found = draw(filled(shapes))
    # without a bias, a constant row leaves nothing to compare with
    hard = draw(st.sampled_from((None, None, "constant" if shapes["bias"] else None, "offset", None)))
    if hard and shapes["input"]:
        found["input"] = Values(shapes["input"], hard, draw(seeds))
    variance = shapes.get("running_var")
    if variance is not None:
        found["running_var"] = Values(variance, draw(st.sampled_from(("positive", "spread"))), draw(seeds))
    return found


@st.composite
def affine(draw: st.DrawFn, shape: Shape) -> dict[str, Shape | None]:
    """The shapes of weight and bias: both, neither, or one of them."""
    return {"weight": draw(st.sampled_from((shape, None))), "bias": draw(st.sampled_from((shape, None)))}

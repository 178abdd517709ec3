"""What softmax and its logarithm share: rows along any dimension, some of them long."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.specs._refusals import shape_of, slip
from conformance.strategies import BUDGET, call, filled, seeds, sides
from conformance.values import Values


@st.composite
def rows(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    """A tensor, and the dimension along which its rows lie."""
    rank = draw(st.integers(1, 4))
    shape = draw(sides(rank, budget // 2, most=5))
    tensors = draw(filled({"input": shape}))
    # in a large row without a finite score, the NaN would reach derivatives whose cotangent is zero
    infinite = "additive_mask" if budget <= BUDGET else "steep"
    kind = draw(st.sampled_from((None, None, None, None, "steep", "steep", "steep", infinite)))
    if kind:
        tensors = {"input": Values(shape, kind, draw(seeds))}
    return call(tensors, dim=draw(st.integers(-rank, rank - 1)))


def refusals(call: Arguments) -> Iterator[Refusal]:
    """Dimensions that the tensor does not have."""
    rank = len(shape_of(call, "input"))
    yield slip(call, "dim is one too large", dim=rank)
    yield slip(call, "dim is one too small", dim=-rank - 1)

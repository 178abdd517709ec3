"""Spatially adaptive attention: a part of an image is looked at, wherever it lies and however it is turned."""

from collections.abc import Iterator
from math import prod

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_images import SPATIALLY_ADAPTIVE_ATTENTION
from conformance.specs._refusals import mis_sized, slip
from conformance.specs._relations_images import PLACES_EXEMPT, free, of_spatially_adaptive_attention
from conformance.strategies import BUDGET, Shape, batches, call, filled, seeds, sides
from conformance.values import Literal, TensorArgument, Values

# Scales, shears and shifts that keep some of the image in sight; exact in every format.
_SCALES = (1.0, 0.75, -1.0, 0.625, 1.25, 0.5, -0.875)
_SHEARS = (0.0, 0.25, -0.375, 0.125)
_SHIFTS = (0.0, 0.1875, -0.25, 0.5, 0.0625)


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch = draw(batches(1, 3))
    height, width, rows, columns = draw(sides(4, budget // 8, most=4))
    shape = (*batch, draw(st.integers(1, 3)), height, width)
    tensors = draw(filled({"input": shape}))
    tensors["theta"] = draw(transformations(batch))
    return call(tensors, size=(rows, columns), align_corners=draw(st.booleans()))


@st.composite
def transformations(draw: st.DrawFn, batch: Shape) -> TensorArgument:
    """Matrices of 2 rows and 3 columns."""
    shape = (*batch, 2, 3)
    if draw(st.booleans()):
        return Values(shape, draw(st.sampled_from(("gaussian", "small", "quarters"))), draw(seeds))
    rows = (_SCALES, _SHEARS, _SHIFTS), (_SHEARS, _SCALES, _SHIFTS)
    numbers = [draw(st.sampled_from(some)) for _ in range(prod(batch)) for row in rows for some in row]
    return Literal(shape, tuple(numbers))


def refusals(call: Arguments) -> Iterator[Refusal]:
    call = free(call)
    yield from mis_sized(call, "theta", -2)
    yield from mis_sized(call, "theta", -1)
    rows, columns = call.parameters["size"]
    yield slip(call, "size is 0 along one axis", size=(rows, 0))
    yield slip(call, "size is negative along one axis", size=(-rows, columns))


SPEC = Spec(
    "Attention Mechanism, which names it; Jaderberg et al. 2015",
    arguments(),
    refusals=refusals,
    relations=of_spatially_adaptive_attention(arguments),
    exempt=PLACES_EXEMPT,
    mistakes=SPATIALLY_ADAPTIVE_ATTENTION,
)

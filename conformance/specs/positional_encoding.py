"""Sinusoidal positional encoding."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_other import POSITIONAL_ENCODING
from conformance.specs._refusals import without_axes
from conformance.specs._relations_other import of_positional_encoding
from conformance.strategies import batches, call, filled, shared, sides


@st.composite
def arguments(draw: st.DrawFn, budget: int = 200) -> Arguments:
    leading, budget = draw(shared(budget, 8))
    batch = draw(batches(budget=leading))
    length, width = draw(sides(2, budget))
    return call(draw(filled({"input": (*batch, length, width)})))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield without_axes(call, "input", 1)


SPEC = Spec(
    "Attention Mechanism, which names it; Vaswani et al. 2017, section 3.5",
    arguments(),
    refusals=refusals,
    large=arguments,
    relations=of_positional_encoding(arguments),
    mistakes=POSITIONAL_ENCODING,
)

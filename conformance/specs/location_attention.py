"""Location-based attention: each query weights places."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import attending, gentle, largest
from conformance.specs._laws_attention import laws
from conformance.specs._mistakes_scores import LOCATION_ATTENTION
from conformance.specs._refusals import mis_sized, shape_of, with_tensors
from conformance.strategies import BUDGET, call
from conformance.values import Values

EXEMPT = {
    "keys permuted": "the weights belong to places, not to what is there",
    "keys shifted": "there are no keys: the scores are those of places",
}
AXES = {"query": 0, "value": 0}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    shapes = draw(attending(budget))
    count, width = shapes["key"][-2:]
    places = count + draw(st.sampled_from((0, 1, 5)))
    given = {"query": shapes["query"], "value": shapes["value"], "weight": (places, width)}
    return call(draw(gentle(given, "query", "weight")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from mis_sized(call, "weight", 1)
    places = shape_of(call, "weight")[0]
    more = (*shape_of(call, "value")[:-2], places + 1, shape_of(call, "value")[-1])
    yield Refusal("there is a value more than places", with_tensors(call, value=Values(more)), call)


SPEC = Spec(
    "Attention Mechanism; Luong et al. 2015, equation 8",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    relations=laws(arguments, AXES, ["value"], without=EXEMPT),
    exempt=EXEMPT,
    mistakes=LOCATION_ATTENTION,
)

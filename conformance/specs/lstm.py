"""Long short-term memory."""

from collections.abc import Iterator

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_recurrent import LSTM
from conformance.specs._recurrent import following, largest, recurrent
from conformance.specs._recurrent import refusals as recurrent_refusals
from conformance.specs._refusals import slip
from conformance.specs._relations_recurrent import of_recurrent


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from recurrent_refusals(call)
    yield slip(call, "proj_size is negative", proj_size=-1)


SPEC = Spec(
    "Hidden Layers, Recurrent Layers (LSTM)",
    recurrent(gates=4, cell=True),
    carried={"h_0": 1, "c_0": 2},
    following=following,
    refusals=refusals,
    large=lambda budget: recurrent(gates=4, cell=True, budget=largest(budget)),
    relations=of_recurrent(gates=4, cell=True),
    mistakes=LSTM,
)

"""Recurrent layer."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_recurrent import RNN
from conformance.specs._recurrent import following, largest, recurrent
from conformance.specs._recurrent import refusals as recurrent_refusals
from conformance.specs._refusals import slip
from conformance.specs._relations_recurrent import of_recurrent


def refusals(call: Arguments) -> Iterator[Refusal]:
    yield from recurrent_refusals(call)
    yield slip(call, "nonlinearity is unknown", nonlinearity="sigmoid")


SPEC = Spec(
    "Hidden Layers, Recurrent Layers (LSTM)",
    recurrent(gates=1, nonlinearity=st.sampled_from(("tanh", "relu"))),
    carried={"h_0": 1},
    following=following,
    refusals=refusals,
    large=lambda budget: recurrent(gates=1, nonlinearity=st.sampled_from(("tanh", "relu")), budget=largest(budget)),
    relations=of_recurrent(gates=1, nonlinearity=st.sampled_from(("tanh", "relu"))),
    mistakes=RNN,
)

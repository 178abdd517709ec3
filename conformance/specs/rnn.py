"""Recurrent layer."""

from hypothesis import strategies as st

from conformance.spec import Spec
from conformance.specs._recurrent import recurrent

SPEC = Spec(
    "Hidden Layers, Recurrent Layers (LSTM)",
    recurrent(gates=1, nonlinearity=st.sampled_from(("tanh", "relu"))),
)

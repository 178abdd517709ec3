"""Xavier initialisation, uniform."""

from hypothesis import strategies as st

from conformance.spec import Spec
from conformance.specs._initialisation import filled_by, refusals, weights
from conformance.specs._mistakes_initialisation import of_xavier
from oracle.initialisation import xavier_uniform

SPEC = Spec(
    "Model Initialization",
    weights(gain=st.sampled_from((1.0, 5 / 3, 0.5, 2.0**0.5))),
    law=filled_by(xavier_uniform),
    refusals=refusals,
    mistakes=of_xavier(xavier_uniform),
)

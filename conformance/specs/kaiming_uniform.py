"""Kaiming initialisation, uniform."""

from conformance.spec import Spec
from conformance.specs._initialisation import filled_by, kaiming, refusals, weights
from conformance.specs._mistakes_initialisation import of_kaiming
from oracle.initialisation import kaiming_uniform

SPEC = Spec(
    "Model Initialization",
    weights(**kaiming),
    law=filled_by(kaiming_uniform),
    refusals=refusals,
    mistakes=of_kaiming(kaiming_uniform),
)

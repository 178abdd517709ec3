"""Kaiming initialisation, uniform."""

from conformance.spec import Spec
from conformance.specs._initialisation import filled_by, kaiming, refusals, weights
from oracle.initialisation import kaiming_uniform

SPEC = Spec("Model Initialization", weights(**kaiming), law=filled_by(kaiming_uniform), refusals=refusals)

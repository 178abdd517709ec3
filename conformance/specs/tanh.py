"""Hyperbolic tangent."""

from conformance.spec import Spec
from conformance.specs._elementwise import elementwise
from conformance.specs._mistakes_rowwise import TANH
from conformance.specs._relations_rowwise import of_tanh

SPEC = Spec(
    "PyTorch_NN_Layers, Types of Layers",
    elementwise(),
    large=elementwise,
    relations=of_tanh(),
    mistakes=TANH,
)

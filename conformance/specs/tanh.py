"""Hyperbolic tangent."""

from conformance.spec import Spec
from conformance.specs._elementwise import elementwise

SPEC = Spec("PyTorch_NN_Layers, Types of Layers", elementwise())

"""Rectified linear unit."""

from conformance.spec import Spec
from conformance.specs._elementwise import elementwise
from conformance.specs._mistakes_rowwise import RELU
from conformance.specs._relations_rowwise import of_relu

SPEC = Spec(
    "PyTorch_NN_Layers, Types of Layers",
    elementwise(),
    large=elementwise,
    relations=of_relu(),
    mistakes=RELU,
)

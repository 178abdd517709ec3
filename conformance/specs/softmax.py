"""Softmax."""

from conformance.spec import Spec
from conformance.specs._softmax import rows

SPEC = Spec("PyTorch_NN_Layers, Output Layer", rows())

"""Long short-term memory."""

from conformance.spec import Spec
from conformance.specs._recurrent import recurrent

SPEC = Spec("Hidden Layers, Recurrent Layers (LSTM)", recurrent(gates=4, cell=True))

"""Gated recurrent unit."""

from hypothesis import strategies as st

from conformance.spec import Spec
from conformance.specs._recurrent import recurrent

# The reset gate before the product is another layer of the same name; few libraries offer both.
_RESET_AFTER = st.sampled_from((True, True, True, True, False))

SPEC = Spec("Hidden Layers, GRU", recurrent(gates=3, reset_after=_RESET_AFTER))

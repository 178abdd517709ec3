"""Gated recurrent unit."""

from hypothesis import strategies as st

from conformance.spec import Spec
from conformance.specs._mistakes_recurrent import GRU
from conformance.specs._recurrent import following, largest, recurrent, refusals
from conformance.specs._relations_recurrent import of_recurrent

# The reset gate before the product is another layer of the same name; few libraries offer both.
_RESET_AFTER = st.sampled_from((True, True, True, True, False))

SPEC = Spec(
    "Hidden Layers, GRU",
    recurrent(gates=3, reset_after=_RESET_AFTER),
    carried={"h_0": 1},
    following=following,
    refusals=refusals,
    large=lambda budget: recurrent(gates=3, reset_after=_RESET_AFTER, budget=largest(budget)),
    relations=of_recurrent(gates=3, reset_after=_RESET_AFTER),
    mistakes=GRU,
)

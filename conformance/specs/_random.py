"""What the random layers share: inputs that reveal the mask, and the laws of the mask."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from conformance.case import Case
from conformance.values import Array, Values
from conformance.strategies import Shape, seeds
from conformance.verdict import Actual

PROBABILITIES = st.sampled_from((0.5, 0.1, 0.9, 0.0, 1.0))

_REGIMES = ("positive", "near_ties", "gaussian", "offset", "wide", "spread", "sparse")

"""Logarithm of softmax."""

from conformance.spec import Spec
from conformance.specs._mistakes_rowwise import LOG_SOFTMAX
from conformance.specs._relations_rowwise import of_softmax
from conformance.specs._softmax import refusals, rows
from conformance.specs._widths import ROWS, over

SPEC = Spec(
    "PyTorch_NN_Layers, Output Layer",
    rows(),
    refusals=refusals,
    large=lambda budget: rows(budget // 2),
    widths=over(lambda width: {"input": (ROWS, width)}, dim=-1),
    relations=of_softmax(logarithm=True),
    mistakes=LOG_SOFTMAX,
)

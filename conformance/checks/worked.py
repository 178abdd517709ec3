"""The document's worked numbers, corrected: each reading of an example is put to the target."""

from __future__ import annotations

from conformance import golden
from conformance.case import Case
from conformance.checks import forward
from conformance.spec import spec
from conformance.target import Target
from conformance.verdict import Verdict


def applies(layer: str) -> bool:
    # a layer that draws its own randomness cannot be given the document's
    return forward.applies(layer) and spec(layer).observed is None and bool(cases(layer, "float64"))


def cases(layer: str, format: str) -> list[Case]:
    return [
        Case(layer, format, reading.arguments.tensors, reading.arguments.parameters)
        for name in golden.names()
        for reading in golden.readings(name)
        if reading.layer == layer
    ]


def examine(target: Target, case: Case) -> Verdict:
    return forward.examine(target, case)

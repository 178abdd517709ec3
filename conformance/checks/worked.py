"""The document's worked numbers, corrected: each reading of an example is put to the target."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace

from conformance import golden
from conformance.case import Case
from conformance.checks import forward
from conformance.spec import spec
from conformance.target import CONVENTIONS, Target
from conformance.values import TensorArgument
from conformance.verdict import Status, Verdict
from oracle.formulas import formula


def applies(layer: str) -> bool:
    # a layer that draws its own randomness cannot be given the document's
    return forward.applies(layer) and spec(layer).observed is None and bool(_cases(layer, "float64"))


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    return _cases(layer, format)


def _cases(layer: str, format: str) -> list[Case]:
    return [_case(reading, format) for reading in _readings(layer)]


def _readings(layer: str) -> list[golden.Reading]:
    return [reading for name in golden.names() for reading in golden.readings(name) if reading.layer == layer]


def _case(reading: golden.Reading, format: str) -> Case:
    tensors = _complete(reading.layer, reading.arguments.tensors)
    return Case(reading.layer, format, tensors, reading.arguments.parameters)


def _complete(layer: str, tensors: Mapping[str, TensorArgument]) -> dict[str, TensorArgument]:
    """All tensors of the layer in the formula's order: None for those left out."""
    parameters = inspect.signature(formula(layer)).parameters.values()
    return {each.name: tensors.get(each.name) for each in parameters if each.kind is not each.KEYWORD_ONLY}


def examine(target: Target, case: Case) -> Verdict:
    """The verdict on a reading; a failure names it. A convention that it fixes is not passed; the target must follow
    it.
    """
    known = inspect.signature(formula(case.layer)).parameters
    policies = target.policies.get(case.layer, {})
    parameters = dict(case.parameters)
    for name in CONVENTIONS & parameters.keys():
        follows = policies.get(name, known[name].default)
        if parameters.pop(name) != follows:
            return Verdict(Status.UNSUPPORTED, reason=f"{target.name} follows the convention {name} = {follows!r}")
    verdict = forward.examine(target, replace(case, parameters=parameters))
    if verdict.status is not Status.FAIL:
        return verdict
    examples = [f"{r.example}, {r.name}" for r in _readings(case.layer) if _case(r, case.format) == case]
    return replace(verdict, reason=f"{verdict.reason} (the document's example {'; '.join(examples)})")

"""The document's worked numbers, corrected: each reading of an example is put to the target."""

from __future__ import annotations

import inspect
from dataclasses import replace

from conformance import golden
from conformance.case import Case
from conformance.checks import forward
from conformance.spec import spec
from conformance.target import CONVENTIONS, Target
from conformance.verdict import Status, Verdict
from oracle.formulas import formula


def applies(layer: str) -> bool:
    # a layer that draws its own randomness cannot be given the document's
    return forward.applies(layer) and spec(layer).observed is None and bool(_readings(layer))


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    return _cases(layer, format)


def _cases(layer: str, format: str) -> list[Case]:
    return [_case(reading, format) for reading in _readings(layer)]


def _readings(layer: str) -> list[golden.Reading]:
    return [reading for name in golden.names() for reading in golden.readings(name) if reading.layer == layer]


def _case(reading: golden.Reading, format: str) -> Case:
    """The example as a whole call: None for tensors that it leaves out, and the formula's defaults for parameters."""
    known = inspect.signature(formula(reading.layer)).parameters.values()
    given, parameters = reading.arguments.tensors, reading.arguments.parameters
    tensors = {each.name: given.get(each.name) for each in known if each.kind is not each.KEYWORD_ONLY}
    options = [each for each in known if each.kind is each.KEYWORD_ONLY and each.name not in CONVENTIONS]
    defaults = {each.name: each.default for each in options if each.default is not each.empty}
    return Case(reading.layer, format, tensors, {**defaults, **parameters})


def plain(case: Case) -> Case:
    """The call without the conventions that an example fixes, which no call passes."""
    return replace(case, parameters={name: x for name, x in case.parameters.items() if name not in CONVENTIONS})


def examine(target: Target, case: Case) -> Verdict:
    """The verdict on a reading; a failure names it. The target must follow the conventions that it fixes."""
    known = inspect.signature(formula(case.layer)).parameters
    policies = target.policies.get(case.layer, {})
    for name in CONVENTIONS & case.parameters.keys():
        follows = policies.get(name, known[name].default)
        if case.parameters[name] != follows:
            how = "follows" if name in policies else "declares no policy, so it is judged by"
            return Verdict(Status.UNSUPPORTED, reason=f"{target.name} {how} the convention {name} = {follows!r}")
    verdict = forward.examine(target, plain(case))
    if verdict.status is not Status.FAIL:
        return verdict
    examples = [f"{r.example}, {r.name}" for r in _readings(case.layer) if _case(r, case.format) == case]
    return replace(verdict, reason=f"{verdict.reason} (the document's example {'; '.join(examples)})")

"""Laws of random layers: an initialisation stays within its distribution."""

from __future__ import annotations

from hypothesis.strategies import SearchStrategy

from conformance.asking import ask
from conformance.case import Case
from conformance.checks import forward
from conformance.spec import spec
from conformance.target import Target
from conformance.verdict import Verdict


def applies(layer: str) -> bool:
    return spec(layer).law is not None


def cases(layer: str, format: str) -> SearchStrategy[Case]:
    return forward.cases(layer, format)


def examine(target: Target, case: Case) -> Verdict:
    answer = ask(target, case)
    law = spec(case.layer).law
    if isinstance(answer, Verdict) or law is None:
        assert isinstance(answer, Verdict)
        return answer
    return law(case, answer, target.declared(case.layer, case.format))

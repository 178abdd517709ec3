"""Laws of random layers: outputs that chance can explain."""

from __future__ import annotations

from fractions import Fraction

from hypothesis.strategies import SearchStrategy

from conformance.asking import ask
from conformance.case import Arguments, Case
from conformance.law import judge
from conformance.spec import spec
from conformance.target import Target
from conformance.verdict import Verdict

COST = Fraction(1, 3)  # a call, and nothing to evaluate


def applies(layer: str) -> bool:
    return spec(layer).law is not None


def cases(layer: str, format: str, target: Target, examples: int) -> SearchStrategy[Case]:
    def case(arguments: Arguments) -> Case:
        return Case(layer, format, arguments.tensors, arguments.parameters)

    found = spec(layer)
    return (found.arguments if found.samples is None else found.samples).map(case)


def examine(target: Target, case: Case) -> Verdict:
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return answer
    law = spec(case.layer).law
    assert law is not None, f"{case.layer} has no law"
    return judge(answer, law(case, target.declared_for(case)))

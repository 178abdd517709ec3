"""Forward values: shape, format, and every element within the error that rounding can explain."""

from __future__ import annotations

from hypothesis.strategies import SearchStrategy

from conformance.asking import ask
from conformance.case import Case
from conformance.expectation import expect
from conformance.spec import spec
from conformance.strategies import arranged
from conformance.target import Target
from conformance.verdict import Verdict, judge
from oracle.formulas import names


def applies(layer: str) -> bool:
    return layer in names()


def cases(layer: str, format: str, target: Target, examples: int) -> SearchStrategy[Case]:
    return arranged(spec(layer).arguments, layer, format, target.layouts)


def examine(target: Target, case: Case) -> Verdict:
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return answer
    observed = spec(case.layer).revealed(case, answer)
    declared = target.declared_for(case)
    return judge(answer, expect(case, declared, target.policies.get(case.layer), observed))

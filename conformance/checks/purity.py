"""Purity: a call changes nothing but its results, and nothing but its arguments changes them.

What is given to the target stays as it is, with the memory around it; outputs share no memory with it, nor with each
other; later calls leave them alone. Another call follows, of the same shapes, of other ones, or of another layer, and
then the first again, amid freed memory full of NaN: it must give the same bits, where the target promises that, or else
conform to the formula. A call that answers exactly as the call before it, on other numbers, is held to the formula.
Derivatives are asked for in half of all cases, the second time after a call without them on the same arrays.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from conformance import spec as specs
from conformance.case import Case
from conformance.checks import forward, gradient
from conformance.strategies import reseeded
from conformance.target import Target
from conformance.verdict import Status, Verdict
from conformance.watched import Answer, Witness, answer, difference, failed

COST = Fraction(3, 2)  # at least three calls, and little to evaluate


def applies(layer: str) -> bool:
    return forward.applies(layer)


@st.composite
def cases(draw: st.DrawFn, layer: str, format: str, target: Target, examples: int) -> Case:
    differentiates = draw(st.booleans())
    case: Case = draw((gradient.cases if differentiates else forward.cases)(layer, format, target, examples))
    between = draw(st.sampled_from(("other numbers", "other call", "other layer")))
    if between == "other numbers":
        return replace(case, steps=(reseeded(case),))
    offered = [name for name in filter(applies, specs.names()) if target.layer(name)]
    name = draw(st.sampled_from(offered)) if offered and between == "other layer" else layer
    return replace(case, steps=(draw(forward.cases(name, format, target, examples)),))


def examine(target: Target, case: Case) -> Verdict:
    call = replace(case, steps=())
    witness = Witness(target)
    first = answer(witness, call)
    if isinstance(first, Verdict):
        return first
    if fault := witness.fault(_names(call)):
        return failed(fault)
    for step in case.steps:
        verdict = _repeated(target, call, first, step)
        if verdict.status is Status.FAIL:
            return verdict
    again = answer(Witness(target, witness.results, rehearsed=True), call)
    if isinstance(again, Verdict):
        return replace(again, reason=f"asked again: {again.reason}")
    if fault := witness.later_fault():
        return failed(fault)
    if not target.deterministic:
        return _judged(target, call, "asked again")
    different = difference(first, again)
    return Verdict(Status.PASS) if different is None else replace(different, reason=f"asked again: {different.reason}")


def _names(case: Case) -> list[str]:
    """The names of the arrays that the tensors of a case become."""
    found = []
    for name, argument in case.tensors.items():
        found += [name] * (len(argument) if isinstance(argument, tuple) else argument is not None)
    return found


def _repeated(target: Target, call: Case, first: Answer, step: Case) -> Verdict:
    """Whether a step only repeats the answer to another call."""
    found = answer(target, step)
    if isinstance(found, Verdict) or step == call or difference(first, found):
        return Verdict(Status.PASS)  # what a step cannot answer is for its own case to tell
    return _judged(target, step, "the answer to the call before it")


def _judged(target: Target, case: Case, about: str) -> Verdict:
    verdict = (forward.examine if case.upstream is None else gradient.examine)(target, case)
    return replace(verdict, reason=f"{about}: {verdict.reason}") if verdict.status is Status.FAIL else verdict

"""The probable cause of a failure: the classic mistakes that explain what the target answers.

A mistake explains an answer that would be right, were the mistaken formula the truth. It must explain the failure, and
the answers to further calls as well, right or wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from conformance import law
from conformance.asking import ask, ask_gradients
from conformance.case import Case
from conformance.checks import check, special, worked
from conformance.drawing import listed
from conformance.expectation import Change, expect, expect_gradients, expect_outcomes
from conformance.mistake import SIZE, Mistake, called
from conformance.spec import spec
from conformance.target import Declared, Target
from conformance.values import Array
from conformance.verdict import Actual, Status, Verdict, judge
from oracle.formulas import formula, names

# Further calls whose answers a mistake must explain: the smaller ones of twice as many.
_FURTHER = 8

# The verdict on an answer if a mistake were the truth, and what that depends on.
Judgement: TypeAlias = Callable[[Mistake], Verdict]
Policies: TypeAlias = Mapping[str, Any] | None
Observed: TypeAlias = Mapping[str, Array] | None

_NOTHING = Mistake("nothing is wrong")


def diagnosis(mistakes: Sequence[str]) -> str:
    """The probable cause of a failure that these mistakes explain, or nothing where there are none.

    "equals: …" names the only mistake that explains all answers, "consistent with: …; …" several that do. The size of
    an error stands for itself.
    """
    if not mistakes:
        return ""
    if sizes_alone(mistakes):
        return "; ".join(mistakes)
    return f"{'equals' if len(mistakes) == 1 else 'consistent with'}: {'; '.join(mistakes)}"


def sizes_alone(mistakes: Sequence[str]) -> bool:
    """Whether they tell nothing but the size of an error, which has any cause."""
    return all(mistake.startswith(SIZE) for mistake in mistakes)


def mistakes(target: Target, case: Case, kind: str) -> list[str]:
    """The mistakes that explain a failure, in words. Never raises."""
    try:
        with np.errstate(all="ignore"):
            return [mistake.named() for mistake in causes(target, case, kind).values()]
    except KeyboardInterrupt:
        raise
    except BaseException:  # the failure stands, whatever is wrong with its diagnosis
        return []


def causes(target: Target, case: Case, kind: str) -> dict[str, Mistake]:
    """The mistakes, by name, that explain the answers to a failing case and to further calls.

    Where a check asks for more than a call, the answers are those to plain calls, of which one at least is wrong; a
    worked example is one. What is wrong with a call that should have been refused, or with what it leaves behind, is no
    mistake in numbers.
    """
    suspects = {**spec(case.layer).mistakes, **_undeclared(target, case.layer)}
    found: dict[str, Mistake] = {}
    # more calls where all answers to the first are right, as where the failing call has none
    for asked, count in product(_ASKED.get(kind, ()), (_FURTHER, 4 * _FURTHER)):
        if found:
            break
        # a mistake in derivatives or laws alone leaves plain values right
        kinds = sorted({asked, "forward"})
        more = [(each, other) for each in kinds for other in _further(target, case, each, count // len(kinds))]
        own = [(asked, case)] if asked == kind else [("forward", worked.plain(case))] if kind == "worked" else []
        found = _explaining(suspects, target, [*own, *more])
    return found


def _undeclared(target: Target, layer: str) -> dict[str, Mistake]:
    """That the target follows the formula's own convention, where it declares another."""
    if layer not in names():
        return {}
    own = inspect.signature(formula(layer)).parameters

    def mistake(name: str, declared: Any) -> Mistake:
        default = own[name].default
        return called(f"{name} is {default!r}, not {declared!r}", lambda given: {name: default}, convention=True)

    declared = target.policies.get(layer, {}).items()
    return {f"{name}_undeclared": mistake(name, value) for name, value in declared if value != own[name].default}


def _further(target: Target, case: Case, kind: str, count: int) -> list[Case]:
    """Other cases of a check of the same layer and format, none of them known to fail."""
    if not check(kind).applies(case.layer):
        return []
    known = [deviation for deviation in target.known if deviation.layer == case.layer]
    source = check(kind).cases(case.layer, case.format, target, 2 * count)
    found = source if isinstance(source, list) else listed(source, 2 * count, f"further {case.layer}")
    able = [case for case in found if not any(deviation.concerns(case) for deviation in known)]
    return sorted(able, key=lambda case: case.elements)[:count]


def _explaining(
    suspects: Mapping[str, Mistake], target: Target, cases: Iterable[tuple[str, Case]]
) -> dict[str, Mistake]:
    """The suspects that explain the answers to all cases of these kinds, of which one answer at least is wrong."""
    found, evident = dict(suspects), set[str]()
    for kind, case in cases:
        judged = _JUDGED[kind](target, case)
        if judged is None:
            continue
        wrong = judged(_NOTHING).status is Status.FAIL
        verdicts = {name: _verdict(judged, mistake) for name, mistake in found.items()}
        found = {name: mistake for name, mistake in found.items() if verdicts[name].status is not Status.FAIL}
        evident |= {name for name, verdict in verdicts.items() if wrong and verdict.status is Status.PASS}
        if not found:
            break
    found = {name: mistake for name, mistake in found.items() if name in evident}
    # a coarse arithmetic explains much by its wide bounds; what explains the same without them is more likely
    return {name: mistake for name, mistake in found.items() if mistake.compute is None} or found


def _verdict(judged: Judgement, mistake: Mistake) -> Verdict:
    """The verdict, FAIL where a mistaken formula has no answer."""
    try:
        return judged(mistake)
    except Exception as error:
        return Verdict(Status.FAIL, error=error)


# How an answer is judged, by the kind of question; None where there is no answer


def _judgement(
    target: Target, case: Case, outputs: list[Actual], by: Callable[[Declared, Policies, Observed, Change], Verdict]
) -> Judgement:
    """The judgement of an answer with these outputs ``by`` all that the truth depends on."""

    def judged(mistake: Mistake) -> Verdict:
        declared = target.declared_for(case)
        declared = replace(declared, compute=mistake.compute(case.format)) if mistake.compute else declared
        revealed = mistake.observed or spec(case.layer).revealed
        return by(declared, target.policies.get(case.layer), revealed(case, outputs), mistake.change)

    return judged


def _by_outputs(target: Target, case: Case) -> Judgement | None:
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return None
    if not all(np.all(np.isfinite(output.values)) for output in answer):
        return _by_outcomes(target, case)  # a bound is infinite where a number may be

    def by(declared: Declared, policies: Policies, observed: Observed, change: Change) -> Verdict:
        return judge(answer, expect(case, declared, policies, observed, change=change))

    return _judgement(target, case, answer, by)


def _by_gradients(target: Target, case: Case) -> Judgement | None:
    byproducts = spec(case.layer).byproducts
    answer = ask_gradients(target, case, byproducts)
    if isinstance(answer, Verdict):
        return None
    outputs, gradients = answer

    def by(declared: Declared, policies: Policies, observed: Observed, change: Change) -> Verdict:
        expected = expect_gradients(case, declared, byproducts, policies, observed, change=change)
        return judge(gradients, expected)

    return _judgement(target, case, outputs, by)


def _by_outcomes(target: Target, case: Case) -> Judgement | None:
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return None

    def by(declared: Declared, policies: Policies, observed: Observed, change: Change) -> Verdict:
        return special.judge(answer, expect_outcomes(case, declared, policies, observed, change), case.format)

    return _judgement(target, case, answer, by)


def _by_laws(target: Target, case: Case) -> Judgement | None:
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return None
    right = spec(case.layer).law

    def judged(mistake: Mistake) -> Verdict:
        found = mistake.law or right
        assert found is not None, f"{case.layer} has no law"
        return law.judge(answer, found(case, target.declared_for(case)))

    return judged


_JUDGED: dict[str, Callable[[Target, Case], Judgement | None]] = {
    "forward": _by_outputs,
    "gradient": _by_gradients,
    "special": _by_outcomes,
    "law": _by_laws,
}

# What is asked again for a check: the same, or plain calls instead.
_PLAIN = ("forward", "gradient")
_ASKED = {
    **{kind: (kind,) for kind in _JUDGED},
    **dict.fromkeys(("empty", "large", "relation", "state", "typical", "widths", "worked"), _PLAIN),
}

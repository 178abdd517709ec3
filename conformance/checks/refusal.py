"""Refusals: a wrong call raises, instead of giving wrong numbers or ending the process; the valid one gives a result.

The calls are made in another process, which may die of them. The numbers of a valid call are for other checks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import zip_longest

from hypothesis import strategies as st

from conformance.case import Case
from conformance.drawing import listed
from conformance.isolation import put
from conformance.spec import spec
from conformance.target import Target
from conformance.values import leaves
from conformance.verdict import Status, Verdict

# Of how many drawn cases each is chosen.
_DRAWS = 2


def applies(layer: str) -> bool:
    return spec(layer).refusals is not None


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    """Every way to be wrong in turn, of those that were drawn; the smallest calls come first.

    Those in which a tensor is empty come last: what they let pass looks trivial where other calls are let pass too.
    """
    kinds: dict[str | None, list[Case]] = {}
    for case in listed(_drawn(layer, format), _DRAWS * examples, f"{layer} {format} refusal"):
        kinds.setdefault(case.refusal, []).append(case)
    in_turn = [case for round in zip_longest(*kinds.values()) for case in round if case is not None]
    return sorted(in_turn[:examples], key=lambda case: (_has_no_numbers(case), case.elements))


def _has_no_numbers(case: Case) -> bool:
    """Whether a tensor is empty."""
    return any(0 in leaf.shape for argument in case.tensors.values() for leaf in leaves(argument))


@st.composite
def _drawn(draw: st.DrawFn, layer: str, format: str) -> Case:
    asked = spec(layer)
    assert asked.refusals is not None, f"{layer} refuses nothing"
    found = draw(st.sampled_from(list(asked.refusals(draw(asked.arguments)))))
    # the wrong calls are many, and each may be let pass; of the valid ones any shows a target that refuses too much
    if draw(st.sampled_from((True, True, True, True, False))):
        return Case(layer, format, found.wrong.tensors, found.wrong.parameters, refusal=found.sentence)
    return Case(layer, format, found.valid.tensors, found.valid.parameters)


def examine(target: Target, case: Case) -> Verdict:
    verdict = put(target, case)
    failed = verdict.status is Status.FAIL
    if case.refusal is None:
        return replace(verdict, reason=f"refuses a valid call: {verdict.reason}") if failed else verdict
    if failed and verdict.error is not None:
        return Verdict(Status.PASS)
    if failed or verdict.status is Status.PASS:
        reason = f"wrong numbers instead of an error: {verdict.reason}, but {case.refusal}"
        return Verdict(Status.FAIL, math.inf, reason)
    return verdict

"""Special values: infinities, NaN, the ends of the format's range, and full masks, at any place of any tensor.

What may come of them follows from the formula in ``oracle.outcomes``: NaN where only NaN conforms, the same infinity,
and a number within its bound where no special value arrives, whatever lies behind a mask or in a row not looked up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from conformance.asking import ask
from conformance.case import Case
from conformance.expectation import expect_outcomes
from conformance.spec import spec
from conformance.strategies import arranged
from conformance.target import Target
from conformance.values import Special, TensorArgument, Values, leaves
from conformance.verdict import Actual, Expected, Status, Verdict, judge_output, miscounted
from oracle.formulas import names
from oracle.outcomes import Outcome
from oracle.tensor import Choices, Tensor

# What may stand in tensors of one purpose; NaN more often, since it shows all that depends on it.
_POSITIVE = ("nan", "inf", "nan", "largest", "smallest_normal", "smallest")
_EXTREME = ("nan", "inf", "nan", "-inf", "nan", "largest", "-largest", "-0", "smallest", "-smallest_normal")
_PARTICULAR = {
    "mask": ("false",),
    "ignored": ("true",),
    "additive_mask": ("-inf", "-largest"),
    "positive": _POSITIVE,
    "spread": _POSITIVE,
}


def applies(layer: str) -> bool:
    return layer in names()


@st.composite
def cases(draw: st.DrawFn, layer: str, format: str, target: Target, examples: int) -> Case:
    case = draw(arranged(spec(layer).arguments, layer, format, target.layouts))
    tensors = dict(case.tensors)
    for _ in range(draw(st.integers(1, 2))):
        able = {name: found for name, argument in tensors.items() if (found := _able(argument))}
        if able:
            name = draw(st.sampled_from(list(able)))
            place, base = draw(st.sampled_from(able[name]))
            tensors[name] = _replaced(tensors[name], place, draw(_special(base, _values(name, base.regime))))
    return replace(case, tensors=tensors)


def _able(argument: TensorArgument) -> list[tuple[int, Values | Special]]:
    """The parts of an argument that have numbers, or masks, by their place in it."""
    parts = enumerate(leaves(argument))
    return [(k, part) for k, part in parts if isinstance(part, (Values, Special)) and 0 not in part.shape]


def _replaced(argument: TensorArgument, place: int, part: Special) -> TensorArgument:
    return (*argument[:place], part, *argument[place + 1 :]) if isinstance(argument, tuple) else part


def _values(name: str, regime: str) -> tuple[str, ...]:
    """What may stand in a tensor; numbers that are only drawn like those of a mask are none."""
    return _PARTICULAR.get(regime, _EXTREME) if "mask" in name or regime != "additive_mask" else _EXTREME


@st.composite
def _special(draw: st.DrawFn, base: Values | Special, values: tuple[str, ...]) -> Special:
    """The tensor with one special value: at one place, along one axis or a part of it that begins or ends with it, in
    all axes from one on, or in any box.
    """
    kind = draw(st.sampled_from(("place", "place", "axis", "part", "from", "box")))
    chosen = draw(st.integers(0, max(len(base.shape) - 1, 0)))

    def extent(axis: int, side: int) -> tuple[int, int]:
        if (kind == "axis" and axis == chosen) or (kind == "from" and axis >= chosen):
            return 0, side
        if kind == "part" and axis == chosen:
            length = draw(st.integers(1, side))
            return draw(st.sampled_from((0, side - length))), length
        # the end of an axis is where vectors and tiles have their remainders
        begin = draw(st.integers(0, side - 1) | st.just(side - 1))
        return begin, draw(st.integers(1, side - begin)) if kind == "box" else 1

    box = [extent(axis, side) for axis, side in enumerate(base.shape)]
    value = draw(st.sampled_from(values))
    return Special(base, tuple(begin for begin, _ in box), tuple(side for _, side in box), value)


def examine(target: Target, case: Case) -> Verdict:
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return answer
    observed = spec(case.layer).revealed(case, answer)
    declared = target.declared_for(case)
    policies = target.policies.get(case.layer)
    verdict = judge(answer, expect_outcomes(case, declared, policies, observed), case.format)
    if verdict.status is Status.FAIL and declared.algorithm is not None:
        # special values show which order of operations is used; a target has the formula's own where it can
        documented = replace(declared, algorithm=None)
        also = judge(answer, expect_outcomes(case, documented, policies, observed), case.format)
        return verdict if also.status is Status.FAIL else also
    return verdict


def judge(actual: Sequence[Actual], expected: Mapping[str, Tensor], format: str) -> Verdict:
    """The verdict on all outputs of one call: every element must be among its outcomes.

    Undecided where most elements may be anything.
    """
    if len(actual) != len(expected):
        return miscounted(actual, expected.keys())
    undecided = elements = 0
    for got, (name, output) in zip(actual, expected.items(), strict=True):
        verdict = _judge_output(got, name, output, format)
        if verdict.status is Status.FAIL:
            return verdict
        sets = [outcome for outcome in output.elements() if isinstance(outcome, Outcome)]
        undecided += sum(outcome.anything for outcome in sets)
        elements += len(sets)
    if 2 * undecided > elements:
        return Verdict(Status.UNDECIDED, reason=f"{undecided} of {elements} elements may be anything")
    return Verdict(Status.PASS)


def _judge_output(actual: Actual, name: str, output: Tensor, format: str) -> Verdict:
    outcomes = output.elements()
    nothing, unbounded = np.zeros(output.shape), np.full(output.shape, math.inf)
    if isinstance(output, Choices):
        return judge_output(actual, Expected(name, output.shape, "int64", nothing, nothing, unbounded, tuple(outcomes)))
    verdict = judge_output(actual, Expected(name, output.shape, format, nothing, nothing, unbounded))
    if verdict.status is Status.FAIL:  # by its shape or format
        return verdict
    for index, got, outcome in zip(output.indices(), actual.values.ravel().tolist(), outcomes, strict=True):
        if got not in outcome:
            reason = f"{got!r} is none of what conforms: {outcome!r}"
            return Verdict(Status.FAIL, math.inf, reason, name, index)
    return Verdict(Status.PASS, output=name)

"""Large outputs: sides beyond the tiles of kernels and the range of short indices.

The formula cannot be run on all elements of such an output, but on any one. A vectorised run of the target in float64
proposes where its answer may be wrong, beside corners, borders of tiles, what looks unwritten, and random places
(``conformance.suspects``); exactly those elements are judged, each as in any other check.

Derivatives are asked for in half of all cases, for cotangents that are zero nearly everywhere, so that few outputs
have to be evaluated.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.asking import ask, ask_gradients
from conformance.case import Case, Upstream
from conformance.checks.gradient import present, towards
from conformance.drawing import listed
from conformance.expectation import affordable, expect, expect_gradients
from conformance.spec import spec
from conformance.strategies import arranged, seeds
from conformance.suspects import Index, suspects
from conformance.target import Target
from conformance.values import Array, leaves
from conformance.verdict import Actual, Expected, Status, Verdict, judge

# Cases of an item in the default profile, the fewest, and of how many drawn ones each is the first that has its shapes;
# a side above those that others have.
_CASES = 20
_FEWEST_CASES = 3
_DRAWS = 4
_USUAL = 64

# Multiply-adds of one call: in the kernel profile enough for more outputs than float32 can count.
_BUDGET = 2**17
_KERNEL = 2**26

# Terms of sums that may be evaluated to judge one case, and the suspects that are judged at any cost.
_WORK = 2**14
_FEWEST = 4

# Nearly all of these numbers are zero.
_SPARSE = "few"

# The outputs, and of them or of the derivatives those to be judged.
Answer: TypeAlias = tuple[list[Actual], list[Actual]]


def applies(layer: str) -> bool:
    return spec(layer).large is not None


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    count = max(_CASES * examples // 100, _FEWEST_CASES)
    return _various(_drawn(layer, format, target, _BUDGET), count, f"{layer} {format}")


def kernel(layer: str, format: str, target: Target) -> list[Case]:
    return _various(_drawn(layer, format, target, _KERNEL), 3 * _CASES, f"{layer} {format}")


def _various(source: SearchStrategy[Case], count: int, about: str) -> list[Case]:
    """Cases of different shapes, the largest last.

    A search for failures would come back to the same ones, and a large case is dear.
    """
    found: dict[Any, Case] = {}
    for case in listed(source, _DRAWS * count, about):
        shapes = tuple(leaf.shape for argument in case.tensors.values() for leaf in leaves(argument))
        if any(side > _USUAL for shape in shapes for side in shape):
            # more than one case of a shape only where one of them has derivatives
            found.setdefault((shapes, case.upstream is None), case)
    if not found:
        return []
    drawn = list(found.values())
    most = max(drawn, key=lambda case: case.elements)
    return [*(case for case in drawn[:count] if case is not most), most]


@st.composite
def _drawn(draw: st.DrawFn, layer: str, format: str, target: Target, budget: int) -> Case:
    asked = spec(layer)
    assert asked.large is not None
    case = draw(arranged(asked.large(budget), layer, format, target.layouts))
    able = towards(case)
    if not able or draw(st.booleans()):
        return case
    return replace(case, upstream=Upstream(tuple(able), _SPARSE, draw(seeds)))


def examine(target: Target, case: Case) -> Verdict:
    declared = target.declared_for(case)
    if case.upstream is not None and declared.undeclared:
        return Verdict(Status.UNSUPPORTED, reason=declared.undeclared)
    found = _answer(target, case)
    if isinstance(found, Verdict):
        return found
    outputs, judged = found
    asked, policies = spec(case.layer), target.policies.get(case.layer)
    observed = asked.observed(case, outputs) if asked.observed else None
    shapes, within = affordable(case, asked.byproducts, policies, observed)
    for got, (name, shape) in zip(judged, shapes.items(), strict=False):
        if got.values.shape != shape:
            return Verdict(Status.FAIL, math.inf, f"shape {got.values.shape}, expected {shape}", name)
    places = within(_suspects(target, case, judged), _WORK, _FEWEST)
    if case.upstream is None:
        expected = expect(case, declared, policies, observed, places)
    else:
        expected = expect_gradients(case, declared, asked.byproducts, policies, observed, places)
    return _judge(judged, expected, places)


def _answer(target: Target, case: Case) -> Answer | Verdict:
    if case.upstream is None:
        outputs = ask(target, case)
        return outputs if isinstance(outputs, Verdict) else (outputs, outputs)
    answer = ask_gradients(target, case, spec(case.layer).byproducts)
    if isinstance(answer, Verdict):
        return answer
    wanted = [case.tensors[name] for name in case.upstream.wanted]
    shapes = [leaf.shape for argument in wanted for leaf in leaves(argument)]
    return answer[0], present(answer[1], shapes, case.format)


class _Wide:
    """The target, given the same numbers in float64."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def array(self, values: Array, format: str) -> Any:
        return self._target.array(values, "float64")


def _suspects(target: Target, case: Case, judged: Sequence[Actual]) -> list[list[Index]]:
    """Of every output."""
    references: Sequence[Actual | None] = [None] * len(judged)
    if case.format != "float64" and "float64" in target.formats:
        wide = _answer(cast("Target", _Wide(target)), case)
        if not isinstance(wide, Verdict) and len(wide[1]) == len(judged):
            references = wide[1]
    random = zlib.crc32(repr(case).encode())
    pairs = zip(judged, references, strict=True)
    return [suspects(got.values, other.values if other else None, random) for got, other in pairs]


def _judge(actual: Sequence[Actual], expected: list[Expected], places: Sequence[Sequence[Index]]) -> Verdict:
    """The verdict on these elements of the outputs; the index of an element is the one it has in its output."""
    chosen = [
        replace(got, values=np.array([got.values[place] for place in those], dtype=got.values.dtype))
        for got, those in zip(actual, places, strict=True)
    ]
    verdict = judge(chosen, expected)
    for output, those in zip(expected, places, strict=True):
        if output.name == verdict.output and verdict.index:
            return replace(verdict, index=those[verdict.index[0]])
    return verdict

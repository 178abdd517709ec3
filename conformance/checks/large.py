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
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.asking import ask, ask_gradients
from conformance.case import Case, Upstream
from conformance.checks.gradient import towards
from conformance.drawing import listed
from conformance.expectation import affordable, expect, expect_gradients
from conformance.layouts import EXPANDED, ordered
from conformance.spec import spec
from conformance.strategies import arranged, seeds
from conformance.suspects import Index, suspects
from conformance.target import Target
from conformance.values import Array, leaves
from conformance.verdict import Actual, Expected, Status, Verdict, judge, miscounted
from oracle.formats import FORMATS

# Cases of an item in the default profile, the fewest, also in half precision, where sides and strides are those of
# float32, and of how many drawn ones each is chosen; a side above those that others have.
_CASES = 40
_FEWEST_CASES = 5
_FEWEST_IN_HALF = 3
_DRAWS = 4
_USUAL = 64

# Sides that kernels tell apart: powers of two at which vectors, tiles, blocks of threads and short indices end.
_CLASSES = (2**8, 2**10, 2**12, 2**15, 2**16)

# Multiply-adds of one call: in the kernel profile enough for more outputs than float32 can count.
_BUDGET = 2**17
_KERNEL = 2**26

# Terms of sums that may be evaluated to judge one case, and the suspects that are judged at any cost.
_WORK = 2**14
_FEWEST = 4

# Nearly all of these numbers are zero; all but two, for a case of so many elements.
_SPARSE = "few"
_SPARSEST = "ends"
_ROWS = 8  # of the first tensor, and mostly of the output
_DEAR = 2**15

Pair: TypeAlias = tuple[Hashable, Hashable]

# The outputs, and of them or of the derivatives those to be judged.
Answer: TypeAlias = tuple[list[Actual], list[Actual]]


def applies(layer: str) -> bool:
    return spec(layer).large is not None


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    fewest = _FEWEST_CASES if FORMATS[format].precision >= FORMATS["float32"].precision else _FEWEST_IN_HALF
    count = max(_CASES * examples // 100, fewest)
    return _various(_drawn(layer, format, target, _BUDGET), count, f"{layer} {format}")


def kernel(layer: str, format: str, target: Target) -> list[Case]:
    return _various(_drawn(layer, format, target, _KERNEL), 3 * _CASES, f"{layer} {format}")


def _various(source: SearchStrategy[Case], count: int, about: str) -> list[Case]:
    """Those drawn cases that together have most kinds of long sides, each with most kinds of all else.

    Left to chance, few would have a long side where a bug needs one, and several the same; and a large case is dear.
    """
    pool = [(case, _traits(case)) for case in listed(source, _DRAWS * count, about)]
    chosen: list[Case] = []
    seen: set[Pair] = set()
    for _ in range(min(count, len(pool))):
        case, pairs = max(pool, key=lambda drawn: len(drawn[1] - seen))
        if pairs <= seen:
            break
        chosen.append(case)
        seen |= pairs
    return sorted(chosen, key=lambda case: case.elements)


def _traits(case: Case) -> set[Pair]:
    """What makes a large case a kind of its own: each long side, or large number of elements, with each other trait.

    Sides of one length, as that of a weight and that of its bias, are one side.
    """
    traits: set[Hashable] = {("upstream", case.upstream and case.upstream.layout)}
    traits |= {(name, _kind(value)) for name, value in case.parameters.items()}
    first: dict[int, tuple[str, int | None]] = {}  # place of a side
    for name, argument in case.tensors.items():
        sides = leaves(argument)[0].shape if leaves(argument) else ()
        traits |= {(name, argument is None), (name, "sides", len(sides)), (name, "laid out", case.layout(name))}
        for axis, side in [*enumerate(sides), (None, math.prod(sides))]:
            first.setdefault(side, (name, axis))
            traits.add((name, axis, min(side, 2)))
    long = {(place, _class(side)) for side, place in first.items() if side > _USUAL}
    return {(one, other) for one in long for other in traits | long}


def _class(side: int) -> int:
    return sum(side > limit for limit in _CLASSES)


def _kind(value: Any) -> Hashable:
    """Of numbers what they are not: more than one, different along two axes."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_kind, value)), len(set(value))
    return value > 1 if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


@st.composite
def _drawn(draw: st.DrawFn, layer: str, format: str, target: Target, budget: int) -> Case:
    asked = spec(layer)
    assert asked.large is not None
    case = draw(arranged(asked.large(budget), layer, format, target.layouts))
    able = towards(case)
    dear = case.elements // _DEAR
    if not able or draw(st.integers(0, 1 + 2 * dear)):  # what derivatives cost grows with the elements
        return case
    regime = _SPARSEST if dear else _SPARSE
    first = leaves(next(iter(case.tensors.values())))[0].shape
    rows = first[0] if first else 1  # an expanded cotangent repeats in all of them what is not zero
    layout = draw(st.sampled_from([name for name in ordered(target.layouts) if name != EXPANDED or rows <= _ROWS]))
    return replace(case, upstream=Upstream(tuple(able), regime, draw(seeds), layout))


def examine(target: Target, case: Case) -> Verdict:
    declared = target.declared_for(case)
    if case.upstream is not None and declared.undeclared:
        return Verdict(Status.UNSUPPORTED, reason=declared.undeclared)
    found = _answer(target, case)
    if isinstance(found, Verdict):
        return found
    outputs, judged = found
    asked, policies = spec(case.layer), target.policies.get(case.layer)
    observed = asked.revealed(case, outputs)
    shapes, within = affordable(case, asked.byproducts, policies, observed)
    if len(judged) != len(shapes):
        return miscounted(judged, shapes.keys())
    for got, (name, shape) in zip(judged, shapes.items(), strict=True):
        if got.values.shape != shape:
            reason = f"shape {got.values.shape}, expected {shape}"
            return Verdict(Status.FAIL, math.inf, reason, name, fault="shape")
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
    return ask_gradients(target, case, spec(case.layer).byproducts)


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

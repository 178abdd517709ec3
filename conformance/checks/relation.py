"""Relations: laws that need no oracle, at sizes that no oracle affords.

Of two computations with the layer that must agree, such as a batch and its samples one by one, neither is known to be
right; but a kernel that is wrong at some sizes, places or parameters is seldom wrong in the same way in both. All
elements are compared, however many. What difference is permitted is told in ``conformance.relation``.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from conformance import relation
from conformance.case import Arguments, Case, Related
from conformance.drawing import listed
from conformance.layouts import EXPANDED
from conformance.spec import spec
from conformance.strategies import arranged
from conformance.target import Target
from conformance.verdict import Verdict

# Cases of an item in the default profile, and the fewest of every relation: none is left to chance, as a draw would.
_CASES = 40
_FEWEST = 1


def applies(layer: str) -> bool:
    return bool(spec(layer).relations)


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    return _various(layer, format, target, _CASES * examples // 100)


def kernel(layer: str, format: str, target: Target) -> list[Case]:
    return _various(layer, format, target, 10 * _CASES)


def _various(layer: str, format: str, target: Target, count: int) -> list[Case]:
    """Cases of every relation, the small ones first."""
    names = list(spec(layer).relations)
    each = max(count // len(names), _FEWEST)
    found = [
        case for name in names for case in listed(of(layer, name, format, target), each, f"{layer} {format} {name}")
    ]
    return sorted(found, key=size)


def size(case: Case) -> int:
    """The elements of its tensors, and how often they may be repeated."""
    assert case.relation is not None
    return case.relation.number + case.elements


@st.composite
def of(draw: st.DrawFn, layer: str, name: str, format: str, target: Target) -> Case:
    """Cases of one relation of a layer."""
    asked = spec(layer).relations[name]
    layouts = [layout for layout in target.layouts if layout != EXPANDED]  # it would repeat what a relation cuts
    case = draw(arranged(asked.arguments, layer, format, layouts))
    number = draw(asked.number(Arguments(case.tensors, case.parameters)))
    return replace(case, relation=Related(name, number))


def examine(target: Target, case: Case) -> Verdict:
    assert case.relation is not None, "the case asks for no relation"
    name = case.relation.name
    return relation.examine(name, spec(case.layer).relations[name], target, case)

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
from conformance.layouts import EXPANDED
from conformance.spec import spec
from conformance.strategies import arranged
from conformance.target import Target
from conformance.verdict import Verdict

COST = 2  # each case is two calls or more, large ones


# Half precision is judged by the formula.
FORMATS = ("float64", "float32")


def applies(layer: str) -> bool:
    return bool(spec(layer).relations)


@st.composite
def cases(draw: st.DrawFn, layer: str, format: str, target: Target) -> Case:
    name = draw(st.sampled_from(list(spec(layer).relations)))
    return draw(of(layer, name, format, target))


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

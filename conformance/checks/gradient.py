"""Derivatives towards inputs, parameters and states: vector–Jacobian products, from the same formula as the values."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st

from conformance.asking import ask_gradients
from conformance.case import Case, Upstream
from conformance.expectation import expect_gradients
from conformance.layouts import ordered
from conformance.spec import spec
from conformance.strategies import GENERAL, arranged, seeds
from conformance.target import Target
from conformance.values import TensorArgument, Values, leaves
from conformance.verdict import Status, Verdict, judge
from oracle.formulas import names


def applies(layer: str) -> bool:
    return layer in names()


@st.composite
def cases(draw: st.DrawFn, layer: str, format: str, target: Target, examples: int) -> Case:
    asked = spec(layer)
    case = draw(arranged(asked.differentiable or asked.arguments, layer, format, target.layouts))
    able = towards(case)
    some = draw(st.lists(st.sampled_from(able), min_size=1, unique=True)) if draw(st.booleans()) else able
    wanted = tuple(name for name in able if name in some)
    layout = draw(st.sampled_from(ordered(target.layouts)))
    upstream = Upstream(wanted, draw(st.sampled_from(GENERAL)), draw(seeds), layout)
    return Case(layer, format, case.tensors, case.parameters, case.layouts, upstream)


def towards(case: Case) -> list[str]:
    """The tensors towards which derivatives can be taken: those of floating-point numbers that the spec lets vary."""
    constants = spec(case.layer).constants
    return [name for name, argument in case.tensors.items() if name not in constants and _floating(argument)]


def _floating(argument: TensorArgument) -> bool:
    parts = leaves(argument)
    return argument is not None and all(isinstance(part, Values) and _has_numbers(part.regime) for part in parts)


@cache
def _has_numbers(regime: str) -> bool:
    """Numbers, not booleans."""
    return Values((1,), regime).array("float64").dtype == np.float64


def examine(target: Target, case: Case) -> Verdict:
    asked = spec(case.layer)
    declared = target.declared_for(case)
    if declared.undeclared:
        return Verdict(Status.UNSUPPORTED, reason=declared.undeclared)
    answer = ask_gradients(target, case, asked.byproducts)
    if isinstance(answer, Verdict):
        return answer
    outputs, gradients = answer
    observed = asked.revealed(case, outputs)
    expected = expect_gradients(case, declared, asked.byproducts, target.policies.get(case.layer), observed)
    return judge(gradients, expected)

"""Nothing to compute: no samples, queries or rows give results without elements, and derivatives of zero.

There kernels divide by a count of none, launch no threads, or leave the derivatives towards parameters unwritten.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments, Case, Upstream
from conformance.checks import forward, gradient
from conformance.drawing import listed
from conformance.layouts import ordered
from conformance.spec import spec
from conformance.strategies import arranged, seeds
from conformance.target import Target
from conformance.verdict import Status, Verdict

# Cases of each axis in the default profile, and the fewest.
_CASES = 8
_FEWEST = 1


def applies(layer: str) -> bool:
    return bool(_emptied(layer))


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    each = max(_CASES * examples // 100, _FEWEST)
    return [
        case
        for name, calls in _emptied(layer).items()
        for case in listed(_of(calls, layer, format, target), each, f"{layer} {format} {name}")
    ]


def _emptied(layer: str) -> dict[str, SearchStrategy[Arguments]]:
    """Calls without any of what a relation of the layer repeats or cuts, by the name of the relation."""
    return {name: each.none for name, each in spec(layer).relations.items() if each.none is not None}


@st.composite
def _of(draw: st.DrawFn, calls: SearchStrategy[Arguments], layer: str, format: str, target: Target) -> Case:
    case = draw(arranged(calls, layer, format, target.layouts))
    layout = draw(st.sampled_from(ordered(target.layouts)))
    return replace(case, upstream=Upstream(tuple(gradient.towards(case)), "integers", draw(seeds), layout))


def examine(target: Target, case: Case) -> Verdict:
    """The verdict on the outputs; where these are right, that on the derivatives, if the target has any."""
    verdict = forward.examine(target, case)
    if verdict.status is not Status.PASS:
        return verdict
    derived = gradient.examine(target, case)
    return verdict if derived.status is Status.UNSUPPORTED else derived

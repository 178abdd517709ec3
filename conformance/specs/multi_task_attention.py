"""Multi-task attention: every task has a mask of its own over the features that all tasks share."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_gates import MULTI_TASK_ATTENTION
from conformance.specs._normalisation import EPS
from conformance.specs._refusals import mis_sized
from conformance.specs._relations_gates import EXEMPT, of_multi_task_attention
from conformance.strategies import BUDGET, call, filled, seeds, sides
from conformance.values import Values

# Of what is scaled by zero, and of a channel without a spread, next to nothing is known in half precision: it is
# normalised twice.
_SPREAD = ("ramp", "integers", "quarters", "gaussian")
_SCALES = ("positive", "spread")
_REGIMES = {
    "features": _SPREAD,
    "weight_reduce": _SPREAD,
    "scale_reduce": _SCALES,
    "shift_reduce": ("small",),
    "weight_expand": _SPREAD,
    "scale_expand": _SCALES,
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    tasks, samples = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    height, width = draw(sides(2, budget // (32 * tasks * samples), most=5, least=2))
    channels, reduced, features = draw(sides(3, budget // (8 * tasks * samples * height * width), most=4))
    shapes = {
        "input": (samples, channels, height, width),
        "features": (tasks, samples, features, height, width),
        "weight_reduce": (tasks, reduced, features),
        "scale_reduce": (tasks, reduced),
        "shift_reduce": (tasks, reduced),
        "weight_expand": (tasks, channels, reduced),
        "scale_expand": (tasks, channels),
        "shift_expand": (tasks, channels),
    }
    found = draw(filled(shapes))
    for name, regimes in _REGIMES.items():
        shape = shapes[name]
        found[name] = Values(shape, draw(st.sampled_from(regimes)), draw(seeds))
    return call(found, eps=draw(EPS))


def refusals(call: Arguments) -> Iterator[Refusal]:
    for name in ("features", "weight_reduce", "weight_expand", "scale_reduce", "shift_expand"):
        yield from mis_sized(call, name, 0)
    for name, axis in (("weight_reduce", 2), ("weight_expand", 1), ("scale_reduce", 1), ("shift_expand", 1)):
        yield from mis_sized(call, name, axis)


SPEC = Spec(
    "Attention Mechanism, which names it; Liu, Johns and Davison 2019",
    arguments(),
    refusals=refusals,
    relations=of_multi_task_attention(arguments),
    exempt=EXEMPT,
    mistakes=MULTI_TASK_ATTENTION,
)

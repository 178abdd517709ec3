"""Every width: reductions over any number of elements, odd, prime, and on both sides of every vector and tile.

A kernel chooses its way by the width, so that any one of them may be wrong. Each is asked of two rows. The kernel
profile walks through all widths; others take one of a few, not the same ones for every layer and format.
"""

from __future__ import annotations

from conformance.case import Case
from conformance.checks import large
from conformance.drawing import number
from conformance.spec import spec
from conformance.target import Target
from conformance.verdict import Verdict

WIDTHS = (*range(1, 1101), 2047, 2048, 2049, 4095, 4096, 4097)

# One width of so many is asked in the default profile.
_STEP = 31


def applies(layer: str) -> bool:
    return spec(layer).widths is not None


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    step = max(_STEP * 100 // examples, 1) | 1  # odd: widths of every remainder modulo a power of two are among them
    first = number(f"{layer} {format}") % step
    return _walk(layer, format, WIDTHS[first::step])


def kernel(layer: str, format: str, target: Target) -> list[Case]:
    return _walk(layer, format, WIDTHS)


def _walk(layer: str, format: str, widths: tuple[int, ...]) -> list[Case]:
    asked = spec(layer).widths
    assert asked is not None
    calls = [asked(width, width) for width in widths]
    return [Case(layer, format, call.tensors, call.parameters) for call in calls]


def examine(target: Target, case: Case) -> Verdict:
    return large.examine(target, case)

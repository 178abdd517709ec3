"""Classic mistakes of dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from conformance.case import Case
from conformance.law import Law, Mask
from conformance.mistake import (
    Arguments,
    Mistake,
    Outputs,
    answered,
    backward,
    called,
    followed,
    instead,
    last_dropped,
    mapped,
    times,
    times_derivative,
)
from conformance.specs._random import Units, kept, observed
from conformance.target import Declared
from conformance.verdict import Actual, Status, Verdict
from oracle.formulas.dropout import dropout
from oracle.scalar import constant


@dataclass(frozen=True)
class Shared:
    """One mask for all along an axis of this ``side``; the ``one`` is the law of what has the side 1."""

    one: Mask
    axis: int
    side: int

    def judge(self, actual: Actual) -> Verdict:
        units = self.one.find(actual.values)
        first = units.take([0], self.axis) if units.shape[self.axis] else units
        if not np.array_equal(units, np.broadcast_to(first, units.shape)):
            return Verdict(Status.FAIL, np.inf, f"the mask is not the same all along axis {self.axis}")
        return self.one.judge(Actual(actual.values.take([0], self.axis), actual.format))


def _laws(law: Callable[[tuple[int, ...], str, float], Law]) -> Callable[[Case, Declared], Mapping[str, Law]]:
    """Another law of the mask: ``law(shape, format, p)`` for the shape of the input."""

    def laws(case: Case, declared: Declared) -> Mapping[str, Law]:
        input = case.arrays()["input"]
        assert isinstance(input, np.ndarray)
        return {"output": law(input.shape, case.format, case.parameters["p"])}

    return laws


def _shared(sentence: str, axis: int, units: Units) -> Mistake:
    """One mask for all along an axis."""

    def law(shape: tuple[int, ...], format: str, p: float) -> Law:
        if axis >= len(shape):
            return Mask(shape, format, 1.0 - p, units)
        one = Mask((*shape[:axis], 1, *shape[axis + 1 :]), format, 1.0 - p, units)
        return Shared(one, axis, shape[axis])

    return Mistake(sentence, law=_laws(law))


def _all_kept(given: Arguments) -> Arguments:
    return {"mask": mapped(given["mask"], lambda *_: constant(1.0))}


def _opposite(given: Arguments) -> Arguments:
    return {"mask": mapped(given["mask"], lambda m, *_: 1.0 - m)}


def _scaled(factor: Callable[[float], float]) -> Callable[[Outputs, Arguments], Outputs]:
    """The outputs for p, multiplied."""
    return lambda outputs, given: {"output": times(outputs["output"], factor(given["p"]))}


def _undefined(outputs: Outputs, given: Arguments) -> Outputs:
    """x m / (1 − p) also for p = 1, where it is 0 / 0."""
    nan = constant(np.nan)
    return {"output": mapped(outputs["output"], lambda y, *_: y * nan)} if given["p"] == 1 else {}


def _common(units: Units) -> dict[str, Mistake]:
    kept_with_p = _laws(lambda shape, format, p: Mask(shape, format, p, units))
    return {
        "scale_missing": answered("what is kept is not divided by 1 − p", _scaled(lambda p: 1.0 - p)),
        "scale_by_p": answered("what is kept is divided by p", _scaled(lambda p: (1.0 - p) / p if p else 1.0)),
        "p_kept": replace(
            called(
                "p is the probability that a number is kept", lambda given: {"p": 1.0 - given["p"]}, convention=True
            ),
            law=kept_with_p,
        ),
        "p_kept_in_mask": Mistake(
            "p is the probability that a number is kept, but not where it is scaled",
            # for p = 1 everything is zero all the same
            law=_laws(lambda shape, format, p: Mask(shape, format, p % 1.0, units)),
        ),
        "evaluating": answered(
            "nothing is dropped, as in evaluation", lambda outputs, given: {"output": given["input"]}
        ),
        "undefined": answered("p = 1 gives 0 / 0, as in the document", _undefined),
        "shared_by_samples": _shared("one mask serves all samples", 0, units),
        "shared_by_second": _shared("one mask serves all along the second axis", 1, units),
        "not_backward": backward(called("the derivative does not see the mask", _all_kept)),
        "other_mask_backward": backward(called("the derivative sees another mask", _opposite)),
        "derivative_twice": times_derivative(2.0, "input"),
        "skipped": followed("what is dropped is left out, not multiplied by zero", "behind_mask", "skipped"),
    }


def of_elements(units: Units) -> dict[str, Mistake]:
    """The mistakes of dropout, whose mask ``units`` finds in the output."""
    return _common(units)


def of_channels(units: Units, elements: Units) -> dict[str, Mistake]:
    """The mistakes of dropout of channels, whose mask ``units`` finds in the output, ``elements`` that of elements."""
    common = _common(units)
    return {
        "one_by_one": replace(
            instead("elements are dropped one by one, not whole channels", dropout),
            law=kept(elements),
            observed=observed(elements),
        ),
        "last": last_dropped(-1, "the last column"),
        **common,
        # what is left out leaves no NaN, so that NaN was kept
        "skipped": replace(common["skipped"], observed=observed(lambda output: np.any(elements(output), axis=(2, 3)))),
    }

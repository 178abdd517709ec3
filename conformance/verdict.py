"""The judgement: an actual output against the truth and the permitted error. A pure function."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from conformance.values import Array
from oracle.formats import FORMATS


class Status(StrEnum):
    """What came of one case. Each is counted; none hides another."""

    PASS = "PASS"
    FAIL = "FAIL"
    KNOWN = "KNOWN"  # fails as the target declares it does
    UNDECIDED = "UNDECIDED"  # the permitted error exceeds the signal
    UNSUPPORTED = "UNSUPPORTED"
    CRASHED = "CRASHED"  # the target, beside its layer, or the suite raised, or its process died: nothing was judged


# What a target does not conform with.
FAILING = (Status.FAIL, Status.CRASHED)


@dataclass(frozen=True)
class Expected:
    """One output: its truth ``high + low`` (two binary64 parts) and permitted error, element by element.

    ``choices`` stands instead where the output holds indices: the admissible ones for every element, in row-major
    order.
    """

    name: str
    shape: tuple[int, ...]
    format: str
    high: Array
    low: Array
    bound: Array
    choices: tuple[frozenset[int], ...] | None = None


@dataclass(frozen=True)
class Actual:
    """One output of a target: its values as binary64 (or integers), and the format they came in."""

    values: Array
    format: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of one case; ``ratio`` is the worst error divided by the permitted error.

    ``got``, ``true`` and ``permitted`` are those of the element at ``index``, None where no element was looked at;
    ``error`` is the exception that settled the case, where one did; ``lethal`` says that it has cost a process.
    ``fault`` is what made the answer none that can be judged, such as a wrong shape or an exception, in words that do
    not depend on the check.
    """

    status: Status
    ratio: float = 0.0
    reason: str = ""
    output: str = ""
    index: tuple[int, ...] = ()
    got: float | None = None
    true: float | None = None
    permitted: float | None = None
    error: BaseException | None = field(default=None, repr=False, compare=False)
    lethal: bool = False
    fault: str = ""


def gist(sentence: str) -> str:
    """Its words, without numbers, which are those of the case: sizes, values, addresses."""
    return re.sub(r"\d+", "", " ".join(re.findall(r"\b[^\W\d]\w*", sentence)))


def judge(actual: list[Actual], expected: list[Expected]) -> Verdict:
    """The verdict on all outputs of one call: the first failure, else the worst ratio.

    Undecided where the permitted error exceeds the signal at most elements: such a bound accepts nearly anything.
    """
    if len(actual) != len(expected):
        return miscounted(actual, [output.name for output in expected])
    verdicts = [judge_output(got, output) for got, output in zip(actual, expected, strict=True)]
    failed = [verdict for verdict in verdicts if verdict.status is Status.FAIL]
    if failed:
        return failed[0]
    worst = max(verdicts, key=lambda verdict: verdict.ratio)
    vacuous, elements = sum(map(_vacuous, expected)), sum(output.high.size for output in expected)
    if 2 * vacuous > elements:
        reason = f"the permitted error exceeds the signal at {vacuous} of {elements} elements"
        return replace(worst, status=Status.UNDECIDED, reason=reason)
    return worst


def _vacuous(expected: Expected) -> int:
    """How many elements have a bound above the largest value of their output: it says nothing about them.

    What underflow leaves hides nothing: it is below the middle, on a logarithmic scale, of 1 and the smallest normal
    number.
    """
    if expected.choices is not None:
        return 0
    signal = np.nanmax(np.abs(expected.high), initial=FORMATS[expected.format].smallest_normal ** 0.5)
    return int(np.count_nonzero(~(expected.bound <= signal) & ~np.isnan(expected.high)))


def judge_output(actual: Actual, expected: Expected) -> Verdict:
    """The verdict on one output."""
    if found := misfit(actual, expected.shape, expected.format, expected.name):
        return found
    if expected.choices is not None:
        return _judge_choices(actual, expected, expected.choices)
    if actual.values.size == 0:
        return Verdict(Status.PASS, output=expected.name)
    ratio = error_ratio(actual.values, expected)
    place = int(np.argmax(ratio))
    worst = float(ratio.flat[place])
    verdict = Verdict(
        Status.PASS,
        worst,
        output=expected.name,
        index=tuple(int(i) for i in np.unravel_index(place, expected.shape)),
        got=float(actual.values.flat[place]),
        true=float(expected.high.flat[place]),
        permitted=float(expected.bound.flat[place]),
    )
    if worst > 1.0:
        reason = "the result is further from the truth than rounding can explain"
        return replace(verdict, status=Status.FAIL, reason=reason)
    return verdict


def miscounted(actual: Sequence[Actual], names: Collection[str]) -> Verdict:
    """The verdict on an answer that has not these outputs, but more or fewer."""
    reason = f"returned {len(actual)} outputs, expected {len(names)}: {', '.join(names)}"
    return Verdict(Status.FAIL, math.inf, reason, fault="number of outputs")


def misfit(actual: Actual, shape: tuple[int, ...], format: str, name: str = "") -> Verdict | None:
    """The verdict on an output of another shape or format, None where both are right."""
    if actual.values.shape != shape:
        reason = f"shape {actual.values.shape}, expected {shape}"
        return Verdict(Status.FAIL, math.inf, reason, name, fault="shape")
    if actual.format != format:
        reason = f"format {actual.format}, expected {format}"
        return Verdict(Status.FAIL, math.inf, reason, name, fault="format")
    return None


def error_ratio(values: Array, expected: Expected) -> Array:
    """|got - true| / permitted, element by element: 0 where both are 0, infinite where an exact result is missed.

    An infinity is right where the truth plus the permitted error rounds to it.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        error = np.abs((values - expected.high) - expected.low)
        ratio = np.where(error == 0.0, 0.0, error / expected.bound)
    same = (np.isnan(values) & np.isnan(expected.high)) | (values == expected.high) & ~np.isfinite(values)
    same |= np.isinf(values) & (np.sign(values) * expected.high + expected.bound >= FORMATS[expected.format].overflow)
    ratio = np.where(same | np.isposinf(expected.bound) & ~np.isnan(expected.high), 0.0, ratio)
    return np.asarray(np.where(np.isnan(ratio), np.inf, ratio))


def _judge_choices(actual: Actual, expected: Expected, choices: tuple[frozenset[int], ...]) -> Verdict:
    for place, (got, admissible) in enumerate(zip(actual.values.ravel().tolist(), choices, strict=True)):
        if got not in admissible:
            index = tuple(int(i) for i in np.unravel_index(place, expected.shape))
            reason = f"index {got}, admissible: {', '.join(map(str, sorted(admissible)))}"
            return Verdict(Status.FAIL, np.inf, reason, expected.name, index, float(got), permitted=0.0)
    return Verdict(Status.PASS, output=expected.name)

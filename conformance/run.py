"""Run one check of one layer in one format against a target, and tally what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from conformance.asking import spent
from conformance.case import Case
from conformance.checks import Check, check
from conformance.target import Deviation, Target
from conformance.verdict import Status, Verdict

# Examples per check and layer.
PROFILES = {"quick": 25, "default": 100, "thorough": 1000}


class Nonconforming(Exception):
    """A case on which the target fails, with the verdict."""

    def __init__(self, target: str, kind: str, case: Case, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.target = target
        self.kind = kind
        self.case = case
        self.verdict = verdict


@dataclass
class Tally:
    """What came of the cases of one item. ``seconds`` splits the time into drawing, target and judging."""

    counts: dict[str, int] = field(default_factory=lambda: {status.value: 0 for status in Status})
    worst: float = 0.0
    worst_case: Case | None = None
    seconds: dict[str, float] = field(default_factory=lambda: {"draw": 0.0, "target": 0.0, "judge": 0.0})
    reasons: dict[str, int] = field(default_factory=dict)
    deviations: set[str] = field(default_factory=set)
    failure: Nonconforming | None = None

    @property
    def cases(self) -> int:
        return sum(self.counts.values())

    def add(self, case: Case, verdict: Verdict) -> None:
        """Count one verdict."""
        self.counts[verdict.status] += 1
        if verdict.status in (Status.UNSUPPORTED, Status.KNOWN):
            self.reasons[verdict.reason] = self.reasons.get(verdict.reason, 0) + 1
        elif verdict.status in (Status.PASS, Status.UNDECIDED) and verdict.ratio >= self.worst:
            self.worst, self.worst_case = verdict.ratio, case


def examine(target: Target, case: Case, kind: str = "forward") -> Verdict:
    """The verdict on one case, known deviations recognised."""
    return _examine(target, case, check(kind))[0]


def _examine(target: Target, case: Case, kind: Check) -> tuple[Verdict, Deviation | None]:
    verdict = kind.examine(target, case)
    if verdict.status is Status.FAIL:
        for deviation in target.known:
            if deviation.layer == case.layer and deviation.concerns(case):
                return Verdict(Status.KNOWN, verdict.ratio, deviation.reason), deviation
    return verdict, None


def run(target: Target, layer: str, format: str, kind: str, examples: int, random: bool = False) -> Tally:
    """Draw and judge cases until one fails, which is shrunk.

    ``random``: fresh cases, or those of Hypothesis' global seed.
    """
    tally = Tally()
    source = check(kind).cases(layer, format, target)

    def judge(case: Case) -> None:
        begin, before = time.perf_counter(), spent["target"]
        verdict, deviation = _examine(target, case, check(kind))
        if tally.failure is None:  # what follows a failure is shrinking
            called = spent["target"] - before
            tally.add(case, verdict)
            tally.seconds["target"] += called
            tally.seconds["judge"] += time.perf_counter() - begin - called
            if deviation:
                tally.deviations.add(deviation.reason)
        if verdict.status is Status.FAIL:
            failure = Nonconforming(target.name, kind, case, verdict)
            tally.failure = tally.failure or failure
            raise failure

    begin = time.perf_counter()
    try:
        if isinstance(source, list):
            for case in source:
                judge(case)
        else:
            _drawn(source, examples, random)(judge)()
    except Nonconforming as shrunk:
        tally.failure = shrunk
    except Flaky:  # the target answers differently when asked again: the first failure stands as it is
        if tally.failure is None:
            raise
    tally.seconds["draw"] = time.perf_counter() - begin - tally.seconds["target"] - tally.seconds["judge"]
    return tally


def _drawn(source: SearchStrategy[Case], examples: int, random: bool) -> Any:
    configure = settings(
        max_examples=examples,
        derandomize=not random,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    return lambda judge: configure(given(source)(judge))

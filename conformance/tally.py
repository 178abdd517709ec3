"""What came of the cases of one item: counts, the largest error, and the failures that are unlike each other."""

from __future__ import annotations

import math
import traceback
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path
from typing import Any

from conformance.case import Case
from conformance.diagnosis import diagnosis
from conformance.target import Died, said
from conformance.traits import Coverage, count
from conformance.verdict import FAILING, Status, Verdict, gist

# An item tells so many failures that are unlike each other: more would not be read before these are mended.
_MOST_FAILURES = 5

# Of so many it can be said whether most fail.
_FEW_CASES = 10

_CONFORMING = (Status.PASS, Status.UNDECIDED)

_OUR_FILES = Path(__file__).parent


class Nonconforming(Exception):
    """What an item fails with: the verdict, the case, where it came to one, and what mistakes explain it.

    ``traceback`` are lines that tell where an error was raised, from the first that is not the suite's own; ``script``
    is a program that shows the failure, where one was made.
    """

    def __init__(self, kind: str, case: Case | None, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.kind = kind
        self.case = case
        self.verdict = verdict
        self.mistakes: list[str] = []
        self.script = ""
        self.traceback = [] if verdict.error is None else frames(verdict.error)

    @property
    def diagnosis(self) -> str:
        """The probable cause in words, or nothing where none is known."""
        return diagnosis(self.mistakes)

    @property
    def likeness(self) -> str:
        """What failures of an item have in common that have one cause, as far as can be told without looking into it.

        That is what an error says, or how a verdict is worded where no error was permitted or measured; wrong numbers
        are alike where they break the same relation, or none. The numbers in a sentence are those of the case.
        """
        if self.verdict.fault:
            return f"{self.verdict.status} {gist(self.verdict.fault)}"
        if self.verdict.permitted is None:
            return gist(self.verdict.reason)
        return "numbers" if self.case is None or self.case.relation is None else self.case.relation.name


def frames(error: BaseException) -> list[str]:
    """Lines that tell where it was raised, from the first that is not the suite's own."""
    if isinstance(error, Died):
        return error.words
    every = traceback.extract_tb(error.__traceback__)
    theirs = list(dropwhile(lambda frame: _OUR_FILES in Path(frame.filename).parents, every))
    return "".join(traceback.format_list(theirs or every)).splitlines()


@dataclass
class Tally:
    """What came of the cases of one item. ``seconds`` splits the time into drawing, target and judging.

    ``ratios`` are those of the cases that were drawn, in their order: error by permitted error, None where that was
    not judged; ``coverage`` counts what those that were judged are examples of; ``drawn`` is a number that depends on
    all of them. ``recalled`` counts the cases that another run has kept, which are among the ``counts``: chance has not
    chosen them, so what chances are computed from leaves them out.
    ``judged_by`` holds those fields of the declared arithmetic that are not a plain target's. No two ``failures`` are
    alike, and each is shrunk: of failures like one that was found the cases are counted alone.
    """

    counts: dict[str, int] = field(default_factory=lambda: {status.value: 0 for status in Status})
    worst: float = 0.0
    worst_case: Case | None = None
    ratios: list[float | None] = field(default_factory=list)
    coverage: Coverage = field(default_factory=dict)
    drawn: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"draw": 0.0, "target": 0.0, "judge": 0.0})
    reasons: dict[str, int] = field(default_factory=dict)
    deviations: set[str] = field(default_factory=set)
    judged_by: Mapping[str, Any] = field(default_factory=dict)
    recalled: dict[str, int] = field(default_factory=dict)
    failures: list[Nonconforming] = field(default_factory=list)

    @property
    def failure(self) -> Nonconforming | None:
        """The one that was found first, if any."""
        return self.failures[0] if self.failures else None

    @property
    def lethal(self) -> bool:
        """Whether one of the failures is too dear to be met again."""
        return any(failure.verdict.lethal for failure in self.failures)

    @property
    def cases(self) -> int:
        return sum(self.counts.values())

    @property
    def supported(self) -> int:
        """How many of those that were drawn the target supports."""
        counted = sum(count for status, count in self.counts.items() if status != Status.UNSUPPORTED)
        return counted - sum(count for status, count in self.recalled.items() if status != Status.UNSUPPORTED)

    def is_over(self, count: int) -> bool:
        """Whether nothing more is to be drawn for an item of so many cases.

        Where most of a few fail there is little left that could fail otherwise.
        """
        failed = sum(self.counts[status] for status in FAILING)
        hopeless = self.supported >= _FEW_CASES and failed > self.supported / 2
        return self.supported >= count or self.lethal or hopeless or len(self.failures) >= _MOST_FAILURES

    def asks(self, case: Case) -> None:
        """Hears of every case before it is put to the target."""

    def add(self, case: Case, verdict: Verdict) -> None:
        """Count the verdict on a case that was drawn."""
        self._count(case, verdict)
        self.ratios.append(verdict.ratio if verdict.status in _CONFORMING else None)
        self.drawn = zlib.crc32(repr(case).encode(), self.drawn)
        if verdict.status not in (Status.UNSUPPORTED, Status.CRASHED):
            count(self.coverage, case)

    def recall(self, case: Case, verdict: Verdict) -> None:
        """Count the verdict on a case that another run has kept."""
        self._count(case, verdict)
        self.recalled[verdict.status.value] = self.recalled.get(verdict.status.value, 0) + 1

    def _count(self, case: Case, verdict: Verdict) -> None:
        self.counts[verdict.status] += 1
        if verdict.status in (Status.UNSUPPORTED, Status.KNOWN):
            self.reasons[verdict.reason] = self.reasons.get(verdict.reason, 0) + 1
        elif verdict.status in _CONFORMING and verdict.ratio >= self.worst:
            self.worst, self.worst_case = verdict.ratio, case

    def crash(self, kind: str, error: BaseException) -> None:
        """Count that there was no case to judge."""
        self.failures.append(Nonconforming(kind, None, crashed(error)))
        self.counts[Status.CRASHED] += 1

    def fail(self, failure: Nonconforming) -> bool:
        """Note a failure, unless it is like one that was found. Returns whether it was noted."""
        new = all(failure.likeness != found.likeness for found in self.failures)
        if new:
            self.failures.append(failure)
        return new


def crashed(error: BaseException) -> Verdict:
    """The verdict where there was nothing to judge. A process that has died is too dear to let it die again."""
    if isinstance(error, Died):
        return Verdict(Status.CRASHED, math.inf, str(error), error=error, lethal=True, fault=str(error))
    places = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(places[-1].filename).name}, line {places[-1].lineno}, in {places[-1].name})" if places else ""
    return Verdict(Status.CRASHED, math.inf, f"{said(error)}{place}", error=error, fault=said(error))

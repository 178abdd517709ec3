"""Run one check of one layer in one format against a target, and tally what came of it."""

from __future__ import annotations

import gc
import math
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import Any

from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from conformance.asking import spent
from conformance.case import Case
from conformance.checks import check
from conformance.diagnosis import diagnosis, mistakes
from conformance.drawing import drawn, turn
from conformance.kept import Kept
from conformance.target import Deviation, Died, Target, said
from conformance.traits import Coverage, count
from conformance.verdict import FAILING, Status, Verdict, gist

# Examples per check and layer. The kernel profile asks them in the sizes that kernels meet, where a check has such.
KERNEL = "kernel"
PROFILES = {"quick": 12, "default": 100, "thorough": 1000, KERNEL: 100}

# An item tells so many failures that are unlike each other: more would not be read before these are mended.
_MOST_FAILURES = 5

# Of so many it can be said whether most fail.
_FEW_CASES = 10

# What a target does not support is drawn again, so often at most: one that supports few combinations of parameters, as
# one in eight of those of a transposed convolution, is asked as many cases as others.
_TURNS = 8

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


def examine(target: Target, case: Case, kind: str = "forward") -> Verdict:
    """The verdict on one case, known deviations recognised. Raises ``KeyError`` for an unknown kind of check."""
    return _examine(target, case, kind)[0]


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cyclic garbage: it would walk through all numbers of a large case, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def _examine(target: Target, case: Case, kind: str) -> tuple[Verdict, Deviation | None]:
    asked = check(kind)
    # what is known of the answers to valid calls excuses no answer to a wrong one
    checks = (None, kind) if case.refusal is None else (kind,)
    known = [deviation for deviation in target.known if deviation.check in checks]
    try:
        for deviation in known:
            if deviation.lethal and _is_met(deviation, case):
                return Verdict(Status.KNOWN, math.inf, deviation.reason), deviation
        verdict = asked.examine(target, case)
        if verdict.status in FAILING:
            for deviation in known:
                if deviation.layer == case.layer and _is_met(deviation, case):
                    return Verdict(Status.KNOWN, verdict.ratio, deviation.reason), deviation
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a target may even try to leave with sys.exit
        return crashed(error), None
    return verdict, None


def _is_met(deviation: Deviation, case: Case) -> bool:
    """Whether a deviation concerns one of the calls of a case, of which some may be of other layers."""
    return any(deviation.concerns(call) for call in (case, *case.steps) if call.layer == deviation.layer)


def crashed(error: BaseException) -> Verdict:
    """The verdict where there was nothing to judge. A process that has died is too dear to let it die again."""
    if isinstance(error, Died):
        return Verdict(Status.CRASHED, math.inf, str(error), error=error, lethal=True, fault=str(error))
    places = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(places[-1].filename).name}, line {places[-1].lineno}, in {places[-1].name})" if places else ""
    return Verdict(Status.CRASHED, math.inf, f"{said(error)}{place}", error=error, fault=said(error))


def run(
    target: Target,
    layer: str,
    format: str,
    kind: str,
    examples: int,
    tally: Tally | None = None,
    kernel: bool = False,
    recalled: Sequence[Kept] = (),
) -> Tally:
    """Judge the cases that another run has kept, then draw others and judge them; failures are shrunk.

    Those that are drawn are always the same, but others for each layer, format and check, and for each global seed of
    Hypothesis. What the target does not support is drawn again, some times. After a failure the search goes on for
    others that are unlike it, unless most cases fail. ``tally`` is where to count, for a caller who wants to know the
    counts even if the run is interrupted; nothing else is raised. ``kernel``: the cases of the kernel profile.
    """
    tally = tally or Tally()
    begin = time.perf_counter()
    try:
        tally.judged_by = _judged_by(target, layer, format)
        unshrunk = _recall(target, kind, recalled, tally)
        if not tally.failures:
            _ask(target, layer, format, kind, examples, tally, kernel)
        for failure in unshrunk:
            tally.fail(failure)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        tally.crash(kind, error)
    finally:
        tally.seconds["draw"] = time.perf_counter() - begin - tally.seconds["target"] - tally.seconds["judge"]
    for found in tally.failures:
        if found.case and found.verdict.status is Status.FAIL and not found.verdict.lethal:
            found.mistakes = mistakes(target, found.case, kind)
    return tally


def _judged_by(target: Target, layer: str, format: str) -> dict[str, Any]:
    if target.layer(layer) is None:
        return {}
    declared, plain = target.declared(layer, format), Target().declared(layer, format)
    found = {**vars(declared), "units": dict(declared.units), "scattered": sorted(declared.scattered)}
    return {name: value for name, value in found.items() if getattr(declared, name) != getattr(plain, name)}


def _recall(target: Target, kind: str, cases: Sequence[Kept], tally: Tally) -> list[Nonconforming]:
    """Put the cases that another run has kept. The tally notes the failures of those that had failed then too.

    Others that fail are returned: these were never shrunk, and there may be plainer ones to draw.
    """
    unshrunk = []
    for kept in cases:
        verdict = _counted(tally, kept.case, partial(_examine_kept, target, kept, kind), tally.recall)
        if verdict.status not in FAILING:
            continue
        failure = Nonconforming(kind, kept.case, verdict)
        if kept.failed or verdict.lethal:
            tally.fail(failure)
        else:
            unshrunk.append(failure)
        if tally.lethal:
            break
    return unshrunk


def _examine_kept(target: Target, kept: Kept, kind: str) -> tuple[Verdict, Deviation | None]:
    if lacking := lacks(target, kept.case):
        return lacking, None
    verdict, deviation = _examine(target, kept.case, kind)
    if verdict.status is Status.CRASHED and kept.status != Status.CRASHED and kept.foreign and not verdict.lethal:
        reason = f"kept by another version of the suite, and of no use to this one: {verdict.reason}"
        return Verdict(Status.UNSUPPORTED, reason=reason), None
    return verdict, deviation


def lacks(target: Target, case: Case) -> Verdict | None:
    """The verdict on a case of another run, of which the target need not know the format or the layouts."""
    if case.format not in target.formats:
        return Verdict(Status.UNSUPPORTED, reason=f"{target.name} has no {case.format}")
    if strange := sorted({*case.layouts.values()} - {*target.layouts}):
        return Verdict(Status.UNSUPPORTED, reason=f"{target.name} has no layout {', '.join(strange)}")
    return None


def _counted(
    tally: Tally,
    case: Case,
    examined: Callable[[], tuple[Verdict, Deviation | None]],
    count: Callable[[Case, Verdict], None],
) -> Verdict:
    """The verdict on a case, which is counted."""
    tally.asks(case)
    begin, before = time.perf_counter(), spent["target"]
    verdict, deviation = examined()
    called = spent["target"] - before
    count(case, verdict)
    tally.seconds["target"] += called
    tally.seconds["judge"] += time.perf_counter() - begin - called
    if deviation:
        tally.deviations.add(deviation.reason)
    return verdict


def _ask(target: Target, layer: str, format: str, kind: str, examples: int, tally: Tally, kernel: bool) -> None:
    """Ask cases until the target has supported so many, or some turns of so many have been drawn."""
    asked = check(kind)
    sizes = getattr(asked, "kernel", None) if kernel else None
    count, seen = 0, set[str]()
    for number in range(_TURNS):
        before = tally.cases
        with turn(number):
            source = sizes(layer, format, target) if sizes else asked.cases(layer, format, target, examples)
            if isinstance(source, list):
                count = count or len(source)
                _ask_each([case for case in source if repr(case) not in seen], target, kind, tally, count)
                seen.update(map(repr, source))
            else:
                count = max(examples // getattr(asked, "COST", 1), 1)
                search = _Search(target, kind, tally, count, min(number, 1))  # all turns begin with the smallest
                while search.finds(source, f"{layer} {format} {kind}") and not tally.is_over(count):
                    search = _Search(target, kind, tally, count, search.judged)
        if tally.is_over(count) or not tally.supported or tally.cases == before:
            return


def _ask_each(cases: Iterable[Case], target: Target, kind: str, tally: Tally, count: int) -> None:
    for case in cases:
        verdict = _counted(tally, case, partial(_examine, target, case, kind), tally.add)
        if verdict.status in FAILING:
            tally.fail(Nonconforming(kind, case, verdict))
        if tally.lethal or tally.supported == count:
            return


class _Search:
    """A search for a failure that is unlike those of the tally, in a sequence of cases that is always the same.

    The first ``judged`` cases of it have been asked by earlier searches. It ends where the tally has ``count`` cases
    that the target supports.
    """

    def __init__(self, target: Target, kind: str, tally: Tally, count: int, judged: int) -> None:
        self._target = target
        self._kind = kind
        self._tally = tally
        self._count = count
        self._before = judged
        self._found: Nonconforming | None = None
        self.judged = 0

    def finds(self, source: SearchStrategy[Case], about: str) -> bool:
        """Draw ``count`` cases, until one fails, which is shrunk. Returns whether there was one."""
        try:
            drawn(source, self._judge, self._count, about)
        except (Nonconforming, Flaky):
            # Flaky: the target answers differently when asked again. What has failed last stands.
            if self._found is None:
                raise
        return self._found is not None

    def _judge(self, case: Case) -> None:
        if self._found is None:
            self._look(case)
        elif not self._found.verdict.lethal:
            self._shrink(case, self._found)
        elif case == self._found.case:  # too dear to be shrunk, or asked again
            raise self._found

    def _look(self, case: Case) -> None:
        self.judged += 1
        if self.judged <= self._before or self._tally.is_over(self._count):
            return
        verdict = _counted(self._tally, case, partial(_examine, self._target, case, self._kind), self._tally.add)
        if verdict.status in FAILING and self._tally.fail(failure := Nonconforming(self._kind, case, verdict)):
            self._found = failure
            raise failure

    def _shrink(self, case: Case, found: Nonconforming) -> None:
        """A smaller case stands for the one that was found where it fails alike."""
        self._tally.asks(case)
        verdict, _ = _examine(self._target, case, self._kind)
        failure = Nonconforming(self._kind, case, verdict)
        if verdict.status in FAILING and failure.likeness == found.likeness:
            self._tally.failures[self._tally.failures.index(found)] = self._found = failure
            raise failure

"""Run one check of one layer in one format against a target, and tally what came of it."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from conformance.asking import spent
from conformance.case import Case
from conformance.checks import check
from conformance.diagnosis import mistakes
from conformance.drawing import drawn, turn
from conformance.kept import Kept
from conformance.tally import Nonconforming, Tally, crashed
from conformance.target import Deviation, Target
from conformance.verdict import FAILING, Status, Verdict

# Examples per check and layer. The kernel profile asks them in the sizes that kernels meet, where a check has such.
KERNEL = "kernel"
PROFILES = {"quick": 12, "default": 100, "thorough": 1000, KERNEL: 100}

# What a target does not support is drawn again, so often at most: one that supports few combinations of parameters, as
# one in eight of those of a transposed convolution, is asked as many cases as others.
_TURNS = 8


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
        if failure := _put(target, kind, tally, case):
            tally.fail(failure)
        if tally.lethal or tally.supported == count:
            return


def _put(target: Target, kind: str, tally: Tally, case: Case) -> Nonconforming | None:
    """The failure of a case that was drawn, which is counted; None where it does not fail."""
    verdict = _counted(tally, case, partial(_examine, target, case, kind), tally.add)
    return Nonconforming(kind, case, verdict) if verdict.status in FAILING else None


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
        failure = _put(self._target, self._kind, self._tally, case)
        if failure and self._tally.fail(failure):
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

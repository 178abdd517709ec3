"""Put the cases that a run has recorded again: to the same target, another build of it, or another target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance import isolation
from conformance.checking import lenient
from conformance.kept import Kept
from conformance.run import examine, lacks
from conformance.target import Target
from conformance.verdict import FAILING, Status, Verdict


@dataclass(frozen=True)
class Again:
    """A recorded case and the verdict on it now."""

    recorded: Kept
    verdict: Verdict

    @property
    def fails(self) -> bool:
        return self.verdict.status in FAILING

    @property
    def changed(self) -> bool:
        """Whether it failed then and does not now, or the other way round."""
        return self.fails != self.recorded.failed

    def line(self) -> str:
        """In words, for a console."""
        now = f"{self.verdict.status.value} {self.verdict.ratio:.3g}"
        then = f"{self.recorded.status} {self.recorded.ratio:.3g}"
        reason = f": {self.verdict.reason}" if self.verdict.reason and self.verdict.status is not Status.PASS else ""
        return f"{self.recorded.item}: {now} (then {then}){reason}"


def replayed(target: Target, cases: Iterable[Kept], timeout: float = isolation.TIMEOUT) -> Iterator[Again]:
    """The verdicts on these cases, one by one.

    The calls of a target that may end the process are made in another one, which answers within ``timeout`` seconds.
    """
    for recorded in cases:
        yield Again(recorded, lacks(target, recorded.case) or _verdict(target, recorded, timeout))


def _verdict(target: Target, recorded: Kept, timeout: float) -> Verdict:
    if target.trusted:
        with lenient():
            return examine(target, recorded.case, recorded.check)
    assert target.loaded_as is not None, "targets are loaded by a name"
    return isolation.worker(target.loaded_as, timeout).put(recorded.case, recorded.check)

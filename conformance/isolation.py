"""Calls that may end the process are made in another one.

A worker is a process that has loaded a target by its name (``conformance.worker``). It is given questions, a line of
JSON each, and answers by lines of JSON. Before every call it says what it is about to do: where it dies, or says
nothing for too long, the case at hand is known, and the next question starts another.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from hypothesis import core

from conformance.asking import ask, spent
from conformance.case import Case
from conformance.kept import Kept
from conformance.program import Program
from conformance.report import restore, restored
from conformance.tally import Nonconforming, Tally, crashed
from conformance.target import Died, Refused, Target
from conformance.verdict import Status, Verdict

# Seconds that loading a target may take, and by default a call, or judging its answer.
TIMEOUT = 60.0

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from conformance import worker; worker.serve()"


def put(target: Target, case: Case) -> Verdict:
    """What comes of a call: PASS, with the shapes of the outputs as reason, UNSUPPORTED, FAIL, or CRASHED.

    FAIL carries an error where the layer function has raised one. A target that was not loaded by a name is called
    here, any other in a process of its own.
    """
    if target.loaded_as is not None:
        return worker(target.loaded_as).put(case)
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return answer
    return Verdict(Status.PASS, reason=f"returned {', '.join(str(output.values.shape) for output in answer)}")


class Worker:
    """A process for the target of this name. ``timeout`` is in seconds."""

    def __init__(self, name: str, timeout: float = TIMEOUT) -> None:
        arguments = [sys.executable, "-c", _PROGRAM, name, json.dumps(sys.path)]
        self._program = Program(arguments, timeout, lambda program: program.line(TIMEOUT))

    def put(self, case: Case, kind: str | None = None) -> Verdict:
        """As the function ``put``, or as ``conformance.run.examine`` where a kind of check is named."""
        begin = time.perf_counter()
        try:
            *_, answer = self._answers({"case": case.to_json(), "check": kind})
        except Died as died:
            return crashed(died)
        finally:
            spent["target"] += time.perf_counter() - begin
        error = Refused(answer["reason"]) if answer["raised"] else None
        status, ratio = Status(answer["status"]), float(answer["ratio"])
        return Verdict(status, ratio, answer["reason"], error=error, fault=answer["fault"])

    def run(
        self,
        layer: str,
        format: str,
        kind: str,
        examples: int,
        tally: Tally,
        kernel: bool = False,
        recalled: Sequence[Kept] = (),
    ) -> None:
        """As ``conformance.run.run``. Where the process dies the tally ends with the case at hand, CRASHED."""
        question: dict[str, Any] = {"item": [layer, format, kind], "examples": examples, "kernel": kernel}
        question["recalled"] = [kept.to_json() for kept in recalled]
        case = None
        try:
            for answer in self._answers({**question, "seed": core.global_force_seed}):
                tally.recalled = answer.get("recalled", tally.recalled)
                if "item" in answer:
                    restore(tally, answer["item"])
                elif "asking" in answer:
                    case, tally.counts = answer["asking"], answer["counts"]
                    tally.failures = restored(kind, answer["failures"])
        except Died as died:
            tally.failures.insert(0, Nonconforming(kind, case and Case.from_json(case), crashed(died)))
            tally.counts[Status.CRASHED] += 1

    def stop(self) -> None:
        """End the process, if there is one."""
        self._program.stop()

    def _answers(self, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """All that the process says to a question; the last is the answer. Raises ``Died`` if there is none."""
        self._program.tell(json.dumps(question).encode() + b"\n")
        while True:
            found: dict[str, Any] = json.loads(self._program.line())
            if "died" in found:
                raise self._program.died(found["died"])
            yield found
            if "asking" not in found and "alive" not in found:
                return


@cache
def worker(name: str, timeout: float = TIMEOUT) -> Worker:
    """The worker of this process for a target."""
    return Worker(name, timeout)

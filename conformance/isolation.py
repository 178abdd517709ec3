"""Calls that may end the process are made in another one.

A worker is a process that has loaded a target by its name. It is given cases and says what came of them, a line of JSON
each. Where it dies, or gives no answer in time, the case that it was given is known; the next case starts another.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from typing import Any

from conformance.asking import ask, spent
from conformance.case import Case
from conformance.target import Target, said
from conformance.targets import load
from conformance.verdict import Status, Verdict

# Seconds that loading a target may take, and by default an answer.
TIMEOUT = 60.0

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from conformance import isolation; isolation.serve()"
)


class Refused(Exception):
    """What a layer function has raised in another process, in words."""


class Died(Exception):
    """A worker has ended without an answer; the message says how."""


def put(target: Target, case: Case) -> Verdict:
    """What comes of a call: PASS, with the shapes of the outputs as reason, UNSUPPORTED, FAIL, or CRASHED.

    FAIL carries an error where the layer function has raised one. A target that was not loaded by a name is called
    here, any other in a process of its own.
    """
    if target.loaded_as is not None:
        return _worker(target.loaded_as).put(case)
    answer = ask(target, case)
    if isinstance(answer, Verdict):
        return answer
    return Verdict(Status.PASS, reason=f"returned {', '.join(str(output.values.shape) for output in answer)}")


class Worker:
    """A process for the target of this name, which starts when it is needed."""

    def __init__(self, name: str, timeout: float = TIMEOUT) -> None:
        self._name = name
        self._timeout = timeout
        self._process: subprocess.Popen[str] | None = None

    def put(self, case: Case) -> Verdict:
        """As the function ``put``."""
        begin = time.perf_counter()
        try:
            answer = self._exchanged(json.dumps(case.to_json()))
        except Died as died:
            return Verdict(Status.CRASHED, math.inf, str(died), error=died, lethal=True, fault=str(died))
        except BaseException:
            self.stop()  # what it still may answer is no longer asked
            raise
        finally:
            spent["target"] += time.perf_counter() - begin
        error = Refused(answer["reason"]) if answer["raised"] else None
        status, ratio = Status(answer["status"]), float(answer["ratio"])
        return Verdict(status, ratio, answer["reason"], error=error, fault=answer["fault"])

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _exchanged(self, question: str) -> dict[str, Any]:
        if self._process is None:
            arguments = [sys.executable, "-c", _PROGRAM, self._name, json.dumps(sys.path)]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(arguments, encoding="utf-8", stdin=pipe, stdout=pipe)
            self._line(self._process, TIMEOUT)
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            stdin.write(question + "\n")
            stdin.flush()
        found: dict[str, Any] = json.loads(self._line(self._process, self._timeout))
        if "died" in found:
            self.stop()
            raise Died(found["died"])
        return found

    def _line(self, process: subprocess.Popen[str], timeout: float) -> str:
        """What the process says next. Raises ``Died`` where it ends, or is ended because it takes too long."""
        stdout = process.stdout
        assert stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            line = stdout.readline()
        finally:
            timer.cancel()
        if not line:
            process.communicate()
            self._process = None
            raise Died(f"timed out after {timeout:g} s" if late.is_set() else _ended(process.returncode))
        return line


def _ended(status: int) -> str:
    if status < 0:
        return f"the process died of {signal.Signals(-status).name}"
    return f"the process ended with the status {status}"


@cache
def _worker(name: str) -> Worker:
    """The worker of this process for a target."""
    worker = Worker(name)
    atexit.register(worker.stop)
    return worker


def serve() -> None:
    """The program of a worker: load the target named in the first argument, then answer every line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a target prints is no answer
    faulthandler.enable()
    target = load(sys.argv[1])
    target.loaded_as = None  # it is called here
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            verdict = put(target, Case.from_json(json.loads(line)))
        except BaseException as error:  # what is not the layer's own, such as a CUDA device after a failed assertion
            print(json.dumps({"died": said(error)}), file=answers, flush=True)
            raise
        found = {"status": verdict.status.value, "ratio": verdict.ratio, "reason": verdict.reason}
        found |= {"raised": verdict.error is not None, "fault": verdict.fault}
        print(json.dumps(found), file=answers, flush=True)

"""The program of a worker: it loads a target and answers questions about it, for ``conformance.isolation``.

Questions are lines of JSON on the standard input. ``{"case": …, "check": …}`` asks for the verdict on a call, or of a
check on a case where it is not null; ``{"item": [layer, format, check], "examples": …, "kernel": …, "recalled": …,
"seed": …}`` for a run of one item. Before the answer there are lines that say what is at hand: ``{"asking": case,
"counts": …, "recalled": …, "failures": …}`` and ``{"alive": true}``. ``{"died": reason}`` is the last one of a process
in which nothing can be asked any more: also where it lives on, but the device that it uses does not.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from hypothesis import core

from conformance.case import Case
from conformance.checking import lenient
from conformance.isolation import put
from conformance.kept import Kept
from conformance.report import failures_data, item_data
from conformance.run import examine, run
from conformance.tally import Tally, frames
from conformance.target import Target, said
from conformance.targets import load
from conformance.watched import Wrapped

# Seconds between two signs of life: far less than any call may take, and few enough to cost nothing.
_PULSE = 0.5


def serve() -> None:
    """Load the target named in the first argument, then answer every line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a target prints is no answer
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # nor lost where the process ends
    faulthandler.enable()
    target = load(sys.argv[1])
    _say(answers, {"ready": True})
    for line in sys.stdin:
        question = json.loads(line)
        try:
            _say(answers, (_examined if "item" in question else _put)(target, question, answers))
        except BaseException as error:  # what is not the layer's own, such as a CUDA device after a failed assertion
            print(*frames(error), sep="\n", file=sys.stderr, flush=True)  # read once it is said that it died
            _say(answers, {"died": said(error)})
            sys.exit(1)


def _say(answers: TextIO, found: dict[str, Any]) -> None:
    print(json.dumps(found), file=answers, flush=True)


def _require_usable(target: Target, answers: TextIO) -> None:
    """End the process where the target finds nothing to compute with any more."""
    try:
        target.require_usable()
    except Exception as error:
        _say(answers, {"died": said(error)})
        os._exit(1)  # an exception would be the answer to the next case


def _put(target: Target, question: dict[str, Any], answers: TextIO) -> dict[str, Any]:
    here = Wrapped(target)
    here.loaded_as = None  # it is called here
    case, kind = Case.from_json(question["case"]), question["check"]
    with lenient():
        verdict = put(here, case) if kind is None else examine(target, case, kind)
    if verdict.error is not None:
        _require_usable(target, answers)
    found = {"status": verdict.status.value, "ratio": verdict.ratio, "reason": verdict.reason}
    return {**found, "raised": verdict.error is not None, "fault": verdict.fault}


def _examined(target: Target, question: dict[str, Any], answers: TextIO) -> dict[str, Any]:
    core.global_force_seed = question["seed"]
    layer, format, check = question["item"]
    told = _Told(target, answers)
    alive, recalled = _Alive(target, told.lives), list(map(Kept.from_json, question["recalled"]))
    with lenient():
        run(alive, layer, format, check, question["examples"], told, question["kernel"], recalled)
    told.require_usable()
    return {"item": item_data(layer, format, check, told), "recalled": told.recalled}


class _Told(Tally):
    """A tally that tells what is at hand, and looks after failures whether the target can be asked again."""

    def __init__(self, target: Target, answers: TextIO) -> None:
        super().__init__()
        self._target = target
        self._answers = answers
        self._last = time.monotonic()

    def require_usable(self) -> None:
        """Called before the next case, and after the last: where the process ends, the case at hand was the cause."""
        if self.failures:
            _require_usable(self._target, self._answers)

    def asks(self, case: Case) -> None:
        self.require_usable()
        self._last = time.monotonic()
        failures = failures_data(self.failures)
        found = {"counts": self.counts, "recalled": self.recalled, "failures": failures}
        _say(self._answers, {"asking": case.to_json(), **found})

    def lives(self) -> None:
        """Called before every call of the target."""
        if time.monotonic() - self._last > _PULSE:
            self._last = time.monotonic()
            _say(self._answers, {"alive": True})


class _Alive(Wrapped):
    """A target that gives a sign of life before each call."""

    def __init__(self, target: Target, lives: Callable[[], None]) -> None:
        super().__init__(target)
        self._lives = lives

    def layer(self, name: str) -> Callable[..., Any] | None:
        self._lives()
        return self._target.layer(name)

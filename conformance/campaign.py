"""A campaign: rounds of the suite, each with another seed, for hours.

Every round is a run of pytest in a process of its own, and leaves one small file when it ends. What a campaign has
found is what these files say together: it may be killed at any time, goes on when it is called again, and several that
share a folder add to each other.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.causes import Cause, causes, failures, item_name
from conformance.certificate import Unusable, cases
from conformance.environment import suite
from conformance.files import write
from conformance.report import cause_lines
from conformance.verdict import Status

Round = Mapping[str, Any]

# What is not kept of a failure: its case, in the corpus, shows it again.
_LEFT_OUT = frozenset({"script", "traceback"})

# Exit codes of rounds that have said what they could.
_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)

# Lines of what a round has printed that are shown where it ends the campaign.
_LAST_WORDS = 20

_COLUMNS = 80
_SEEDS = 2**32


@dataclass(frozen=True)
class Limit:
    """When to stop: at a time, that of ``time.monotonic``, or after so many rounds, whichever comes first."""

    until: float | None
    rounds: int | None

    @classmethod
    def of(cls, hours: float | None, rounds: int | None) -> Limit:
        """One that counts from now on."""
        return cls(None if hours is None else time.monotonic() + 3600.0 * hours, rounds)

    def seconds(self) -> float | None:
        """How many are left."""
        return None if self.until is None else max(self.until - time.monotonic(), 0.0)

    def reached(self, rounds: int) -> bool:
        """Whether this is the end, after so many rounds."""
        return self.seconds() == 0.0 or rounds == self.rounds

    def left(self, rounds: int) -> str:
        """What is left after so many rounds, in words, for the next one."""
        seconds, found = self.seconds(), []
        if seconds is not None:
            found.append(f"{_time(seconds)} left")
        if self.rounds is not None:
            found.append(f"{rounds + 1} of {self.rounds} rounds")
        return ", ".join(found)


class Campaign:
    """The campaign in a folder: a file that says what it is of, one for every round, and a corpus."""

    def __init__(self, folder: Path, target: str) -> None:
        """Begin one, or go on with it.

        Raises ``Unusable`` for one of another suite or target and for damaged files, ``OSError`` where the folder
        cannot be written.
        """
        self._folder = folder
        (folder / "rounds").mkdir(parents=True, exist_ok=True)
        made_by = "{version} ({sources})".format(**suite())
        path, about = folder / "campaign.json", {"target": target, "suite": made_by}
        if path.exists():
            self._require(_read(path), about)
        else:
            write(path, json.dumps(about, indent=1) + "\n")
        self._rounds = self._found()

    @property
    def corpus(self) -> Path:
        """Where the cases of the rounds are kept, unless an option names another place."""
        return self._folder / "corpus"

    def run(self, command: Sequence[str], options: Sequence[str], limit: Limit, say: Callable[[str], object]) -> int:
        """Put rounds until the limit is reached. Gives pytest's exit code for all rounds of the campaign.

        ``command`` runs pytest, with these ``options``; ``say`` prints a line. Raises ``Unusable`` where the target is
        no longer the one of earlier rounds.
        """
        count, was_killed = 0, False
        while not limit.reached(count):
            seed, begun = self._fresh_seed(), time.time()
            say(f"round {len(self._rounds) + 1}, seed {seed}; {limit.left(count)}")
            code, interrupted = self._put([*command, f"--corpus={self.corpus}", *options], seed, limit)
            try:
                asked = self._take(seed, begun, say)
            except OSError as error:
                say(f"{error.filename} cannot be written: {error.strerror}; no other call will know of this round")
                return pytest.ExitCode.INTERNAL_ERROR
            ended = asked > 0 and code in _ENDED
            if ended:
                self._log(seed).unlink()
            if interrupted:
                return pytest.ExitCode.INTERRUPTED
            if limit.seconds() == 0.0 or code == pytest.ExitCode.NO_TESTS_COLLECTED:
                break
            killed = code < 0
            if killed and not was_killed:
                say(f"  killed by {signal.Signals(-code).name}: what it has found is in the corpus alone")
            elif not ended:
                self._tell_last_words(seed, say)
                return code if code > 0 else pytest.ExitCode.INTERNAL_ERROR
            count, was_killed = count + 1, killed
        return self._verdict()

    def _tell_last_words(self, seed: int, say: Callable[[str], object]) -> None:
        say("the round has failed, and the campaign ends with it; the last that it printed:")
        printed = self._log(seed).read_text(encoding="utf-8", errors="replace").splitlines()
        for line in list(filter(str.strip, printed))[-_LAST_WORDS:]:
            say(f"  {line}")

    def _fresh_seed(self) -> int:
        """One that no round of the campaign has had."""
        had = {round["seed"] for round in self._rounds}
        while (seed := random.SystemRandom().randrange(_SEEDS)) in had:
            pass
        return seed

    def _put(self, command: Sequence[str], seed: int, limit: Limit) -> tuple[int, bool]:
        """The exit code of a round, and whether its user has interrupted it.

        At the end of the time it is interrupted here: a run of pytest that is leaves what it has found until then.
        """
        with self._log(seed).open("wb") as log:
            # the keyboard interrupts this process alone, which tells the other once: twice would cost its report
            process = subprocess.Popen(
                [*command, f"--hypothesis-seed={seed}", f"--report={self._report(seed)}"],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            left, interrupted = limit.seconds(), False
            while True:
                try:
                    return process.wait(left), interrupted
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    if not interrupted:
                        process.send_signal(signal.SIGINT)
                    interrupted = True
                left = None

    def _take(self, seed: int, begun: float, say: Callable[[str], object]) -> int:
        """Record a round and tell what is known now. Gives its number of cases: none, where it has left no report.

        Raises ``OSError`` where the file cannot be written; then the round is known to this campaign alone.
        """
        if not self._report(seed).exists():
            return 0
        round = _recorded(_read(self._report(seed)), seed, begun)
        if self._rounds:
            self._require(self._rounds[0], {"build": round["build"]})
        self._rounds.append(round)
        write(self._folder / "rounds" / f"{seed}.json", json.dumps(round, indent=1) + "\n")
        self._report(seed).unlink()
        self._rounds = self._found()
        found = self._causes()
        say(f"  {round['cases']} cases, {self._cases('cases')} in all; causes of failures so far: {len(found)}")
        for cause in found:
            words = textwrap.shorten(f"{cause.layer}: {cause.words}", _COLUMNS - 8, placeholder=" …")
            say(f"  {len(cause.items):>5} {words}")
        return int(round["cases"])

    def _report(self, seed: int) -> Path:
        return self._folder / f"{seed}.report.json"

    def _log(self, seed: int) -> Path:
        return self._folder / f"{seed}.log"

    def _found(self) -> list[Round]:
        """All rounds in the order in which they began, also those of others that share the folder."""
        rounds = map(_read, (self._folder / "rounds").glob("*.json"))
        return sorted(rounds, key=lambda round: (round["begun"], round["seed"]))

    def _require(self, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        for name, value in expected.items():
            if found.get(name) != value:
                raise Unusable(
                    f"{self._folder} holds another campaign: its {name} is {found.get(name)!r}, not {value!r}; choose "
                    f"another folder with --into, where --corpus={self.corpus} would put these cases first"
                )

    def _cases(self, kind: str) -> int:
        return sum(round[kind] for round in self._rounds)

    def _verdict(self) -> pytest.ExitCode:
        if any(round["failed"] for round in self._rounds):
            return pytest.ExitCode.TESTS_FAILED
        return pytest.ExitCode.OK if self._cases("judged") else pytest.ExitCode.NO_TESTS_COLLECTED

    def _causes(self) -> list[Cause]:
        """Why items failed. A case counts once, for the first round that it failed in."""
        failed: dict[str, dict[str, Any]] = {}
        for number, round in enumerate(self._rounds, 1):
            for item in round["failed"]:
                key = json.dumps([item_name(item), item["failure"]["case"] or item["failure"]["reason"]])
                failed.setdefault(key, {**item, "round": number, "seed": round["seed"]})
        formats = dict.fromkeys(format for round in self._rounds for format in round["offered_formats"])
        return causes(failed.values(), list(formats))

    def summary(self) -> Iterator[str]:
        """What all rounds have found: lines for a console."""
        spent = _time(sum(round["seconds"] for round in self._rounds))
        yield f"{len(self._rounds)} rounds in {spent}, {self._cases('cases')} cases; their seeds name the files in"
        yield f"{self._folder / 'rounds'}"
        for cause in self._causes():
            first = min(cause.items, key=lambda item: int(item["round"]))
            yield from cause_lines([cause])
            yield f"        first in round {first['round']}: --hypothesis-seed={first['seed']}"
            yield f"        case: {json.dumps(cause.representative['failure']['case'])}"


def _time(seconds: float) -> str:
    """In words."""
    hours, minutes = divmod(int(seconds / 60.0), 60)
    return f"{hours} h {minutes} min"


def _recorded(report: Mapping[str, Any], seed: int, begun: float) -> dict[str, Any]:
    """What a round leaves of its report."""
    items = report["items"]
    return {
        "seed": seed,
        "begun": datetime.fromtimestamp(begun, UTC).isoformat(timespec="milliseconds"),
        "seconds": time.time() - begun,
        "interrupted": report["interrupted"],
        "build": report["environment"]["target"],
        "offered_formats": report["offered_formats"],
        "cases": cases(items),
        "judged": cases(items) - sum(item["counts"][Status.UNSUPPORTED] for item in items),
        "failed": [_failed(item, failure) for item in items for failure in failures(item)],
    }


def _failed(item: Mapping[str, Any], failure: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in failure.items() if name not in _LEFT_OUT}
    return {"layer": item["layer"], "format": item["format"], "check": item["check"], "failure": kept}


def _read(path: Path) -> dict[str, Any]:
    """Raises ``Unusable`` for what is no whole file of a campaign."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
    except (OSError, ValueError) as error:
        raise Unusable(f"{path} cannot be read: {error}; where it was cut off, remove it and go on") from error
    return found

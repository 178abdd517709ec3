"""Campaigns: rounds with other seeds, what they leave, and that nothing but a round is ever lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance import campaign
from conformance.campaign import Campaign, Limit
from conformance.case import Case
from conformance.certificate import Unusable
from conformance.report import item_data
from conformance.tally import Nonconforming, Tally
from conformance.values import Values
from conformance.verdict import Status, Verdict
from tests.certified import WRONG

ROOT = Path(__file__).parents[1]

# Stands for pytest: it is given the options of a round, and leaves a report.
STUB = """
import json, os, signal, sys, time

options = dict(given.lstrip("-").split("=", 1) for given in sys.argv[1:])
seed = int(options["hypothesis-seed"])

def leave(report):
    with open(options["report"], "w") as file:
        json.dump(report, file)

def until_interrupted(done):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done()
        time.sleep(60)
    except KeyboardInterrupt:
        leave({**REPORT, "interrupted": True})
        sys.exit(2)

"""


def item(case: Case | None = None, fault: str = "shape") -> dict[str, Any]:
    """An item of four cases, of which this one fails, if any."""
    tally = Tally()
    for size in range(1, 4):
        tally.add(Case("relu", "float32", {"input": Values((size,))}), Verdict(Status.PASS, 0.5))
    if case is not None:
        verdict = Verdict(Status.FAIL, 2.0, f"wrong {fault}", fault=fault)
        tally.add(case, verdict)
        tally.failures.append(Nonconforming("forward", case, verdict))
    return item_data("relu", "float32", "forward", tally)


def relu(size: int) -> Case:
    return Case("relu", "float32", {"input": Values((size,))})


def report(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """All that a campaign reads of a report."""
    found = {"interrupted": False, "items": items, "offered_formats": ["float32"]}
    return {**found, "environment": {"target": {"relu": "1.0"}}, **changes}


def command(reported: dict[str, Any], program: str = "leave(REPORT)") -> Sequence[str]:
    """A round that leaves this report, or does something else."""
    return [sys.executable, "-S", "-c", f"{STUB}{program}".replace("REPORT", repr(reported))]


def put(folder: Path, pytest: Sequence[str], rounds: int = 1, hours: float | None = None) -> tuple[int, list[str]]:
    """The exit code of a campaign in this folder, and what it prints."""
    said: list[str] = []
    found = Campaign(folder, "mine")
    code = found.run(pytest, ["--layer=relu"], Limit.of(hours, rounds), said.append)
    return code, [*said, *found.summary()]


def rounds(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (folder / "rounds").iterdir()]


def test_every_round_has_a_seed_of_its_own_and_leaves_one_file(tmp_path: Path) -> None:
    code, said = put(tmp_path, command(report(item())), 3)
    assert code == 0
    seeds = [round["seed"] for round in rounds(tmp_path)]
    assert len({*seeds}) == 3
    first = next(line for line in said if line.startswith("round 1, seed "))
    assert int(first.removeprefix("round 1, seed ").partition(";")[0]) in seeds
    assert first.endswith("; 1 of 3 rounds")
    assert "  3 cases, 9 in all; causes of failures so far: 0" in said
    assert said[-2].startswith("3 rounds in 0 h 0 min, 9 cases; their seeds name the files in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign.json", "rounds"]


def test_a_round_is_given_the_corpus_its_seed_and_the_options(tmp_path: Path) -> None:
    _, said = put(tmp_path, command(report(item()), "print(*sys.argv[1:], sep='\\n')\nsys.exit(4)"))
    seed = said[0].removeprefix("round 1, seed ").partition(";")[0]
    given = [f"  --corpus={tmp_path / 'corpus'}", "  --layer=relu", f"  --hypothesis-seed={seed}"]
    assert said[2:6] == [*given, f"  --report={tmp_path / f'{seed}.report.json'}"]


def test_a_second_call_goes_on_and_repeats_no_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = iter([5, 5, 5, 6])
    monkeypatch.setattr(campaign.random, "SystemRandom", lambda: type("", (), {"randrange": lambda *_: next(seeds)})())
    put(tmp_path, command(report(item())))
    _, said = put(tmp_path, command(report(item())))
    assert said[0].startswith("round 2, seed 6; ")
    assert "  3 cases, 6 in all; causes of failures so far: 0" in said


def test_alarms_are_grouped_by_cause_with_the_first_seed_and_the_plainest_case(tmp_path: Path) -> None:
    for found in (item(), item(relu(7)), item(relu(3)), item(relu(7)), item(relu(5), "format")):
        code, said = put(tmp_path, command(report(found)))
    assert code == 1
    assert "  4 cases, 19 in all; causes of failures so far: 2" in said
    assert said[2:4] == ["      2 relu: wrong shape", "      1 relu: wrong format"]
    summary = said[said.index("relu: wrong shape") :]
    assert summary[1] == "        2 failures: forward (float32)"
    first = min((round for round in rounds(tmp_path) if round["failed"]), key=lambda round: round["begun"])
    assert summary[3] == f"        first in round 2: --hypothesis-seed={first['seed']}"
    assert summary[4] == f"        case: {json.dumps(relu(3).to_json())}"
    again = put(tmp_path, command(report()), rounds=0)
    assert again == (1, said[4:]), "what was found is shown without a round"


def test_a_campaign_in_which_nothing_was_judged_is_no_success(tmp_path: Path) -> None:
    assert put(tmp_path, command(report(), "leave(REPORT)\nsys.exit(5)"), 3)[0] == 5
    assert len(rounds(tmp_path)) == 1, "the next rounds would ask nothing either"


def test_a_round_that_is_killed_loses_itself_and_a_second_one_ends_the_campaign(tmp_path: Path) -> None:
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    mark = repr(str(tmp_path / "once"))
    once = f"if not os.path.exists({mark}):\n    open({mark}, 'w')\n    {die}\nleave(REPORT)"
    code, said = put(tmp_path, command(report(item()), once), 2)
    assert (code, len(rounds(tmp_path))) == (0, 1)
    assert "  killed by SIGKILL: what it has found is in the corpus alone" in said
    code, said = put(tmp_path, command(report(item()), die), 9)
    assert code == 3
    assert sum(line.startswith("round ") for line in said) == 2


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("print('unknown layer')\nsys.exit(4)", 4),
        ("print('unknown layer')\nleave(REPORT)\nsys.exit(3)", 3),
        ("print('unknown layer')", 3),
    ],
    ids=["usage", "unwritten", "no report"],
)
def test_a_round_that_cannot_be_put_ends_the_campaign_with_its_last_words(
    tmp_path: Path, program: str, code: int
) -> None:
    found, said = put(tmp_path, command(report(item()), program), 3)
    assert found == code
    place = said.index("the round has failed, and the campaign ends with it; the last that it printed:")
    assert said[place + 1] == "  unknown layer"


def test_an_interrupt_ends_the_round_which_leaves_what_it_has_found(tmp_path: Path) -> None:
    program = "until_interrupted(lambda: os.kill(os.getppid(), signal.SIGINT))"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell has it ignored
    code, said = put(tmp_path, command(report(item(relu(3))), program), 3)
    signal.signal(signal.SIGINT, before)
    assert code == 2
    (round,) = rounds(tmp_path)
    assert round["interrupted"]
    assert "relu: wrong shape" in said


def test_the_last_round_is_interrupted_at_the_end_of_the_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    code, said = put(tmp_path, command(report(item()), "until_interrupted(lambda: None)"), 9, hours=2 / 3600)
    assert time.monotonic() - begun < 30
    assert code == 0
    assert [round["interrupted"] for round in rounds(tmp_path)] == [True]
    assert said[0].endswith("; 0 h 0 min left, 1 of 9 rounds")


def test_a_folder_of_another_target_or_suite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, command(report(item())))
    with pytest.raises(Unusable, match=r"another campaign: its target is 'mine', not 'yours'; choose another folder"):
        Campaign(tmp_path, "yours")
    monkeypatch.setattr(campaign, "suite", lambda: {"version": "9", "sources": "sha256:0"})
    with pytest.raises(Unusable, match=rf"not '9 \(sha256:0\)'; .*--corpus={tmp_path / 'corpus'} would put"):
        Campaign(tmp_path, "mine")


def test_another_build_of_the_target_is_another_campaign(tmp_path: Path) -> None:
    put(tmp_path, command(report(item())))
    with pytest.raises(Unusable, match=r"its build is {'relu': '1.0'}, not {'relu': '2.0'}"):
        put(tmp_path, command(report(item(), environment={"target": {"relu": "2.0"}})))
    assert len(rounds(tmp_path)) == 1


@pytest.mark.parametrize("text", ['{"seed": 1, "cas', "[]"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    put(tmp_path, command(report(item())))
    (tmp_path / "rounds" / "1.json").write_text(text)
    with pytest.raises(Unusable, match=r"rounds/1\.json cannot be read: .*; where it was cut off, remove it"):
        Campaign(tmp_path, "mine")


def test_a_report_that_was_cut_off_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"\d+\.report\.json cannot be read: "):
        put(tmp_path, command(report(item()), "open(options['report'], 'w').write('{')"))


def test_a_full_disk_is_told_with_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    put(tmp_path, command(report()), rounds=0)
    monkeypatch.setattr(os, "fsync", full)
    code, said = put(tmp_path, command(report(item(relu(3)))), 3)
    assert code == 3
    assert said[1].startswith(str(tmp_path / "rounds"))
    assert said[1].endswith(".json cannot be written: No space left on device; no other call will know of this round")
    assert "relu: wrong shape" in said


def conformance(*arguments: object) -> subprocess.Popen[str]:
    """The command itself."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    called = [sys.executable, "-m", "conformance", *map(str, arguments)]
    return subprocess.Popen(called, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_campaign_that_was_killed_in_a_round_goes_on_with_all_before_it(tmp_path: Path) -> None:
    path = tmp_path / "kernels.py"
    path.write_text(WRONG)
    folder = tmp_path / "campaign"
    asked = ["campaign", path, "--into", folder, "--layer=relu", "--max-examples=3", "-k", "forward"]
    process = conformance(*asked, "--rounds=100")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not list(folder.glob("rounds/*.json")):
        time.sleep(0.1)
    process.kill()
    process.communicate()
    before = {path.name for path in (folder / "rounds").iterdir()}
    process = conformance(*asked, "--rounds=1")
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert before < {path.name for path in (folder / "rounds").iterdir()}
    assert f"{len(before) + 1} rounds in 0 h " in output
    assert "relu: the result is further from the truth than rounding can explain" in output
    assert len(list((folder / "corpus").rglob("failed-*.json"))) == 1


def test_a_campaign_needs_an_end(tmp_path: Path) -> None:
    process = conformance("campaign", "torch-cpu", "--into", tmp_path / "new")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "say for how long: --hours=8, or --rounds=100" in output
    assert not (tmp_path / "new").exists()

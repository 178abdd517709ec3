"""Items whose target may crash or hang: each becomes one verdict with its case, and the run goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.case import Case
from conformance.isolation import Worker
from conformance.report import item_data
from conformance.run import run
from conformance.tally import Tally
from conformance.target import Died
from conformance.targets import load
from conformance.values import Values
from conformance.verdict import Status

ROOT = Path(__file__).parents[1]

FATAL = """
import ctypes, os, time
import numpy as np

formats = ("float32",)

def relu(input):
    if input.size > 5:
        ctypes.string_at(0)
    return np.maximum(input, 0)

def sigmoid(input):
    if input.size > 5:
        open(__file__ + ".hangs", "w").close()
        time.sleep(60)
    return np.float32(1) / (1 + np.exp(-input))

def tanh(input):
    if input.size > 5:
        print("out of luck")
        os._exit(7)
    return np.tanh(input)

def linear(input, weight, bias=None):
    y = (input.astype(np.float64) @ weight.astype(np.float64).T).astype(input.dtype)
    return y if bias is None else (y.astype(np.float64) + bias).astype(input.dtype)

def residual(input, *weights):
    raise ZeroDivisionError("oh no")

lost = False

def softmax(input, *, dim=-1):
    global lost
    lost = lost or input.size > 5
    if lost:
        raise RuntimeError("misaligned address")
    shifted = np.exp(input - input.max(dim, keepdims=True))
    return shifted / shifted.sum(dim, keepdims=True)

def read(array):
    if array.shape == (3, 2):
        raise ValueError("negative dimensions")
    return array.astype(np.float64), array.dtype.name

def require_usable():
    if lost:
        raise RuntimeError("the device is lost")
"""


@pytest.fixture
def fatal(tmp_path: Path) -> str:
    path = tmp_path / "fatal.py"
    path.write_text(FATAL)
    return str(path)


def isolated(worker: Worker, layer: str, check: str = "forward") -> dict[str, Any]:
    tally = Tally()
    worker.run(layer, "float32", check, 20, tally)
    return item_data(layer, "float32", check, tally)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("relu", "the process died of SIGSEGV"),
        ("sigmoid", "timed out after 2 s"),
        ("tanh", "the process ended with the status 7"),
    ],
)
def test_what_ends_the_process_is_one_verdict_with_its_case(fatal: str, layer: str, reason: str) -> None:
    worker = Worker(fatal, timeout=2.0)
    found = isolated(worker, layer)
    worker.stop()
    assert found["failure"]["reason"] == reason
    assert found["failure"]["status"] == "CRASHED"
    assert found["failure"]["case"]["layer"] == layer
    assert found["counts"]["CRASHED"] == 1
    assert found["counts"]["PASS"] >= 1  # what was judged before is not lost


def test_a_crash_shows_where_it_was_and_what_was_printed(fatal: str) -> None:
    worker = Worker(fatal)
    crash, end = (isolated(worker, layer)["failure"]["traceback"] for layer in ("relu", "tanh"))
    worker.stop()
    assert crash[0] == "Fatal Python error: Segmentation fault"
    assert "fatal.py" in crash[-1]
    assert end[-1] == "out of luck"


def test_a_process_that_has_lost_its_device_gives_way_to_another(fatal: str) -> None:
    worker = Worker(fatal)
    found, after = isolated(worker, "softmax"), isolated(worker, "linear")
    worker.stop()
    assert found["failure"]["reason"] == "RuntimeError: the device is lost"
    assert found["counts"] == {**dict.fromkeys(found["counts"], 0), "PASS": found["counts"]["PASS"], "CRASHED": 1}
    assert found["counts"]["PASS"] >= 1
    assert after["failure"] is None


def test_a_device_that_a_single_call_has_lost_is_a_crash_with_its_reason(fatal: str) -> None:
    worker = Worker(fatal)
    case = Case("softmax", "float32", {"input": Values((6,))})
    verdicts = [worker.put(replace(case, tensors={"input": Values((size,))})) for size in (6, 5)]
    worker.stop()
    assert [verdict.status for verdict in verdicts] == [Status.CRASHED, Status.PASS]
    assert verdicts[0].reason == "RuntimeError: the device is lost"


def test_what_a_target_raises_beside_its_layer_tells_where(fatal: str) -> None:
    worker = Worker(fatal)
    verdict = worker.put(Case("linear", "float32", {"input": Values((3, 1)), "weight": Values((2, 1)), "bias": None}))
    worker.stop()
    assert (verdict.status, verdict.reason) == (Status.CRASHED, "ValueError: negative dimensions")
    assert isinstance(verdict.error, Died)
    assert 'raise ValueError("negative dimensions")' in "".join(verdict.error.words)
    assert any("fatal.py" in line and "in read" in line for line in verdict.error.words)


def test_after_a_crash_the_next_item_is_judged(fatal: str) -> None:
    worker = Worker(fatal)
    assert isolated(worker, "relu")["failure"]
    assert isolated(worker, "linear")["failure"] is None
    worker.stop()


@pytest.mark.parametrize(("layer", "check"), [("linear", "forward"), ("linear", "relation"), ("residual", "forward")])
def test_an_item_gives_the_same_in_either_process(fatal: str, layer: str, check: str) -> None:
    worker = Worker(fatal)
    there = isolated(worker, layer, check)
    worker.stop()
    here = item_data(layer, "float32", check, run(load(fatal), layer, "float32", check, 20))
    for found in (there, here):
        del found["seconds"]
    assert json.loads(json.dumps(there)) == json.loads(json.dumps(here))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "forward", *arguments]


def test_a_run_goes_on_after_crashes_and_reports_them(fatal: str) -> None:
    asked = command(f"--target={fatal}", "--layer=relu,tanh,linear", "--profile=quick", "-q")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout
    assert "relu in float32 (forward) was not judged: the process died of SIGSEGV" in done.stdout
    assert "Run it again:" in done.stdout


def test_without_isolation_the_calls_are_made_in_the_run_itself(fatal: str) -> None:
    asked = command(f"--target={fatal}", "--layer=tanh", "--profile=quick", "-q", "--no-isolate")
    assert subprocess.run(asked, cwd=ROOT, capture_output=True).returncode == 7


def test_a_timeout_must_be_positive(fatal: str) -> None:
    asked = command(f"--target={fatal}", "--call-timeout=0")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--call-timeout must be more than 0 seconds, not 0" in done.stderr


def test_an_interrupt_ends_the_worker_and_keeps_what_was_found(fatal: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    asked = command(f"--target={fatal}", "--layer=sigmoid", "--profile=quick", f"--report={report}")
    process = subprocess.Popen(
        asked,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # where a shell has it ignored
    )
    deadline = time.monotonic() + 60
    while not Path(f"{fatal}.hangs").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = _children(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "interrupted: this is what was found so far" in output
    (item,) = json.loads(report.read_text())["items"]
    assert item["counts"][Status.PASS] >= 1
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def _children(pid: int) -> list[int]:
    """Processes that this one has started."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []

"""The check of refusals: it demands an error for every wrong call, a result for the valid one, and survives a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planting import UntilFound

from conformance import program
from conformance.case import Case
from conformance.checks import refusal
from conformance.isolation import Worker
from conformance.run import examine, run
from conformance.spec import names
from conformance.target import Deviation, Target, Unsupported
from conformance.targets import load
from conformance.values import Literal, Values
from conformance.verdict import Status
from oracle import formulas

REFUSING = [layer for layer in names() if refusal.applies(layer)]
# They take any tensor: there is nothing to refuse.
ANYTHING_GOES = {"relu", "sigmoid", "tanh"}


def test_all_layers_with_a_formula_but_the_elementwise_ones_refuse_something() -> None:
    assert set(formulas.names()) - set(REFUSING) == ANYTHING_GOES


def test_the_same_calls_are_drawn_in_every_process() -> None:
    program = (
        "from conformance import load\n"
        "from conformance.checks import refusal\n"
        f"for layer in {REFUSING!r}:\n"
        "    print(refusal.cases(layer, 'float64', load('torch-cpu'), 6))"
    )

    def drawn(hashes: str) -> bytes:
        # the order of sets of strings depends on it
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True).stdout

    assert drawn("1") == drawn("2")


class Made(Target):
    """A target that offers one function, made here and therefore called here."""

    formats = ("float64",)

    def __init__(self, layer: str, function: Callable[..., Any]) -> None:
        setattr(self, layer, function)


@pytest.mark.parametrize("layer", REFUSING)
def test_calls_with_empty_tensors_come_last_and_then_the_larger_ones(layer: str) -> None:
    drawn = refusal.cases(layer, "float64", load("torch-cpu"), 60)
    order = [(any(array.size == 0 for array in in_tensors(case)), case.elements) for case in drawn]
    assert order == sorted(order)


def in_tensors(case: Case) -> list[Any]:
    """All arrays of a case."""
    given = [array for array in case.arrays().values() if array is not None]
    return [part for array in given for part in (array if isinstance(array, (list, tuple)) else [array])]


def status(layer: str, function: Callable[..., Any], examples: int = 100) -> tuple[Status | None, str]:
    """Of the failure that the check finds, and its reason."""
    failure = run(Made(layer, function), layer, "float64", "refusal", examples, UntilFound()).failure
    return (failure.verdict.status, failure.verdict.reason) if failure else (None, "")


def strict_linear(input: Any, weight: Any, bias: Any) -> Any:
    outs, ins = weight.shape
    if input.shape[-1] != ins or (bias is not None and bias.shape != (outs,)):
        raise ValueError("shapes do not fit")
    return input @ weight.T + (0.0 if bias is None else bias)


def test_a_strict_layer_passes() -> None:
    assert status("linear", strict_linear) == (None, "")


def test_a_bias_that_broadcasts_fails() -> None:
    def linear(input: Any, weight: Any, bias: Any) -> Any:
        return strict_linear(input, weight, None) + bias  # numpy repeats a single element

    found, reason = status("linear", linear)
    assert found is Status.FAIL
    assert reason.startswith("wrong numbers instead of an error: returned")


def test_a_bias_that_is_truncated_fails() -> None:
    def linear(input: Any, weight: Any, bias: Any) -> Any:
        if bias is not None and len(bias) < len(weight):
            raise ValueError("the bias is too short")
        return strict_linear(input, weight, bias if bias is None else bias[: len(weight)])

    found, reason = status("linear", linear)
    assert found is Status.FAIL
    assert reason.endswith("but bias is one too long along axis 0")


def embedding(look_up: Callable[[Any, int], Any]) -> Callable[..., Any]:
    def function(input: Any, weight: Any, *, padding_idx: int | None, max_norm: float | None, norm_type: float) -> Any:
        rows = len(weight)
        if (max_norm is not None and max_norm < 0) or not -rows <= (padding_idx or 0) < rows:
            raise ValueError("max_norm or padding_idx")
        return weight[look_up(input, rows)], weight

    return function


def checked(input: Any, rows: int) -> Any:
    if (input < 0).any() or (input >= rows).any():
        raise IndexError("outside the table")
    return input


def clamped(input: Any, rows: int) -> Any:
    if (input < 0).any():
        raise IndexError("negative")
    return np.minimum(input, rows - 1)


def negative_from_the_end(input: Any, rows: int) -> Any:
    return input  # numpy counts them from the end, and refuses those outside


def test_an_index_that_is_checked_passes() -> None:
    assert status("embedding", embedding(checked)) == (None, "")


def test_a_negative_index_that_counts_from_the_end_fails() -> None:
    found, reason = status("embedding", embedding(negative_from_the_end))
    assert found is Status.FAIL
    assert reason.endswith("but the index -1 is looked up")


def test_an_index_that_is_clamped_fails() -> None:
    found, reason = status("embedding", embedding(clamped))
    assert found is Status.FAIL
    assert "after the table is looked up" in reason or "behind the table is looked up" in reason


def test_no_groups_taken_for_one_fails() -> None:
    torch_cpu = load("torch-cpu")

    class Lenient(Target):
        formats = ("float32",)
        known = torch_cpu.known
        array, read, seed = torch_cpu.array, torch_cpu.read, torch_cpu.seed

        def conv2d(self, *tensors: Any, groups: int, **parameters: Any) -> Any:
            function = torch_cpu.layer("conv2d")
            assert function is not None
            return function(*tensors, groups=groups or 1, **parameters)

    failure = run(Lenient(), "conv2d", "float32", "refusal", 200, UntilFound()).failure
    assert failure is not None
    assert failure.verdict.status is Status.FAIL
    assert failure.case is not None
    assert failure.case.refusal == "groups is 0"


def test_a_valid_call_that_is_refused_fails() -> None:
    def linear(input: Any, weight: Any, bias: Any) -> Any:
        if weight.shape[0] == 3:
            raise RuntimeError("three outputs are not supported")
        return strict_linear(input, weight, bias)

    # of five calls one is valid, and of these about one in eight has three outputs
    found, reason = status("linear", linear, 200)
    assert found is Status.FAIL
    assert reason == "refuses a valid call: raised RuntimeError: three outputs are not supported"


def test_what_the_library_does_not_offer_is_unsupported() -> None:
    def linear(input: Any, weight: Any, bias: Any) -> Any:
        raise Unsupported("no linear layers today")

    tally = run(Made("linear", linear), "linear", "float64", "refusal", 20)
    assert tally.failure is None
    assert tally.counts[Status.UNSUPPORTED] == tally.cases == 20


FATAL = """
import os, time

formats = ("float64",)

def linear(input, weight, bias):
    print("what a target prints is no answer")
    if bias is not None and len(bias) != len(weight):
        os.abort()
    return input @ weight.T + (0.0 if bias is None else bias)

def relu(input):
    time.sleep(60)

def custom_linear(input, weight, bias):
    return strictly(input, weight.T, bias)

def strictly(input, weight, bias):
    if input.shape[-1] != weight.shape[1] or bias.shape != (len(weight),):
        raise ValueError("shapes do not fit")
    return input @ weight.T + bias
"""


@pytest.fixture
def fatal(tmp_path: Path) -> str:
    path = tmp_path / "fatal.py"
    path.write_text(FATAL)
    return str(path)


def linear_case(biases: int) -> Case:
    """With a weight for three outputs."""
    tensors = {"input": Values((1, 2)), "weight": Values((3, 2)), "bias": Values((biases,))}
    return Case("linear", "float64", tensors, refusal=None if biases == 3 else "the size of the bias is wrong")


def test_a_process_that_dies_is_one_verdict_and_the_next_case_is_answered(fatal: str) -> None:
    target = load(fatal)
    verdicts = [examine(target, linear_case(biases), "refusal") for biases in (3, 4, 3)]
    assert [verdict.status for verdict in verdicts] == [Status.PASS, Status.CRASHED, Status.PASS]
    assert verdicts[1].reason == "the process died of SIGABRT"


def test_a_crash_ends_its_item_with_the_case_and_the_run_goes_on(fatal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load(fatal)
    started = []
    popen = program.subprocess.Popen
    monkeypatch.setattr(program.subprocess, "Popen", lambda *a, **k: started.append(a) or popen(*a, **k))
    failure = run(target, "linear", "float64", "refusal", 100, UntilFound()).failure
    assert failure is not None
    assert failure.verdict.status is Status.CRASHED
    assert failure.case is not None
    assert failure.case.refusal is not None
    assert len(started) == 1  # a crash is too dear to be shrunk
    assert run(target, "custom_linear", "float64", "refusal", 30).failure is None


def test_a_call_without_an_end_is_timed_out(fatal: str) -> None:
    worker = Worker(fatal, timeout=1.0)
    hanging = worker.put(Case("relu", "float64", {"input": Values((1,))}))
    assert hanging.status is Status.CRASHED
    assert hanging.reason == "timed out after 1 s"
    assert worker.put(linear_case(3)).status is Status.PASS
    worker.stop()


def test_a_known_crash_is_known(fatal: str) -> None:
    target = load(fatal)
    target.known = (
        Deviation(
            "linear", "it aborts", "import os; os.abort()", lambda case: case.refusal is not None, check="refusal"
        ),
    )
    verdict = examine(target, linear_case(4), "refusal")
    assert (verdict.status, verdict.reason) == (Status.KNOWN, "it aborts")


def test_the_error_of_a_target_beside_its_layer_is_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "unreadable.py"
    lost = "if array.shape == (1, 3): raise RuntimeError('the device is lost')"
    path.write_text(f"{FATAL}\ndef read(array):\n    {lost}\n    return array.astype(float), str(array.dtype)\n")
    verdict = examine(load(str(path)), linear_case(3), "refusal")
    assert (verdict.status, verdict.reason) == (Status.CRASHED, "RuntimeError: the device is lost")


def test_a_case_says_in_json_what_is_wrong_with_it() -> None:
    case = Case("embedding", "float32", {"input": Literal((1,), (-1,))}, {"p": 1.0}, refusal="the index -1")
    assert Case.from_json(case.to_json()) == case


@pytest.mark.parametrize("layer", ["linear", "conv2d", "embedding", "softmax", "scaled_dot_product_attention"])
def test_torch_refuses_but_for_its_known_deviations(layer: str) -> None:
    tally = run(load("torch-cpu"), layer, "float32", "refusal", 60)
    assert tally.failure is None, tally.failure
    assert tally.counts[Status.PASS] > 30

"""Programs in any language as targets: both examples conform, and what a program does wrong is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance.case import Case, Upstream
from conformance.checks import asked
from conformance.run import examine, run
from conformance.target import Target, Unavailable
from conformance.targets import load
from conformance.targets.command import Numbers
from conformance.values import Values
from conformance.verdict import Status

EXAMPLES = Path(__file__).parents[1] / "conformance" / "examples"
CLIENT = (EXAMPLES / "client.py").read_text()


def made(folder: Path, *changes: tuple[str, str]) -> Target:
    """The example, changed so."""
    source = CLIENT
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    path = folder / "client.py"
    path.write_text(source)
    return load(f"command:{sys.executable} {path}")


def linear(**others: object) -> Case:
    tensors = {"input": Values((2, 3)), "weight": Values((4, 3), seed=1), "bias": Values((4,), seed=2)}
    return Case("linear", "float32", tensors, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", ["linear", "relu"])
@pytest.mark.parametrize("format", ["float64", "float32"])
def test_the_example_in_python_conforms(tmp_path: Path, layer: str, format: str) -> None:
    target = made(tmp_path)
    for check in asked(layer):
        tally = run(target, layer, format, check, 10)
        assert tally.failure is None, tally.failure
        assert tally.counts[Status.PASS] >= 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_the_example_in_cpp_conforms(tmp_path: Path) -> None:
    program = tmp_path / "client"
    subprocess.run(["g++", "-std=c++17", "-O1", str(EXAMPLES / "client.cpp"), "-o", str(program)], check=True)
    target = load(f"command:{program}")
    for layer in ("linear", "relu"):
        for check in asked(layer):
            tally = run(target, layer, "float32", check, 5)
            assert tally.failure is None, tally.failure


def test_a_wrong_result_fails(tmp_path: Path) -> None:
    target = made(tmp_path, ("np.maximum(input, 0)", "np.abs(input)"))
    failure = run(target, "relu", "float32", "forward", 20).failure
    assert failure is not None
    assert failure.verdict.status is Status.FAIL


def test_a_wrong_derivative_fails_towards_the_tensor_that_has_it(tmp_path: Path) -> None:
    target = made(tmp_path, ("above.sum(0)]", "above.sum(0) * 2]"))
    verdict = examine(target, linear(upstream=Upstream(("weight", "bias"))), "gradient")
    assert (verdict.status, verdict.output) == (Status.FAIL, "gradient of bias")


def test_what_the_library_does_not_offer_is_unsupported(tmp_path: Path) -> None:
    target = made(tmp_path, ("np.maximum(input, 0)", "exec(\"raise NotImplementedError('no relu today')\")"))
    verdict = examine(target, Case("relu", "float32", {"input": Values((2,))}))
    assert (verdict.status, verdict.reason) == (Status.UNSUPPORTED, "no relu today")


def test_a_program_without_derivatives_is_not_asked_for_them(tmp_path: Path) -> None:
    target = made(tmp_path, (', "derivatives": True', ""))
    verdict = examine(target, linear(upstream=Upstream(("weight",))), "gradient")
    assert verdict.status is Status.UNSUPPORTED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("np.maximum(input, 0)", "sys.exit(3)"), "the process ended with the status 3"),
        (("np.maximum(input, 0)", "__import__('os').abort()"), "the process died of SIGABRT"),
        (("json.dumps(found).encode()", 'b"hello"'), "the answer's header is no JSON: b'hello\\n'"),
    ],
)
def test_a_program_that_dies_is_a_crash_and_the_next_call_is_answered(
    tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    if "json" in change[0]:
        change = (change[0], f'({change[1]} if request.get("layer") == "relu" else {change[0]})')
    target = made(tmp_path, change)
    verdict = examine(target, Case("relu", "float32", {"input": Values((2,))}))
    assert (verdict.status, verdict.reason) == (Status.CRASHED, reason)
    assert examine(target, linear()).status is Status.PASS


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program", "no-such-program does not start: No such file or directory"),
        (f"{sys.executable} -c pass", "does not describe itself: the process ended with the status 0"),
        (f"""{sys.executable} -c 'print("{{}}")'""", "does not say which layers and formats it has"),
    ],
)
def test_a_program_that_is_no_target_is_unavailable(command: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        load(f"command:{command}")


def test_what_is_declared_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="declares for linear what is unknown: tolerance"):
        made(tmp_path, ('"derivatives": True', '"declared": {"linear": {"tolerance": 1}}'))


def test_bfloat16_goes_over_the_line_as_the_upper_half_of_float32() -> None:
    class Line:
        def __init__(self, said: bytes) -> None:
            self.said = said

        def block(self, count: int) -> bytes:
            assert count == len(self.said)
            return self.said

    numbers = Numbers(np.array([1.0, -2.5, np.inf, 0.0]), "bfloat16")
    assert numbers.stored() == bytes.fromhex("803f 20c0 807f 0000".replace(" ", ""))
    again = Numbers.read(numbers.header, Line(numbers.stored()))  # type: ignore[arg-type]
    assert np.array_equal(again.values, numbers.values)

"""The main job as a user meets it: pytest with a target."""

import contextlib
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import conformance.targets.torch  # noqa: F401  what a run in this process imports first, it takes away at its end
from conformance import Case, Indices, Status, Values, Verdict
from conformance.report import program
from conformance.tally import Nonconforming

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]

HONEST = """
import numpy as np

def linear(input, weight, bias=None):
    y = (input.astype(np.float64) @ weight.astype(np.float64).T).astype(input.dtype)
    return y if bias is None else (y.astype(np.float64) + bias).astype(input.dtype)
"""

# Every way to fail, each in a layer of its own.
BROKEN = """
import sys
import warnings
import numpy as np

formats = ("float32",)

def read(array):
    if array.dtype == np.float16:
        raise OverflowError("half is\\nnot enough")
    return array.astype(np.float64), array.dtype.name

def sigmoid(input):
    return input

def relu(input):
    warnings.warn("slow path")
    return np.maximum(input, 0)

def tanh(input):
    sys.exit(3)

def softmax(input, *, dim):
    return input.astype(np.float16)

def log_softmax(input, *, dim):
    raise ZeroDivisionError("oh\\nno")

def residual(input, *weights):
    return np.zeros((1, 1, 1, 1, 1), input.dtype)

def avg_pool2d(input, **parameters):
    return input, input

def linear(input, weight, bias=None):
    return [1.0]
"""
BROKEN_LAYERS = "sigmoid,relu,tanh,softmax,log_softmax,residual,avg_pool2d,linear"


def ask(pytester: pytest.Pytester, *arguments: str, **options: Any) -> pytest.RunResult:
    """pytest in this process, asked for the specs of the checkout."""
    specs = str(ROOT / "conformance")
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", specs, *arguments, **options)


def run(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """pytest from the checkout, which need not be installed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 300, "check": False, **options}
    return subprocess.run(command, **options)


def kernels(pytester: pytest.Pytester, source: str) -> str:
    """The option that names a file with this source."""
    return f"--target={pytester.makepyfile(kernels=source)}"


def table(done: pytest.RunResult) -> dict[str, dict[str, str]]:
    """The rows of the summary: for every layer, numbers by column."""
    lines = list(done.outlines)
    start = next(k for k, line in enumerate(lines) if line.startswith("layer "))
    columns = lines[start].split()
    rows = [line.split() for line in lines[start + 1 : lines.index("", start)]]
    return {row[0]: dict(zip(columns, row, strict=False)) for row in rows if row[0] != "total"}


def programs(done: pytest.RunResult) -> list[str]:
    """The programs that a run prints for its failures."""
    found: list[str] = []
    for line in done.outlines:
        if line == "    from math import inf, nan":
            found.append("")
        if found and line.startswith("    ") and not found[-1].rstrip().endswith(")\n"):
            found[-1] += line[4:] + "\n"
    return [text[: text.index("\n", text.index("print(examine"))] for text in found]


def printed(program: str) -> str:
    """What a program prints."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    return output.getvalue()


def strictly(text: str) -> Any:
    """Parsed JSON, which knows no infinities."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_an_honest_function_in_a_file_passes(pytester: pytest.Pytester) -> None:
    done = ask(pytester, kernels(pytester, HONEST), "--layer=linear", "--max-examples=20", "-k", "forward or worked")
    assert done.ret == 0
    assert table(done)["linear"]["fail"] == "0"
    assert not programs(done)


def test_a_failure_says_where_and_by_how_much_and_prints_a_program_that_shows_it(pytester: pytest.Pytester) -> None:
    wrong = HONEST.replace("weight.astype(np.float64)", "weight.astype(np.float16).astype(np.float64)")
    done = ask(pytester, kernels(pytester, wrong), "--layer=linear", "--format=float32", "-k", "forward")
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        [
            "linear in float32 (forward) does not conform: the result is further from the truth than rounding can *",
            "  output     output",
            "  element    [[]*",
            "  got        *",
            "  true       *",
            "  permitted  *",
        ]
    )
    (program,) = programs(done)
    assert "status=<Status.FAIL" in printed(program)


def test_every_way_to_fail_is_named_and_counted_and_leaves_the_others_alone(pytester: pytest.Pytester) -> None:
    report = pytester.path / "report.json"
    arguments = [f"--layer={BROKEN_LAYERS}", "--max-examples=10", f"--report={report}", "-k", "forward"]
    done = ask(pytester, kernels(pytester, BROKEN), *arguments)
    assert done.ret == 1
    rows = table(done)
    assert (rows["relu"]["pass"], rows["relu"]["fail"]) == ("10", "0")  # its warnings are no failures
    text = done.stdout.str()
    reasons = {
        "sigmoid": "the result is further from the truth than rounding can explain",
        "tanh": "raised SystemExit: 3",
        "log_softmax": "raised ZeroDivisionError: oh no",
        "residual": "shape (1, 1, 1, 1, 1), expected (",
        "avg_pool2d": "returned 2 outputs, expected 1: output",
        "linear": "AttributeError: 'float' object has no attribute 'dtype'",
        "softmax": "OverflowError: half is not enough (kernels.py, line 9, in read)",
    }
    for layer, reason in reasons.items():
        crashed = layer in ("linear", "softmax")
        outcome = "was not judged" if crashed else "does not conform"
        (line,) = [line for line in text.splitlines() if line.startswith(f"{layer} in float32 (forward) {outcome}: ")]
        assert reason in line
        assert rows[layer]["crash" if crashed else "fail"] == "10"
    facts = text[text.index("residual in float32") :].split("Run it again")[0]
    assert "  got " not in facts, "no element was looked at"
    found = {item["layer"]: item for item in strictly(report.read_text())["items"]}
    assert {layer: found[layer]["failure"]["status"] for layer in ("tanh", "softmax")} == {
        "tanh": "FAIL",
        "softmax": "CRASHED",
    }
    assert found["softmax"]["counts"]["CRASHED"] == 10
    assert found["residual"]["failure"]["got"] is None
    shown = [printed(program) for program in programs(done)]
    assert len(shown) == 7
    assert all(("status=<Status.FAIL" in line) or ("status=<Status.CRASHED" in line) for line in shown)


def test_the_report_of_an_infinite_result_is_json(pytester: pytest.Pytester) -> None:
    source = """
        extends = "oracle-float32"

        def group_norm(input, weight=None, bias=None, **parameters):
            return input * float("inf")
    """
    report = pytester.path / "report.json"
    arguments = ["--layer=group_norm", f"--report={report}", "--max-examples=5", "-k", "forward"]
    done = ask(pytester, kernels(pytester, source), *arguments)
    assert done.ret == 1
    failure = strictly(report.read_text())["items"][0]["failure"]
    assert {failure["got"], failure["ratio"]} & {"inf", "-inf", "nan"}
    (program,) = programs(done)
    assert "FAIL" in printed(program)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinite_parameters_survive_print_and_json(value: float) -> None:
    parameters = {"max_norm": 1.0, "norm_type": value, "scale_grad_by_freq": False, "padding_idx": None}
    case = Case("embedding", "float32", {"input": Indices((2,), 3), "weight": Values((3, 2))}, parameters)
    text = program(Nonconforming("forward", case, Verdict(Status.FAIL)), "load('oracle-float32')")
    assert printed(text).startswith("Verdict(status=<Status.")
    again = Case.from_json(strictly(json.dumps(case.to_json(), allow_nan=False)))
    assert repr(again) == repr(case)


def test_a_failed_worked_number_names_its_example(pytester: pytest.Pytester) -> None:
    source = 'extends = "oracle-float32"\n\ndef relu(input):\n    return input + 1\n'
    done = ask(pytester, kernels(pytester, source), "--layer=relu", "-k", "worked")
    done.stdout.fnmatch_lines(["*(the document's example *, *)"])


def test_the_summary_says_what_layers_were_judged_by(pytester: pytest.Pytester) -> None:
    source = """
        from conformance import Declared

        extends = "oracle-float32"

        def declared(layer, format):
            reason = "its products are those of tensor cores, " * 3
            return Declared("float32", operands="tf32", scattered=frozenset({"input"}), reason=reason)

        def relu(input):
            return input * (input > 0)
    """
    report = pytester.path / "report.json"
    arguments = ["--layer=relu", "--max-examples=3", f"--report={report}", "-k", "forward"]
    done = ask(pytester, kernels(pytester, source), *arguments)
    assert done.ret == 0
    summary = done.outlines[done.outlines.index(next(line for line in done.outlines if line.startswith("layer "))) :]
    assert any(line.startswith("judged by operands = tf32, scattered = ['input'], reason = its") for line in summary)
    assert any(line.endswith("relu (float32)") for line in summary)
    assert max(map(len, summary[:-1])) <= 80
    assert strictly(report.read_text())["items"][0]["judged_by"]["scattered"] == ["input"]


def test_known_deviations_are_shown_with_link_and_reproducer_and_the_stale_are_named(pytester: pytest.Pytester) -> None:
    source = """
        import numpy as np
        from conformance import Deviation

        known = (
            Deviation("relu", "keeps -1", "relu(-1)", link="https://example.org/relu", check="forward"),
            Deviation("relu", "mended long ago", "relu(-2)", lambda case: False),
            Deviation("tanh", "of a layer that was not asked", "tanh(0)"),
        )

        def relu(input):
            return np.where(input == -1, input, np.maximum(input, 0))
    """
    report = pytester.path / "report.json"
    target = kernels(pytester, source)
    done = ask(pytester, target, "--layer=relu", "--max-examples=20", f"--report={report}", "-k", "forward")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["* cases: keeps -1 (https://example.org/relu)"])
    done.stdout.fnmatch_lines(["known deviation of relu not met in this run: mended long ago"])
    done.stdout.no_fnmatch_line("*not asked*")
    known = {entry["reason"]: entry for entry in strictly(report.read_text())["known"]}
    assert known["keeps -1"] | {"met": True, "reproducer": "relu(-1)", "check": "forward"} == known["keeps -1"]
    assert [entry["met"] for entry in known.values()] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target=nosuch"], "unknown target 'nosuch'; known: jax"),
        (["--target="], "unknown target ''; known: jax"),
        (["--target=missing/kernels.py"], "there is no such file"),
        (["--target=json"], "the target json has no layer; name its functions like these: "),
        (["--layer=liner"], "unknown layer 'liner'; known: "),
        (["--format=float31"], "unknown format 'float31'; the target oracle-float32 has: float32"),
        (["--max-examples=0"], "--max-examples must be at least 1"),
        (["--report=missing/report.json"], "there is no folder 'missing'"),
        (["--report=."], "'.' is a folder, expected the name of a file"),
        ("raise SystemExit('no licence\\nfor you')", "does not load: SystemExit: no licence for you"),
        ("import nosuchlibrary", "does not load: ModuleNotFoundError: No module named 'nosuchlibrary'"),
        ("def relu(input): ...", "kernels.py has no linear; it has: relu"),
        ("formats = ('float8',)", "the unknown format 'float8'; known: float64, float32"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_4(
    pytester: pytest.Pytester, arguments: "list[str] | str", message: str
) -> None:
    if isinstance(arguments, str):
        arguments = [kernels(pytester, arguments), "--layer=linear"]
    done = ask(pytester, "--target=oracle-float32", *arguments)
    assert done.ret == 4
    errors = [line for line in done.errlines if line]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_plugin_that_is_registered_already_is_not_registered_again() -> None:
    # in a process of its own: in this one an installed plugin is imported already, of which -p warns
    done = run("-p", "conformance.plugin", "--target=oracle-float32", "--layer=relu", "-k", "worked")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_target_that_is_named_where_nothing_of_the_suite_is_asked_hears_what_to_say(tmp_path: Path) -> None:
    path = tmp_path / "kernels.py"
    path.write_text("def relu(input): ...\n")
    done = run("-p", "conformance.plugin", f"--target={path}", str(tmp_path))
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert f"outside a checkout of the suite, say: pytest --pyargs conformance --target={path}\n" in done.stdout


def test_a_run_that_judged_nothing_is_no_success(pytester: pytest.Pytester) -> None:
    source = """
        from conformance import Unsupported

        def relu(input):
            raise Unsupported("not today")
    """
    done = ask(pytester, kernels(pytester, source), "--layer=relu", "--max-examples=3")
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    done.stdout.fnmatch_lines(["nothing was judged: *"])


def test_layers_that_a_target_lacks_are_listed_and_not_asked(pytester: pytest.Pytester) -> None:
    report = pytester.path / "report.json"
    arguments = [
        "--layer=relu,linear,gru",
        "--format=float32",
        "--max-examples=5",
        "-k",
        "forward",
        f"--report={report}",
    ]
    done = ask(pytester, kernels(pytester, HONEST), *arguments)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*has no relu, gru"])
    assert list(table(done)) == ["linear"]
    data = strictly(report.read_text())
    assert data["lacking"] == ["relu", "gru"]
    assert [item["layer"] for item in data["items"]] == ["linear"]


def test_items_are_named_by_layer_format_and_check(pytester: pytest.Pytester) -> None:
    done = ask(pytester, "--target=oracle-float32", "--collect-only", "-q", "--layer=linear")
    names = [line.rpartition("::")[2] for line in done.outlines if "::" in line]
    assert {"linear-float32-forward", "linear-float32-worked"} <= set(names)


def test_the_same_run_gives_the_same_cases(pytester: pytest.Pytester) -> None:
    arguments = ["--target=oracle-float32", "--layer=linear", "--max-examples=20", "-k", "forward"]
    first, second = (table(ask(pytester, *arguments)) for _ in range(2))
    assert first == second
    assert first["linear"]["pass"] == "20"


def test_the_table_fits_80_columns(pytester: pytest.Pytester) -> None:
    layers = "--layer=scaled_dot_product_attention,linear"
    done = ask(pytester, "--target=oracle-float32", "--max-examples=1", layers, "-k", "forward")
    start = next(k for k, line in enumerate(done.outlines) if line.startswith("layer "))
    assert max(map(len, done.outlines[start:])) <= 80


def test_an_interruption_leaves_what_was_found_so_far(pytester: pytest.Pytester) -> None:
    source = """
        import os
        import signal
        import numpy as np

        calls = []

        def relu(input):
            return np.maximum(input, 0)

        def sigmoid(input):
            calls.append(input)
            if len(calls) > 5:
                signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell has it ignored
                os.kill(os.getpid(), signal.SIGINT)
            return (1 / (1 + np.exp(-input.astype(np.float64)))).astype(input.dtype)
    """
    report = pytester.path / "report.json"
    arguments = ["--layer=relu,sigmoid", "--format=float32", "--max-examples=10", f"--report={report}", "-k", "forward"]
    done = ask(pytester, kernels(pytester, source), *arguments, "--no-isolate", no_reraise_ctrlc=True)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    rows = table(done)
    assert rows["relu"]["pass"] == "10"
    assert rows["sigmoid"]["pass"] == "5"
    done.stdout.fnmatch_lines(["interrupted: this is what was found so far"])
    data = strictly(report.read_text())
    assert data["interrupted"]
    assert [sum(item["counts"].values()) for item in data["items"]] == [10, 5]


def test_workers_report_every_item_and_one_that_dies_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text(HONEST + "\n\ndef relu(input):\n    import os\n    os._exit(1)\n")
    report = tmp_path / "report.json"
    arguments = ["--layer=linear,relu", "--format=float32", "--max-examples=5", f"--report={report}", "-k", "forward"]
    done = run(f"--target={file}", *arguments, "-n", "1")
    assert done.returncode == 1, done.stdout
    data = strictly(report.read_text())
    counts = {item["layer"]: item["counts"] for item in data["items"]}
    assert counts["linear"]["PASS"] == 5
    assert counts["relu"]["CRASHED"] == 1
    assert [cause["items"] for cause in data["causes"]] == [["relu-float32-forward"]]


@pytest.mark.parametrize(
    "start",
    [
        [sys.executable, "-m", "pytest"],
        [str(Path(sys.executable).with_name("pytest")), ".", "--ignore=tests"],
    ],
    ids=["specs", "folder"],
)
def test_a_checkout_knows_the_options_however_it_is_started(start: list[str]) -> None:
    arguments = ["-p", "no:cacheprovider", "--target=oracle-float32", "--layer=relu", "-k", "relu-float32-worked"]
    done = subprocess.run([*start, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_report_that_cannot_be_written_is_refused_before_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    done = ask(pytester, "--target=oracle-float32", "--report=report.json")
    assert done.ret == 4
    assert "'report.json' cannot be written" in done.stderr.str()

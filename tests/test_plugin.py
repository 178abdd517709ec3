"""The main job as a user meets it: pytest with a target."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HONEST = """
import numpy as np

def linear(input, weight, bias=None):
    y = (input.astype(np.float64) @ weight.astype(np.float64).T).astype(input.dtype)
    return y if bias is None else (y.astype(np.float64) + bias).astype(input.dtype)
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """pytest from the checkout, which need not be installed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def linear_of(tmp_path: Path, source: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    file = tmp_path / "kernels.py"
    file.write_text(source)
    return run(f"--target={file}", "--layer=linear", *arguments)


def test_an_honest_function_in_a_file_passes(tmp_path: Path) -> None:
    done = linear_of(tmp_path, HONEST)
    assert done.returncode == 0, done.stdout
    assert "linear-float32-forward" not in done.stdout
    assert "conformance: " in done.stdout


def test_a_wrong_function_fails_with_a_case_that_reproduces_it(tmp_path: Path) -> None:
    wrong = HONEST.replace("weight.astype(np.float64)", "weight.astype(np.float16).astype(np.float64)")
    done = linear_of(tmp_path, wrong, "--format=float32")
    assert done.returncode == 1
    for part in ("got ", "true ", "permitted ", "from conformance import *", "further from the truth than rounding"):
        assert part in done.stdout
    code = done.stdout[done.stdout.index("    from conformance import *") :].split("\n____")[0]
    lines = [line[4:] for line in code[: code.index("print(examine")].splitlines() if line.startswith("    ")]
    program = "\n".join([*lines, f"print(examine(load({str(tmp_path / 'kernels.py')!r}), case).status)"])
    again = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout == "FAIL\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [1.0]", "returned float, expected a numpy array"),
        ("return np.zeros((1, 1, 1, 1, 1), input.dtype)", "shape (1, 1, 1, 1, 1), expected"),
        ("return (input @ weight.T).astype(np.float16)", "format float16, expected float"),
        ("return input, weight", "returned 2 outputs, expected 1: output"),
        ("raise ZeroDivisionError('oh')", "raised ZeroDivisionError: oh"),
    ],
)
def test_a_function_that_breaks_the_protocol_fails_by_name(tmp_path: Path, body: str, message: str) -> None:
    done = linear_of(tmp_path, f"import numpy as np\ndef linear(input, weight, bias=None):\n    {body}\n", "-q")
    assert done.returncode == 1
    assert message in done.stdout
    assert "linear-float32-forward" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target=nosuch"], "unknown target 'nosuch'; known: oracle-float32"),
        (["--target=oracle-float32", "--layer=liner"], "unknown layer 'liner'; known: "),
        (
            ["--target=oracle-float32", "--format=float31"],
            "unknown format 'float31'; the target oracle-float32 has: float32",
        ),
        (["--target=missing/kernels.py"], "there is no such file"),
        (["--target=json"], "the target json has no layer; name its functions like these: "),
        (["--target=oracle-float32", "--max-examples=0"], "--max-examples must be at least 1"),
        (["--target=oracle-float32", "--report=missing/report.json"], "there is no folder 'missing'"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_4(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 4
    errors = [line for line in done.stderr.splitlines() if line]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_file_that_does_not_import_is_a_usage_error(tmp_path: Path) -> None:
    done = linear_of(tmp_path, "import nosuchlibrary")
    assert done.returncode == 4
    assert "does not import: ModuleNotFoundError: No module named 'nosuchlibrary'" in done.stderr


def test_a_missing_library_says_how_to_install_it() -> None:
    program = "import sys; sys.modules['torch'] = None; import pytest; sys.exit(pytest.main(['--target=torch-cpu']))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "needs the module 'torch'" in done.stderr
    assert "pip install torch" in done.stderr


def test_items_are_named_by_layer_format_and_check() -> None:
    done = run("--target=oracle-float32", "--collect-only", "-q", "--layer=linear")
    assert done.stdout.splitlines()[:2] == [
        "conformance/specs/linear.py::linear-float32-forward",
        "conformance/specs/linear.py::linear-float32-worked",
    ]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_the_report_holds_every_item(tmp_path: Path, workers: list[str]) -> None:
    report = tmp_path / "report.json"
    done = run("--target=oracle-float32", "--layer=linear,relu", "--max-examples=5", f"--report={report}", *workers)
    assert done.returncode == 0, done.stdout
    data = json.loads(report.read_text())
    assert data["target"] == "oracle-float32"
    names = {(item["layer"], item["format"], item["check"]) for item in data["items"]}
    assert {("linear", "float32", "forward"), ("linear", "float32", "worked"), ("relu", "float32", "forward")} <= names
    forward = next(item for item in data["items"] if item["check"] == "forward")
    assert forward["counts"]["PASS"] == 5


def test_the_same_run_gives_the_same_cases() -> None:
    first, second = (run("--target=oracle-float32", "--layer=linear", "--max-examples=20").stdout for _ in range(2))
    rows = [[line for line in text.splitlines() if line.startswith("linear")] for text in (first, second)]
    assert rows[0] == rows[1] != []


def test_layers_that_a_target_lacks_are_counted_as_unsupported(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text(HONEST)
    done = run(f"--target={file}", "--layer=linear,relu", "--format=float32", "--max-examples=5", "-rs")
    assert done.returncode == 0
    assert "has no relu" in done.stdout
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("relu "))
    assert row[2:8] == [row[2], "0", "0", "0", "0", row[2]]


def test_output_fits_80_columns() -> None:
    done = run("--target=oracle-float32", "--max-examples=1", "--layer=scaled_dot_product_attention,linear")
    table = done.stdout[done.stdout.index("layer ") :]
    assert max(map(len, table.splitlines())) <= 80

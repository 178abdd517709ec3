"""Programs that show a failure in the target's own interface, without the suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import Case, Related, Upstream, Values, load
from conformance.asking import ask, ask_gradients
from conformance.bundle import Bundle, Unbundled
from conformance.checks import check
from conformance.reproducer import reproducer
from conformance.run import examine
from conformance.spec import spec
from conformance.tally import Nonconforming
from conformance.target import Target
from conformance.verdict import Status, Verdict
from tests.certified import WRONG, certify

pytest_plugins = "pytester"

NORM = Case(
    "layer_norm",
    "float32",
    {"input": Values((2, 3), "gaussian"), "weight": Values((3,), "gaussian", 1), "bias": None},
    {"normalized_shape": (3,), "eps": 1e-5},
    {"input": "stepped", "weight": "contiguous"},
)


def printed(script: str, folder: Path) -> dict[str, str]:
    """What a program prints, by the first word of its lines; it does not find the checkout."""
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, str(path)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {words[0]: " ".join(words[1:]) for words in map(str.split, done.stdout.splitlines())}


def failure(case: Case, kind: str, **found: Any) -> Nonconforming:
    return Nonconforming(kind, case, Verdict(Status.FAIL, 2.0, "wrong", **found))


def test_a_program_calls_torch_itself_and_prints_what_it_gave_beside_the_truth(tmp_path: Path) -> None:
    target = load("torch-cpu")
    found = failure(NORM, "forward", output="output", index=(1, 2), got=1.0, true=2.5, permitted=0.125)
    script = reproducer(target, found)
    assert "conformance" not in script
    assert "nn.LayerNorm" in script
    answer = ask(target, NORM)
    assert not isinstance(answer, Verdict)
    shown = printed(script, tmp_path)
    assert float(shown["got"]) == answer[0].values[1, 2]
    assert (shown["expected"], shown["permitted"]) == ("2.5", "0.125")


@pytest.mark.parametrize("layer", ["linear", "conv2d", "gru", "batch_norm", "embedding", "multi_head_attention"])
def test_programs_of_derivatives_give_what_the_target_gives(layer: str, tmp_path: Path) -> None:
    from conformance.drawing import listed

    target = load("torch-cpu")
    source = check("gradient").cases(layer, "float32", target, 10)
    assert not isinstance(source, list)
    case = next(case for case in listed(source, 20, layer) if 0 < case.elements < 200)
    answer = ask_gradients(target, case, spec(layer).byproducts)
    assert not isinstance(answer, Verdict)
    assert case.upstream is not None
    values = answer[1][0].values
    place = tuple(map(int, np.unravel_index(values.size - 1, values.shape)))
    first = case.tensors[case.upstream.wanted[0]]
    name = f"{case.upstream.wanted[0]}[0]" if isinstance(first, tuple) else case.upstream.wanted[0]
    found = failure(case, "gradient", output=f"gradient of {name}", index=place, got=0.0, true=0.0, permitted=0.0)
    script = reproducer(target, found)
    assert "conformance" not in script
    assert float(printed(script, tmp_path)["got"]) == values[place]


def test_a_failure_in_a_file_imports_the_file(pytester: pytest.Pytester) -> None:
    certify(pytester, WRONG, code=1)
    scripts = sorted((pytester.path / "out" / "reproducers").glob("*.py"))
    assert scripts
    alone = [script for script in map(Path.read_text, scripts) if "conformance" not in script]
    assert alone
    for shown in (printed(script, pytester.path) for script in alone):
        wrong = "otherwise" in shown["expected"] or float(shown["got"]) != float(shown["expected"])
        assert wrong


def test_a_refusal_that_was_answered_is_told_with_what_was_wrong(tmp_path: Path) -> None:
    target = load("torch-cpu")
    case = Case("relu", "float32", {"input": Values((2,))}, refusal="it is Monday")
    shown = printed(reproducer(target, failure(case, "refusal")), tmp_path)
    assert shown["expected"] == "an error: it is Monday"


@pytest.mark.parametrize(
    "case",
    [
        Case("relu", "float32", {"input": Values((2**13,))}),
        Case("relu", "float32", {"input": Values((2,))}, relation=Related("batch")),
        Case("relu", "float32", {"input": Values((2,))}, steps=(NORM,)),
        Case("dropout", "float32", {"input": Values((2,))}, {"p": 0.5}),
    ],
    ids=["large", "relation", "steps", "random"],
)
def test_what_no_single_call_shows_has_no_program_of_its_own(case: Case) -> None:
    assert reproducer(load("torch-cpu"), failure(case, "forward")) == ""


def test_a_target_with_arrays_of_its_own_needs_its_own_prelude() -> None:
    class Own(Target):
        def array(self, values: Any, format: str) -> Any:
            return values

        def relu(self, input: Any) -> Any:
            return input

    case = Case("relu", "float32", {"input": Values((2,))})
    assert reproducer(Own(), failure(case, "forward")) == ""
    upstream = Case("relu", "float32", {"input": Values((2,))}, upstream=Upstream(("input",)))
    assert reproducer(load("oracle-float32"), failure(upstream, "gradient")) == ""


def test_a_bundle_copies_what_is_used_once_and_imports_the_rest() -> None:
    import conformance.values as module

    bundle = Bundle()
    bundle.add(module, "rounded")
    bundle.add(module, "rounded")
    text = bundle.text()
    assert text.count("def rounded") == 1
    assert text.count("class Format") == 1
    assert "import numpy as np" in text
    assert "conformance" not in text
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("from __future__ import annotations\n" + text, namespace)
    assert namespace["rounded"](np.array([1 / 3]), "bfloat16")[0] == module.rounded(np.array([1 / 3]), "bfloat16")[0]


def test_a_bundle_refuses_two_things_of_one_name() -> None:
    import conformance.spec as specs
    import conformance.targets as targets

    bundle = Bundle()
    bundle.add(specs, "names")
    with pytest.raises(Unbundled, match="both define names"):
        bundle.add(targets, "names")


def test_worked_failures_have_a_program(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\n\ndef relu(input):\n    return input + 1\n")
    target = load(str(path))
    case = Case("relu", "float64", {"input": Values((3,))})
    verdict = examine(target, case, "worked")
    shown = printed(reproducer(target, Nonconforming("worked", case, verdict)), tmp_path)
    assert float(shown["got"]) == verdict.got
    assert float(shown["expected"]) == verdict.true

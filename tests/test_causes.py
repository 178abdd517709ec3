"""What failed in a run is told by its causes."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
from test_plugin import ask, kernels, run, strictly

from conformance import Case, Status, Values, Verdict
from conformance.causes import Cause, causes, item_name
from conformance.report import cause_lines, item_data
from conformance.tally import Nonconforming, Tally

pytest_plugins = "pytester"

FORMATS = ("float64", "float32", "bfloat16")

ROUNDED = Verdict(Status.FAIL, 3.0, "further than rounding can explain", got=1.5, true=1.0, permitted=0.1)
EXACT = Verdict(Status.FAIL, math.inf, "further than rounding can explain", got=2.0, true=1.0, permitted=0.0)
SHAPE = Verdict(Status.FAIL, math.inf, "shape (1,), expected ()", fault="shape")
NO_NUMBER = Verdict(Status.FAIL, math.inf, "as the reason says")


def raised(error: str) -> Verdict:
    return Verdict(Status.FAIL, math.inf, f"raised {error}", fault=f"raised {error}")


def failed(name: str, verdict: Verdict, *mistakes: str, elements: int = 1) -> dict[str, Any]:
    """The item of this name, failed with a case of so many elements."""
    layer, format, check = name.split("-")
    failure = Nonconforming(check, Case(layer, format, {"input": Values((elements,))}), verdict)
    failure.mistakes = [*mistakes]
    return item_data(layer, format, check, Tally(failures=[failure]))


def told(*items: dict[str, Any]) -> list[tuple[str, str, int]]:
    """The causes of items, whatever their order: words, the representative, and how many items."""
    shuffled = random.Random(0).sample(items, len(items))
    found = causes(shuffled, FORMATS)
    assert found == causes(items, FORMATS)
    return [(cause.words, item_name(cause.representative), len(cause.items)) for cause in found]


# What is one cause


def test_items_of_one_mistake_are_one_cause_that_a_forward_value_shows_best() -> None:
    assert told(
        failed("linear-float64-relation", ROUNDED, "no bias"),
        failed("linear-bfloat16-forward", ROUNDED, "no bias"),
        failed("linear-float32-forward", ROUNDED, "no bias"),
        failed("linear-float64-gradient", ROUNDED, "no bias"),
    ) == [("equals: no bias", "linear-float32-forward", 4)]


def test_of_two_forward_values_the_smaller_case_shows_it_best() -> None:
    large, small = failed("linear-float64-forward", EXACT, elements=9), failed("linear-bfloat16-forward", EXACT)
    assert told(large, small)[0][1] == "linear-bfloat16-forward"


def test_what_several_mistakes_explain_is_due_to_the_one_that_is_certain() -> None:
    assert told(
        failed("linear-bfloat16-forward", ROUNDED, "half", "no bias"),
        failed("linear-float64-gradient", ROUNDED, "no bias"),
    ) == [("equals: no bias", "linear-bfloat16-forward", 2)]


def test_two_mistakes_of_a_layer_are_two_causes() -> None:
    found = told(failed("linear-float64-forward", ROUNDED, "half"), failed("linear-float64-gradient", ROUNDED, "twice"))
    assert [words for words, *_ in found] == ["equals: half", "equals: twice"]


def test_wrong_numbers_show_a_mistake_better_than_what_it_makes_a_call_raise() -> None:
    found = told(
        failed("linear-float64-forward", raised("ValueError: sizes do not match"), "weight transposed"),
        failed("linear-float64-gradient", ROUNDED, "weight transposed", elements=9),
    )
    assert found == [("equals: weight transposed", "linear-float64-gradient", 2)]


def test_the_size_of_an_error_makes_no_cause() -> None:
    size = "an error no larger than where every operation is rounded"
    found = told(
        failed("linear-float64-forward", ROUNDED, size),
        failed("linear-float64-gradient", ROUNDED),
        failed("linear-float64-relation", ROUNDED, "no bias", elements=2),
    )
    assert sorted(found) == [
        ("equals: no bias", "linear-float64-relation", 1),
        ("further than rounding can explain", "linear-float64-forward", 2),
    ]


def test_two_layers_have_causes_of_their_own() -> None:
    found = causes([failed("relu-float64-forward", SHAPE), failed("linear-float64-forward", SHAPE)], FORMATS)
    assert [cause.layer for cause in found] == ["linear", "relu"]


def test_errors_that_differ_in_numbers_alone_are_one_cause() -> None:
    assert told(
        failed("relu-float64-forward", raised("ValueError: 1 element")),
        failed("relu-float64-large", raised("ValueError: 4096 element")),
        failed("relu-float32-forward", raised("ValueError: no")),
        failed("relu-bfloat16-forward", raised("TypeError: no")),
    ) == [
        ("raised ValueError: 1 element", "relu-float64-forward", 2),
        ("raised ValueError: no", "relu-float32-forward", 1),
        ("raised TypeError: no", "relu-bfloat16-forward", 1),
    ]


# Roots and consequences


@pytest.mark.parametrize("root", [SHAPE, raised("ValueError: no")], ids=["shape", "exception"])
def test_wrong_numbers_are_the_consequence_of_an_answer_that_is_none(root: Verdict) -> None:
    assert told(
        failed("relu-float64-gradient", EXACT),
        failed("relu-float32-forward", root),
        failed("relu-bfloat16-relation", ROUNDED),
        failed("relu-bfloat16-special", NO_NUMBER),
        failed("relu-bfloat16-typical", NO_NUMBER),
    ) == [(root.reason, "relu-float32-forward", 5)]


def test_an_exact_case_is_the_root_of_failures_where_numbers_are_rounded() -> None:
    ((words, name, count),) = told(
        failed("relu-float64-forward", ROUNDED), failed("relu-float32-forward", EXACT, elements=2)
    )
    assert (name, count) == ("relu-float32-forward", 2)
    assert words.endswith("where nothing is rounded")


def test_a_known_mistake_is_the_root_of_wrong_numbers_without_a_diagnosis() -> None:
    assert told(failed("linear-float64-forward", ROUNDED, "half"), failed("linear-float32-purity", ROUNDED)) == [
        ("equals: half", "linear-float64-forward", 2)
    ]


def test_a_wrong_forward_value_is_no_consequence_of_what_another_check_meets() -> None:
    found = told(failed("relu-bfloat16-large", raised("ValueError: no")), failed("relu-float64-forward", ROUNDED))
    assert [name for _, name, _ in found] == ["relu-float64-forward", "relu-bfloat16-large"]


def test_a_large_call_that_raises_explains_no_wrong_number() -> None:
    found = told(failed("relu-float64-large", raised("MemoryError")), failed("relu-float32-special", NO_NUMBER))
    assert [name for _, name, _ in found] == ["relu-float64-large", "relu-float32-special"]


@pytest.mark.parametrize("check", ["law", "purity", "refusal", "state"])
def test_other_questions_than_for_numbers_have_causes_of_their_own(check: str) -> None:
    found = told(failed("relu-float64-forward", SHAPE), failed(f"relu-float64-{check}", NO_NUMBER))
    assert [words for words, *_ in found] == ["shape (1,), expected ()", "as the reason says"]


def test_a_process_that_died_explains_no_wrong_number() -> None:
    tally = Tally()
    tally.crash("forward", ChildProcessError("the process ended"))
    died = item_data("relu", "float64", "forward", tally)
    found = told(died, failed("relu-float64-gradient", ROUNDED))
    assert [words for words, *_ in found] == ["ChildProcessError: the process ended", ROUNDED.reason]


# How they are told


def test_a_cause_is_a_few_lines_of_80_columns() -> None:
    words = "raised RuntimeError: " + "no kernel for this " * 20 + "x" * 100
    layer = "scaled_dot_product_attention"
    item = failed(f"{layer}-bfloat16-gradient", NO_NUMBER)
    lines = cause_lines([Cause(layer, words, [item] * 40, item)])
    assert len(lines) == 5
    assert max(map(len, lines)) <= 80
    assert lines[3:] == [
        "        40 failures: gradient (bfloat16)",
        "        plainest: -k scaled_dot_product_attention-bfloat16-gradient",
    ]


BROKEN = """
import numpy as np

def relu(input):
    return np.maximum(input, 0).ravel()

def linear(input, weight, bias=None):
    y = input.astype(np.float64) @ weight.astype(np.float64).T
    return (y if bias is None else y + bias + bias).astype(input.dtype)
"""
ASKED = ["--layer=linear,relu", "--max-examples=5", "-k", "forward or special"]

CAUSES = """\
causes:
linear: equals: the bias is added twice
        5 failures: forward, special (float64, float32)
        plainest: -k linear-float64-forward
relu: shape (1,), expected ()
        4 failures: forward, special (float64, float32)
        plainest: -k relu-float64-forward
"""


def test_a_run_tells_every_cause_once(pytester: pytest.Pytester) -> None:
    report = pytester.path / "report.json"
    done = ask(pytester, kernels(pytester, BROKEN), *ASKED, f"--report={report}")
    text = done.stdout.str()
    assert CAUSES in text
    assert text.count("Run it again") == 2
    assert text.count("\nlike relu-float64-forward: shape (1,), expected () (-v prints it in full)\n") == 3
    linear, relu = strictly(report.read_text())["causes"]
    assert linear["cause"] == "equals: the bias is added twice"
    assert relu == {
        "layer": "relu",
        "cause": "shape (1,), expected ()",
        "items": ["relu-float64-forward", "relu-float64-special", "relu-float32-forward", "relu-float32-special"],
        "representative": "relu-float64-forward",
    }


def test_verbose_runs_print_every_failure_in_full(pytester: pytest.Pytester) -> None:
    done = ask(pytester, kernels(pytester, BROKEN), "--layer=relu", *ASKED[1:], "-v")
    assert done.stdout.str().count("Run it again") == 4


def test_workers_and_one_process_tell_the_same_causes(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text(BROKEN)
    done = run(f"--target={file}", "--layer=relu", *ASKED[1:], "-n", "1")
    assert CAUSES.partition("relu: ")[2] in done.stdout
    assert done.stdout.count("Run it again") == 1


def test_an_interrupted_run_tells_the_causes_found_so_far(pytester: pytest.Pytester) -> None:
    source = BROKEN + "\n\ndef softmax(input, *, dim):\n    raise KeyboardInterrupt\n"
    report = pytester.path / "report.json"
    arguments = ["--layer=relu,softmax", "--max-examples=5", "-k", "forward", f"--report={report}", "--no-isolate"]
    done = ask(pytester, kernels(pytester, source), *arguments, no_reraise_ctrlc=True)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    data = strictly(report.read_text())
    assert data["interrupted"]
    assert [cause["representative"] for cause in data["causes"]] == ["relu-float64-forward"]
    done.stdout.fnmatch_lines(["relu: shape (1,), expected ()"])


def test_where_nothing_fails_there_are_no_causes(pytester: pytest.Pytester) -> None:
    report = pytester.path / "report.json"
    arguments = ["--layer=relu", "--max-examples=3", "-k", "forward", f"--report={report}"]
    done = ask(pytester, "--target=oracle-float32", *arguments)
    assert done.ret == 0
    done.stdout.no_fnmatch_line("causes:")
    assert strictly(report.read_text())["causes"] == []

"""An item tells its failures that are unlike each other, each shrunk, and not those that are alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_plugin import ask, kernels

from conformance import Case, Status, Values, Verdict
from conformance.causes import causes, item_name
from conformance.certificate import recorded
from conformance.isolation import Worker
from conformance.report import item_data, restore
from conformance.run import run
from conformance.tally import Nonconforming, Tally
from conformance.targets import offering
from conformance.verdict import gist

pytest_plugins = "pytester"


def of(function: Any, count: int = 100, kind: str = "forward", layer: str = "relu") -> Tally:
    """What comes of so many cases of a layer in float32."""
    return run(offering("mine", {layer: function, "formats": ("float32",)}), layer, "float32", kind, count)


def relu(input: Any) -> Any:
    return np.maximum(input, 0)


# One with two errors and wrong numbers besides: where there are two, three, or other numbers of sides.
MANY = """
import numpy as np

formats = ("float32",)

def relu(input):
    if input.ndim == 2:
        raise ValueError(f"no kernel for {input.shape}")
    if input.ndim == 3:
        raise TypeError("three are too many")
    return np.maximum(input, 0) + (input.size > 3)
"""
FAULTS = {"": 4, "raised ValueError": 2, "raised TypeError": 6}  # of shapes (4,), (1, 2) and (1, 2, 3)


def faults(tally: Tally) -> dict[str, int]:
    """What the failures say, and the elements of their cases."""
    told = [(failure.verdict.fault.partition(":")[0], failure.case) for failure in tally.failures]
    assert len(dict(told)) == len(told)
    return {fault: case.elements for fault, case in told if case}


def test_errors_and_wrong_numbers_of_one_item_are_told_apart_and_each_is_shrunk() -> None:
    offers: dict[str, Any] = {}
    exec(MANY, offers)
    assert faults(of(offers["relu"])) == FAULTS


def test_all_cases_are_asked_unless_most_of_ten_or_more_fail() -> None:
    def always(input: Any) -> Any:
        return relu(input) + 1

    def sometimes(input: Any) -> Any:
        return relu(input) + (input.size > 40)

    assert of(always).counts[Status.FAIL] == of(always).cases == 10
    assert of(sometimes).cases == 100
    assert of(sometimes).counts[Status.FAIL] > 1
    assert len(of(sometimes).failures) == 1


def test_after_a_failure_the_cases_go_on_as_if_it_had_been_none() -> None:
    """Those by which failures are shrunk, and those of the searches before, are not counted again."""

    def wrong(input: Any) -> Any:
        return relu(input) + (input.size > 40)

    honest, found = of(relu), of(wrong)
    assert found.counts[Status.FAIL] > 1
    assert [ratio for ratio in found.ratios if ratio is not None] == [0.0] * found.counts[Status.PASS]
    assert found.drawn == honest.drawn


def test_more_than_five_kinds_of_failure_are_not_looked_for() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]

    def confused(input: Any) -> Any:
        if input.size > 60:
            raise ValueError(words[input.size % len(words)])
        return relu(input)

    found = of(confused, 400)
    assert len(found.failures) == 5
    assert found.cases < 400


def test_a_failure_is_shrunk_to_one_of_its_kind() -> None:
    def wrong(input: Any) -> Any:
        if input.size < 3:
            raise ValueError("too small")
        return relu(input) + 1

    assert {
        len(failure.verdict.fault) > 0: failure.case and failure.case.elements for failure in of(wrong).failures
    } == {
        True: 1,
        False: 3,
    }


def test_every_wrong_call_that_is_let_pass_is_told() -> None:
    def lenient(input: Any, *, p: float = 0.5, training: bool = True) -> Any:
        return input * np.float32(0)

    found = run(offering("mine", {"dropout": lenient, "formats": ("float32",)}), "dropout", "float32", "refusal", 60)
    told = {failure.case.refusal for failure in found.failures if failure.case}
    assert len(told) == len(found.failures) > 1
    assert found.counts[Status.FAIL] > len(found.failures)


def test_the_broken_relations_of_an_item_are_told_apart() -> None:
    def wrong(input: Any) -> Any:
        return np.abs(input) + (input.ndim > 1)

    found = of(wrong, 100, "relation").failures
    names = [failure.case.relation.name for failure in found if failure.case and failure.case.relation]
    assert len({*names}) == len(names) > 1


def test_what_was_found_before_a_process_dies_stands_beside_the_crash(tmp_path: Path) -> None:
    path = tmp_path / "dying.py"
    path.write_text(MANY.replace('raise TypeError("three are too many")', "import os; os._exit(3)"))
    worker, tally = Worker(str(path)), Tally()
    try:
        worker.run("relu", "float32", "forward", 100, tally)
    finally:
        worker.stop()
    assert tally.failure is not None
    assert tally.failure.verdict.status is Status.CRASHED
    assert tally.counts[Status.CRASHED] == 1
    assert faults(tally).keys() > {""}


def test_a_worker_tells_all_failures(tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(MANY)
    worker, tally = Worker(str(path)), Tally()
    try:
        worker.run("relu", "float32", "forward", 100, tally)
    finally:
        worker.stop()
    assert faults(tally) == FAULTS


def test_numbers_are_no_part_of_what_a_sentence_says() -> None:
    assert (
        gist("no kernel for (3, 4), at 0x7f00 in conv2d_12: -1e-05 is not 2.5") == "no kernel for at in convd_ is not"
    )


# How they are told


def failure(reason: str, fault: str = "") -> Nonconforming:
    verdict = Verdict(Status.FAIL, np.inf, reason, fault=fault)
    return Nonconforming("special", Case("relu", "float32", {"input": Values((2,))}), verdict)


def test_an_item_is_among_the_items_of_every_cause_that_it_shows() -> None:
    both = item_data("relu", "float32", "special", Tally(failures=[failure("nan is lost"), failure("oh", "raised E")]))
    one = item_data("relu", "float64", "special", Tally(failures=[failure("oh", "raised E")]))
    found = causes([both, one], ["float64", "float32"])
    assert [(cause.words, [*map(item_name, cause.items)]) for cause in found] == [
        ("oh", ["relu-float64-special", "relu-float32-special"]),
        ("nan is lost", ["relu-float32-special"]),
    ]


def test_failures_survive_the_way_through_plain_data() -> None:
    given = Tally(failures=[failure("nan is lost"), failure("oh", "raised E")])
    data, again = item_data("relu", "float32", "special", given), Tally()
    restore(again, json.loads(json.dumps(data)))
    assert item_data("relu", "float32", "special", again) == data
    assert [found.verdict.reason for found in again.failures] == ["nan is lost", "oh"]


def test_a_run_prints_keeps_and_publishes_all_failures_of_an_item(pytester: pytest.Pytester) -> None:
    asked = (kernels(pytester, MANY), "--layer=relu", "-k", "forward", "--report=report.json", "--certificate=folder")
    done = ask(pytester, *asked, "--corpus=corpus")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    text = done.stdout.str()
    assert text.count("relu in float32 (forward) does not conform: ") == 1
    others = text.partition("\nIt fails in other ways too (--report=FILE.json holds their cases):\n\n")[2]
    assert others.startswith("  raised TypeError: three are too many\n  raised ValueError: no kernel for (1, 2)\n")
    report = json.loads((pytester.path / "report.json").read_text())
    (item,) = report["items"]
    assert len(item["other_failures"]) == 2
    assert len(report["causes"]) == 2, "wrong numbers may be due to the error"
    assert len(recorded(report, only_failed=True)) == 3
    folder = pytester.path / "folder"
    assert sorted(path.name for path in (folder / "reproducers").iterdir()) == [
        "relu-float32-forward-1.py",
        "relu-float32-forward-2.py",
        "relu-float32-forward.py",
    ]
    assert (folder / "page.html").read_text().count("It fails in another way too: ") > 1
    again = ask(pytester, *asked, "--corpus=corpus").stdout.str()
    assert "raised TypeError: three are too many\n" in again
    assert "raised ValueError: no kernel for (1, 2)\n" in again
    assert "3 cases of the corpus were put first" in again

"""The table of targets in the README."""

from __future__ import annotations

from typing import Any

from benchmarks.targets import table

COUNTS = {"PASS": 0, "FAIL": 0, "KNOWN": 0, "UNDECIDED": 0, "UNSUPPORTED": 0, "CRASHED": 0}


def item(layer: str, worst: float | str, **counts: int) -> dict[str, Any]:
    return {
        "layer": layer,
        "counts": {**COUNTS, **counts},
        "worst_ratio": worst,
        "seconds": {"draw": 1.0, "judge": 1.5, "target": 0.6},
    }


def test_a_report_is_one_row_that_sums_its_items() -> None:
    items = [item("relu", 0.25, PASS=3, KNOWN=1), item("relu", 0.5, PASS=2, FAIL=1), item("gru", 0.0, UNSUPPORTED=2)]
    report = {"target": "mine", "description": "mine 1.0", "profile": "quick", "examples": 12, "items": items}
    *_, row = table([report]).splitlines()
    assert row == "| mine (mine 1.0) | quick | 2 | 9 | 5 | 1 | 0 | 2 | 1 | 0.50 | 9 |"


def test_each_report_has_a_row() -> None:
    reports = [
        {"target": name, "description": "", "profile": "default", "examples": 100, "items": []} for name in ("a", "b")
    ]
    rows = table(reports).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| a", "| b"]


def test_a_number_of_examples_stands_for_the_profile_that_has_another() -> None:
    report = {"target": "mine", "description": "", "profile": "default", "examples": 3, "items": []}
    *_, row = table([report]).splitlines()
    assert row.startswith("| mine | 3 examples |")

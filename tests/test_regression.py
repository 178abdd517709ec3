"""What changed between two runs, and when an error has grown beyond noise."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance import Case, Values
from conformance.causes import item_name
from conformance.regression import Change, all_within, changes
from conformance.report import item_data
from conformance.tally import Nonconforming, Tally
from conformance.verdict import Status, Verdict

Document = dict[str, Any]

LAYOUTS = ("contiguous", "offset")


def item(check: str, ratios: list[float], seed: int = 0, status: Status = Status.PASS) -> dict[str, Any]:
    """An item with a case for every ratio, every other one in a strange layout."""
    tally = Tally()
    for k, ratio in enumerate(ratios):
        layouts = {"input": LAYOUTS[k % 2]} if k % 2 else {}
        case = Case("relu", "float32", {"input": Values((k + 1,), seed=seed)}, {"stride": k % 3}, layouts)
        tally.add(case, Verdict(status, ratio))
    return item_data("relu", "float32", check, tally)


def failing(check: str, status: Status = Status.FAIL, reason: str = "wrong", *others: str) -> dict[str, Any]:
    tally = Tally()
    case = Case("relu", "float32", {"input": Values((1,))})
    for each in (reason, *others):
        tally.add(case, Verdict(status, 2.0, each))
        tally.failures.append(Nonconforming(check, case, Verdict(status, 2.0, each)))
    return item_data("relu", "float32", check, tally)


def run(*items: dict[str, Any], **changes: Any) -> Document:
    report = {
        "items": list(items),
        "layers": ["relu"],
        "policies": {},
        "known": [],
        "description": "",
        "load": "mine",
        "profile": "default",
        "examples": 100,
        "seed": None,
        "suite": {"version": "1"},
        "environment": {"target": {"torch": "2.13"}},
    }
    return {"body": {"report": {**report, **changes}}}


def kinds(found: list[Change]) -> list[tuple[str, str, bool]]:
    return [(change.kind, change.about, change.worse) for change in found]


FINE = item("forward", [0.1] * 50)


def test_equal_runs_have_not_changed() -> None:
    assert changes(run(FINE), run(copy.deepcopy(FINE))) == []


def test_a_new_failure_is_a_regression_with_its_case_and_a_fixed_one_is_not() -> None:
    (change,) = changes(run(FINE), run(failing("forward")))
    assert (change.kind, change.about, change.worse) == ("new failure", "relu-float32-forward", True)
    assert change.case == failing("forward")["failure"]["case"]
    assert kinds(changes(run(failing("forward")), run(FINE))) == [("fixed", "relu-float32-forward", False)]


def test_a_failure_that_became_a_crash_is_worse_and_one_with_another_reason_is_told() -> None:
    crash, other = failing("forward", Status.CRASHED, "died"), failing("forward", reason="otherwise")
    name = "relu-float32-forward"
    assert ("changed failure", name, True) in kinds(changes(run(failing("forward")), run(crash)))
    assert kinds(changes(run(failing("forward")), run(other))) == [("changed failure", name, False)]


def test_of_an_item_that_fails_in_several_ways_each_is_compared() -> None:
    one, two, three = (failing("forward", Status.FAIL, *words) for words in (["a"], ["a", "b"], ["b", "c"]))
    name = "relu-float32-forward"
    assert kinds(changes(run(one), run(two))) == [("new failure", name, True)]
    assert kinds(changes(run(two), run(one))) == [("fixed", name, False)]
    assert [change.words for change in changes(run(two), run(three))] == ["a → c"]


@pytest.mark.parametrize(
    ("new", "how"),
    [
        ([], "the new run was not asked it"),
        ([item("forward", [0.0] * 50, status=Status.UNSUPPORTED)], "the new run supports no case of it"),
    ],
)
def test_what_is_judged_no_more_is_a_regression(new: list[dict[str, Any]], how: str) -> None:
    change, *_ = changes(run(FINE), run(*new))
    assert (change.kind, change.worse) == ("no longer judged", True)
    assert change.words == f"50 cases were judged; {how}"


def test_errors_of_the_same_cases_that_nearly_all_grew_are_beyond_noise_and_come_with_the_case() -> None:
    old = item("forward", [0.01 * (k % 30) for k in range(50)])
    new = item("forward", [0.03 * (k % 30) + 0.05 for k in range(50)])
    (change,) = changes(run(old), run(new))
    assert (change.kind, change.about, change.worse) == ("larger errors", "relu-float32-forward", True)
    assert change.words == "error / permitted: worst 0.29 → 0.92, typical 0.12 → 0.41"
    assert change.case == new["worst_case"]


def test_errors_of_the_same_cases_of_which_half_grew_are_noise() -> None:
    old = item("forward", [0.3 + 0.1 * (k % 2) for k in range(50)])
    new = item("forward", [0.4 - 0.1 * (k % 2) for k in range(50)])
    assert changes(run(old), run(new)) == []


def test_of_other_cases_the_largest_errors_must_nearly_all_be_new() -> None:
    low, high = [0.01 * (k % 30) for k in range(50)], [0.5] * 30 + [0.1] * 20
    old, new = item("forward", low, seed=0), item("forward", high, seed=1)
    assert ("larger errors", "relu-float32-forward", True) in kinds(changes(run(old), run(new)))
    assert changes(run(old), run(item("forward", [*low[:49], 0.94], seed=1))) == [], "one alone is luck"


def test_growth_too_small_for_one_check_shows_in_all_checks_of_a_layer_together() -> None:
    checks = ("forward", "gradient", "large", "special")
    old, new = ([item(check, [ratio] * 6) for check in checks] for ratio in (0.1, 0.2))
    assert kinds(changes(run(*old), run(*new))) == [("larger errors", "relu-float32", True)]
    assert changes(run(old[0]), run(new[0])) == []


def test_chance_is_counted_exactly() -> None:
    assert all_within(0, 3, 6) == 1.0
    assert all_within(1, 3, 6) == 0.5
    assert all_within(3, 3, 6) == pytest.approx(1 / 20)  # of the 20 ways to choose three of six, one
    assert all_within(4, 3, 6) == 0.0


def test_another_arithmetic_or_convention_is_a_regression() -> None:
    tf32 = {**FINE, "judged_by": {"operands": "tf32"}}
    (change,) = changes(run(FINE), run(tf32))
    assert (change.kind, change.about, change.worse) == ("changed arithmetic", "relu (float32)", True)
    assert change.words == "plain → operands = tf32"
    (change,) = changes(run(FINE), run(FINE, policies={"relu": {"nan": "propagates"}}))
    assert (change.kind, change.about, change.words) == ("changed convention", "relu", "plain → nan = propagates")


def test_a_deviation_that_was_declared_since_is_a_regression_and_one_that_was_known_is_not() -> None:
    met = [{"layer": "relu", "reason": "keeps -1", "met": True}]
    unmet = [{"layer": "relu", "reason": "keeps -1", "met": False}]
    assert kinds(changes(run(FINE), run(FINE, known=met))) == [("new known deviation", "relu", True)]
    assert changes(run(FINE, known=unmet), run(FINE, known=met)) == []


def test_cases_that_pass_no_more_though_none_fails_have_changed_their_status() -> None:
    new = copy.deepcopy(FINE)
    new["counts"] |= {"PASS": 40, "UNSUPPORTED": 10}
    (change,) = changes(run(FINE), run(new))
    assert (change.kind, change.words, change.worse) == ("changed status", "50 pass → 40 pass, 10 unsupported", True)


def test_what_was_drawn_often_and_is_no_more_is_lost_coverage_but_not_what_was_drawn_once() -> None:
    new = copy.deepcopy(FINE)
    del new["coverage"]["layout"]["offset"]
    (change,) = changes(run(FINE), run(new))
    assert (change.kind, change.about, change.words, change.worse) == ("coverage lost", "relu", "layout: offset", True)
    rare = copy.deepcopy(FINE)
    rare["coverage"]["layout"]["stepped"] = 1
    assert changes(run(rare), run(FINE)) == []


def test_other_versions_are_told_and_are_no_regression() -> None:
    new = run(FINE, environment={"target": {"torch": "2.14"}}, seed=7)
    assert [(change.about, change.words, change.worse) for change in changes(run(FINE), new)] == [
        ("seed", "None → 7", False),
        ("environment, target torch", "2.13 → 2.14", False),
    ]


def test_regressions_come_first() -> None:
    found = changes(run(failing("gradient"), FINE), run(failing("forward")))
    assert [change.worse for change in found] == sorted((change.worse for change in found), reverse=True)
    assert item_name(FINE) in {change.about for change in found}

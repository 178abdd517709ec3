"""Shards of a run: how the work is divided, and that they join into the run that they are."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance import spec
from conformance.certificate import Unusable, canonical, costs, digest
from conformance.merging import merged
from conformance.scope import Scope, measured, shared
from conformance.targets import load
from tests.certified import HONEST, WRONG, certify, document

pytest_plugins = "pytester"

QUESTIONS = [(layer, format, check) for layer in "ab" for format in ("float64", "float32") for check in "xyz"]


def test_shares_have_each_question_once_and_cost_about_the_same() -> None:
    prices = {question: float(k) for k, question in enumerate(QUESTIONS)}
    parts = shared(QUESTIONS, 3, prices)
    assert sorted(question for part in parts for question in part) == sorted(QUESTIONS)
    loads = [sum(prices[question] for question in part) for part in parts]
    assert max(loads) <= 4 / 3 * sum(loads) / 3
    assert all(len({layer for layer, *_ in part}) == 2 for part in parts), "layers are divided too"


def test_a_question_of_unknown_cost_counts_as_an_average_one() -> None:
    known = {("a", "x"): 4.0, ("a", "y"): 2.0}
    parts = shared([("a", "f", "x"), ("a", "f", "y"), ("b", "f", "x")], 2, known)
    assert parts == [[("a", "f", "x")], [("a", "f", "y"), ("b", "f", "x")]]
    assert sorted(map(len, shared(QUESTIONS, 5, {}))) == [2, 2, 2, 3, 3]


def test_the_table_of_costs_knows_every_question_to_torch() -> None:
    table = measured()
    target = load("torch-cpu")
    questions = Scope("torch-cpu", spec.names(), target.formats, "default", 100).questions(target)
    assert {(layer, check) for layer, _, check in questions} == table.keys()
    loads = [sum(table[layer, check] for layer, _, check in part) for part in shared(questions, 16, table)]
    assert max(loads) < 1.05 * min(loads)


def shards(pytester: pytest.Pytester, source: str, count: int, code: int) -> dict[str, Any]:
    found = {}
    for index in range(1, count + 1):
        certify(pytester, source, f"--shard={index}/{count}", "--layer=relu,sigmoid", into=f"part{index}", code=code)
        found[f"part{index}"] = document(pytester, f"part{index}")
    return found


def test_the_shards_of_a_run_are_the_run_to_the_byte(pytester: pytest.Pytester) -> None:
    wrong = WRONG.replace("np.exp(-input", "np.exp(input")
    certify(pytester, wrong, "--layer=relu,sigmoid", into="whole", code=1)
    parts = shards(pytester, wrong, 2, code=1)
    assert all(part["body"]["verdict"] == "not certifiable" for part in parts.values())
    found, whole = merged(parts), document(pytester, "whole")
    assert canonical(found["body"]) == canonical(whole["body"])
    assert found["volatile"]["seconds"].keys() == whole["volatile"]["seconds"].keys()
    assert whole["body"]["verdict"] == "does not conform"


def test_a_certificate_tells_what_its_questions_cost(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    found = costs(document(pytester))
    assert found["relu", "float32", "forward"] > 0.0
    certify(pytester, HONEST, "--shard=1/2", "--costs=out/certificate.json", into="half")
    names = document(pytester, "half")["volatile"]["seconds"]
    parts = shared(list(found), 2, found)
    assert {"-".join(question) for question in parts[0]} == names.keys()


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Two shards without a run: all that merging looks at."""

    def shard(index: int) -> dict[str, Any]:
        name = ("forward", "special")[index - 1]
        report: dict[str, Any] = {
            "suite": {"version": "1", "sources": "sha256:0"},
            "target": "mine",
            "seed": None,
            "layers": ["relu"],
            "formats": ["float32"],
            "offered_formats": ["float32"],
            "lacking": [],
            "questions": 2,
            "shard": [index, 2],
            "interrupted": False,
            "items": [],
            "not_asked": [f"relu-float32-{name}"],
            "causes": [],
            "known": [],
        }
        volatile = {"host": "here", "begun": "2026", "elapsed": 1.0, "seconds": {}}
        body = {"report": report}
        return {"body": body, "sha256": digest(body), "volatile": volatile}

    return {"one": shard(1), "two": shard(2)}


def changed(part: dict[str, Any], **fields: Any) -> dict[str, Any]:
    found = copy.deepcopy(part)
    found["body"]["report"] |= fields
    return found


def test_missing_shards_are_named(parts: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match="of 2 shards these are missing: 2"):
        merged({"one": parts["one"]})


def test_a_shard_given_twice_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match="one and again are both shard 1 of 2"):
        merged({"one": parts["one"], "again": parts["one"]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": 7}, "two is not of the run of one: seed is 7, expected None"),
        ({"suite": {"version": "2", "sources": "sha256:0"}}, "suite version is '2', expected '1'"),
        ({"shard": None}, "two is no shard: it is a whole run"),
        ({"shard": [2, 3]}, "divided differently: shards of 2, shards of 3"),
        ({"not_asked": ["relu-float32-forward"]}, "the shards have 1 of 2 questions, some of them twice"),
    ],
)
def test_what_is_not_of_one_run_is_refused(parts: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Unusable, match=message):
        merged({"one": parts["one"], "two": changed(parts["two"], **fields)})

"""Certificates: what they hold, when they certify nothing, and that equal runs give equal bodies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

import conformance
from conformance import Case, Indices, Special, Upstream, Values, spec
from conformance.certificate import Unusable, canonical, certificate, opened, recorded, written
from conformance.environment import suite
from conformance.page import page
from conformance.report import item_data
from conformance.tally import Tally
from conformance.traits import count, size_class
from conformance.verdict import Status, Verdict
from tests.certified import HONEST, WRONG, certify, document

pytest_plugins = "pytester"

SCHEMA = json.loads((Path(conformance.__file__).parent / "certificate.schema.json").read_text(encoding="utf-8"))

CASE = Case("relu", "float32", {"input": Values((3,))})


def conforms_to_schema(found: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)


def item(layer: str = "relu", format: str = "float32", check: str = "forward", *verdicts: Verdict) -> dict[str, Any]:
    tally = Tally()
    for verdict in verdicts or (Verdict(Status.PASS, 0.5),):
        tally.add(CASE, verdict)
    return item_data(layer, format, check, tally)


def made(**changes: Any) -> dict[str, Any]:
    """The certificate of a run without target: all that levels and obstacles depend on."""
    report = {
        "layers": ["relu"],
        "formats": ["float32"],
        "offered_formats": ["float32"],
        "lacking": [],
        "not_asked": [],
        "interrupted": False,
        "shard": None,
        "items": [item()],
    }
    return certificate({**report, **changes}, {})["body"]


def test_a_conforming_run_is_certified_as_the_schema_says(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    found = document(pytester)
    conforms_to_schema(found)
    body = found["body"]
    assert (body["verdict"], body["level"], body["obstacles"]) == ("conforms", "kernel", [])
    assert body["report"]["suite"] == suite()
    assert opened(pytester.path / "out" / "certificate.json") == found
    assert (pytester.path / "out" / "page.html").read_text(encoding="utf-8") == page(found)
    badge = ElementTree.parse(pytester.path / "out" / "badge.svg").getroot()
    assert badge.attrib["aria-label"] == "conformance: conforms (kernel)"
    shield = json.loads((pytester.path / "out" / "badge.json").read_text(encoding="utf-8"))
    assert shield == {
        "schemaVersion": 1,
        "label": "conformance",
        "message": "conforms (kernel)",
        "color": "brightgreen",
    }
    forward = next(entry for entry in body["report"]["items"] if entry["check"] == "forward")
    assert len(forward["ratios"]) == sum(forward["counts"].values()) == 4
    assert sum(forward["coverage"]["layout"].values()) >= 4


def test_a_failing_run_is_a_certificate_too_and_says_that_it_does_not_conform(pytester: pytest.Pytester) -> None:
    certify(pytester, WRONG, code=1)
    found = document(pytester)
    conforms_to_schema(found)
    assert found["body"]["verdict"] == "does not conform"
    assert "does not conform" in (pytester.path / "out" / "summary.md").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads((pytester.path / "out" / "badge.json").read_text())["color"] == "red"


def test_two_runs_with_the_same_seed_give_bodies_equal_to_the_byte(pytester: pytest.Pytester) -> None:
    for folder in ("one", "two"):
        certify(pytester, HONEST, into=folder)
    one, two = (document(pytester, folder) for folder in ("one", "two"))
    assert canonical(one["body"]) == canonical(two["body"])
    assert one["sha256"] == two["sha256"]
    assert one["volatile"] != two["volatile"], "times are never the same"


def test_items_judged_in_another_process_give_the_same_body(pytester: pytest.Pytester) -> None:
    certify(pytester, WRONG, into="here", code=1)
    certify(pytester, WRONG, "--isolate", into="there", code=1)
    here, there = (document(pytester, folder)["body"]["report"]["items"] for folder in ("here", "there"))
    assert here == there


def test_a_filtered_run_is_not_certifiable_and_names_what_was_left_out(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST, "-k", "forward")
    body = document(pytester)["body"]
    assert body["verdict"] == "not certifiable"
    (obstacle,) = body["obstacles"]
    assert "questions were not asked: relu-float32-empty, " in obstacle
    assert not any("forward" in name for name in body["report"]["not_asked"])


def test_a_run_that_stops_at_its_first_failure_is_not_certifiable(pytester: pytest.Pytester) -> None:
    certify(pytester, WRONG, "-x", code=1)
    body = document(pytester)["body"]
    assert body["obstacles"][0] == "the run was interrupted"
    assert body["report"]["items"], "what was judged until then is there"


def test_an_interrupted_run_keeps_what_was_judged_and_is_not_certifiable(pytester: pytest.Pytester) -> None:
    source = """
        import os
        import signal
        import numpy as np

        formats = ("float32",)
        trusted = True
        calls = []

        def relu(input):
            calls.append(input)
            if len(calls) > 3:
                signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell has it ignored
                os.kill(os.getpid(), signal.SIGINT)
            return np.maximum(input, 0)
    """
    certify(pytester, source, code=pytest.ExitCode.INTERRUPTED, no_reraise_ctrlc=True)
    body = document(pytester)["body"]
    assert body["verdict"] == "not certifiable"
    assert body["obstacles"][0] == "the run was interrupted"
    empty, forward = body["report"]["items"]
    assert empty["counts"]["PASS"] == 1
    assert forward["counts"]["PASS"] == 2


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"interrupted": True}, "the run was interrupted"),
        ({"shard": [2, 4]}, "this is shard 2 of 4: conformance merge joins them"),
        ({"not_asked": list("abcd")}, "4 of 5 questions were not asked: a, b, c …"),
        ({"items": [item("relu", "float32", "forward", Verdict(Status.UNSUPPORTED))]}, "nothing was judged"),
    ],
)
def test_what_is_not_certifiable_says_why(changes: dict[str, Any], obstacle: str) -> None:
    body = made(**changes)
    assert body["verdict"] == "not certifiable"
    assert body["obstacles"] == [obstacle]


def everything(*formats: str) -> dict[str, Any]:
    items = [item(layer, format, check) for layer in spec.names() for format in formats for check in ("forward",)]
    return {"layers": list(spec.names()), "formats": list(formats), "offered_formats": list(formats), "items": items}


def test_a_level_is_complete_only_for_all_layers_in_all_formats_with_derivatives() -> None:
    whole = everything("float32")
    assert made(**whole)["level"] == "complete"
    assert made(**{**whole, "offered_formats": ["float64", "float32"]})["level"] == "partial"
    assert made(**{**whole, "lacking": ["gru"]})["level"] == "partial"
    unsupported = item("gru", "float32", "gradient", Verdict(Status.UNSUPPORTED))
    body = made(**{**whole, "items": [*whole["items"], unsupported]})
    assert (body["level"], body["unjudged"]) == ("partial", ["gru-float32-gradient"])
    assert made()["level"] == "kernel"


def test_a_file_that_was_cut_off_changed_or_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    text = written(certificate({"items": [item()], **{k: v for k, v in REPORT.items() if k != "items"}}, {}))
    for spoilt, message in [
        (text[: len(text) // 2], "is no whole JSON document, as a file that was cut off"),
        (text.replace('"worst_ratio": 0.5', '"worst_ratio": 0.4'), "was changed after it was written"),
        (text.replace('"certificate": 1', '"certificate": 2'), "a certificate of form 2; this suite reads form 1"),
        ("[]", "is no certificate; pytest --certificate=DIR writes DIR/certificate.json"),
    ]:
        assert spoilt != text
        path.write_text(spoilt, encoding="utf-8")
        with pytest.raises(Unusable, match=message):
            opened(path)
    with pytest.raises(Unusable, match="cannot be read: No such file or directory"):
        opened(tmp_path / "missing.json")


REPORT = {
    "suite": suite(),
    "layers": ["relu"],
    "formats": [],
    "offered_formats": [],
    "lacking": [],
    "not_asked": [],
    "interrupted": False,
}
REPORT["shard"] = None


def test_a_full_disk_is_told_fails_the_run_and_leaves_the_older_certificate(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    certify(pytester, HONEST)
    before = document(pytester)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = certify(pytester, WRONG, code=pytest.ExitCode.INTERNAL_ERROR)
    done.stdout.fnmatch_lines(["relu *", "--certificate: out cannot be written: No space left on device; what was *"])
    assert document(pytester) == before
    assert not list((pytester.path / "out").glob(".*"))


@pytest.mark.parametrize("given", ["0/2", "3/2", "1", "a/b"])
def test_a_shard_is_a_number_of_a_number(pytester: pytest.Pytester, given: str) -> None:
    done = certify(pytester, HONEST, f"--shard={given}", code=4)
    assert f"--shard must be I/N with I from 1 to N, such as 2/4, not {given!r}" in done.stderr.str()


def test_a_folder_that_cannot_be_made_is_refused_before_the_run(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("out").write_text("a file")
    done = certify(pytester, HONEST, code=4)
    assert "--certificate: the folder 'out' cannot be made: File exists" in done.stderr.str()


def test_sizes_count_by_powers_of_two() -> None:
    assert [size_class(size) for size in (-1, 0, 4, 5, 8, 9, 16, 17)] == [
        "-1",
        "0",
        "4",
        "5-8",
        "5-8",
        "9-16",
        "9-16",
        "17-32",
    ]


def test_coverage_counts_each_case_once_for_each_of_its_traits() -> None:
    special = Special(Values((2, 2), "gaussian"), (0,), (1,), "nan")
    tensors = {"input": (Values((17, 2)), special), "ids": Indices((3,), 5), "mask": None}
    case = Case("relu", "float32", tensors, {"stride": (2, 9), "mode": "max", "flag": True}, {"ids": "offset"})
    case = Case(case.layer, case.format, tensors, case.parameters, case.layouts, Upstream(("input",), "few"))
    coverage: dict[str, dict[str, int]] = {}
    for _ in range(2):
        count(coverage, case)
    assert coverage == {
        "parameter stride": {"(2, 9-16)": 2},
        "parameter mode": {"max": 2},
        "parameter flag": {"True": 2},
        "sides of input": {"17-32": 2, "2": 2},
        "sides of ids": {"3": 2},
        "sides of mask": {"absent": 2},
        "layout": {"contiguous": 2, "offset": 2},
        "regime": {"ramp": 2, "gaussian": 2, "indices": 2, "few": 2},
        "special value": {"nan": 2},
        "derivative towards": {"input": 2},
    }


def test_cases_that_were_not_judged_cover_nothing() -> None:
    found = item("relu", "float32", "forward", Verdict(Status.UNSUPPORTED), Verdict(Status.PASS, 0.25))
    assert found["coverage"]["layout"] == {"contiguous": 1}
    assert found["ratios"] == [None, 0.25]


def test_the_typical_error_is_the_median_where_anything_is_rounded() -> None:
    found = item("relu", "float32", "forward", *(Verdict(Status.PASS, ratio) for ratio in (0.0, 0.0, 0.1, 0.2, 0.9)))
    assert (found["typical_ratio"], found["worst_ratio"]) == (0.2, 0.9)


def test_recorded_cases_keep_their_tensors_in_the_order_of_the_formula(tmp_path: Path) -> None:
    tally = Tally()
    case = Case("linear", "float32", {"input": Values((2,)), "weight": Values((3, 2)), "bias": Values((3,))})
    tally.add(case, Verdict(Status.PASS, 0.5))
    path = tmp_path / "certificate.json"
    report = {**REPORT, "items": [item_data("linear", "float32", "forward", tally)]}
    path.write_text(written(certificate(report, {})), encoding="utf-8")
    (kept,) = recorded(opened(path)["body"]["report"])
    assert kept.case.names == ["input", "weight", "bias"]

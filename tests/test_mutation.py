"""The benchmark of broken and honest implementations: what it counts, and that its rules can accept and reject."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.implementations import Implementation, collect
from benchmarks.mutation import examined, main, measured, sample
from benchmarks.power import power
from benchmarks.rivals import RIVALS, close, reference, ulps
from conformance.case import Case
from conformance.coverage import marked
from conformance.targets.torch import LAYERS
from conformance.values import Values
from conformance.verdict import Actual

_NAMES = [rival.name for rival in RIVALS]


def implementation(layer: str, function: Callable[..., Any], *, honest: bool = False) -> Implementation:
    return Implementation(layer, "planted", "is planted", "", function, ("float32",), honest)


def doubled(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return 2.0 * torch.nn.functional.linear(input, weight, bias)


def test_a_plainly_wrong_implementation_is_rejected_by_the_suite_and_by_every_rule() -> None:
    row = measured(implementation("linear", doubled), "quick", 1)
    assert row.rejection is not None
    assert row.rejection.by == "forward"
    assert row.rejection.cases < 10
    assert row.rivals == dict.fromkeys(_NAMES, True)


def test_an_honest_implementation_is_accepted_by_the_suite_and_by_rules_without_cancellation() -> None:
    row = measured(implementation("relu", lambda input: torch.relu(input), honest=True), "quick", 2)
    assert row.rejection is None
    assert len(row.found) == 2
    assert all(found.cases > 10 for found in row.found)
    assert [row.rivals[name] for name in _NAMES] == [False] * 5 + [None]  # TOSA has no dot product there


def test_another_seed_asks_other_cases() -> None:
    asked: list[list[tuple[int, ...]]] = []

    def remembering(input: torch.Tensor) -> torch.Tensor:
        asked[-1].append(tuple(input.shape))
        return torch.relu(input)

    for seed in (1, 1, 2):
        asked.append([])
        assert examined(implementation("relu", remembering), "quick", seed).by is None
    assert asked[0] == asked[1] != asked[2]


def test_a_defect_that_ends_the_process_is_rejected() -> None:
    def dies(input: torch.Tensor) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return input

    row = measured(implementation("relu", dies), "quick", 1)
    assert row.rejection is not None
    assert row.rejection.by == "process"


def test_a_defect_that_hangs_is_neither_rejected_nor_ends_the_benchmark() -> None:
    def hangs(input: torch.Tensor) -> torch.Tensor:
        time.sleep(60)
        return input

    row = measured(implementation("relu", hangs), "quick", 1, limit=0.5)
    assert row.rejection is None
    assert not row.found[0].complete
    assert [row.rivals[name] for name in _NAMES] == [False] * 5 + [None]


def test_the_registry_has_each_name_once_and_a_link_for_every_defect() -> None:
    found = collect()
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert each.layer in LAYERS, each.name
        assert each.sentence.endswith("."), each.name
        assert each.honest or each.link.startswith("https://"), each.name


def test_the_short_form_has_an_honest_and_a_broken_implementation_of_every_layer_that_has_any() -> None:
    found, chosen = collect(), sample(collect())
    assert len(chosen) < len(found)
    for honest in (True, False):
        assert {each.layer for each in chosen if each.honest == honest} == {
            each.layer for each in found if each.honest == honest
        }


def test_the_command_prints_a_table_and_writes_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.json"
    main(["--name", "relu_maximum,relu_upstream_as_stored", "--profile", "quick", "--json", str(path)])
    printed = capsys.readouterr()
    assert max(map(len, printed.out.splitlines())) <= 80
    assert "this suite, quick, 1 seed" in printed.out
    assert "relu_upstream_as_stored (broken): rejected by gradient" in printed.err
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["complete"]
    assert set(data["rules"]) == set(_NAMES)
    honest, broken = data["rows"]
    assert honest["suite"][0]["by"] is None
    assert broken["suite"][0]["by"] == "gradient"
    assert broken["rejected_by_rivals"]["allclose 1e-4, five inputs of one shape"] is False  # which is forward only


def test_the_exit_status_tells_whether_enough_broken_implementations_were_rejected() -> None:
    asked = ["--name", "conv2d_second_group_zero,relu_upstream_as_stored", "--profile", "quick"]
    main([*asked, "--least", "0.5"])
    with pytest.raises(SystemExit, match="1"):  # the first needs three circumstances at once
        main([*asked, "--least", "0.9"])


def test_the_tables_of_the_readme_count_what_was_rejected_and_name_what_was_missed() -> None:
    def row(name: str, by: str | None, *, honest: bool = False, **rivals: bool | None) -> dict[str, Any]:
        suite = [{"by": by, "cases": 7, "seconds": 0.5}]
        return {"name": name, "honest": honest, "suite": suite, "rejected_by_rivals": rivals}

    broken = [row("a", "forward", mild=None, strict=True), row("b", None, mild=False, strict=True)]
    halves = [{"profile": "default", "seeds": 1, "rows": [each]} for each in broken]
    honest = [{"profile": "quick", "seeds": 20, "rows": [row("c", None, honest=True), row("d", "law", honest=True)]}]
    table = power([*halves, *honest])
    assert "| this suite, default profile | 1 | 2 |\n| strict | 2 | 2 |\n| mild | 0 | 1 |\n" in table
    assert "The default profile rejects at the median after 7 cases and 0.5 s. It missed b." in table
    assert "In the quick profile 1 of 2 honest implementations are accepted with each of 20 seeds." in table
    assert marked("x <!-- power -->\nold\n<!-- /power --> y", "power", "new\n").split() == [
        "x", "<!--", "power", "-->", "new", "<!--", "/power", "-->", "y"
    ]  # fmt: skip


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(SystemExit, match="no implementation has the layer softmaxx"):
        main(["--layer", "softmaxx"])


@pytest.mark.parametrize(("steps", "accepted"), [(0, True), (34, True), (35, False)])
def test_the_rule_of_ulps_counts_numbers_between(steps: int, accepted: bool) -> None:
    call = Case("sigmoid", "float32", {"input": Values((1,))})
    true = np.float32(0.75)
    got = (true.view(np.int32) + steps).view(np.float32)
    answers = [[Actual(np.array([float(value)]), "float32")] for value in (got, true)]
    assert ulps(call, *answers) is accepted


def test_a_rule_of_tolerance_sees_shapes_and_formats() -> None:
    call = Case("relu", "float32", {"input": Values((2,))})
    (true,) = reference(call)
    assert true is not None
    rule = close(1e-3, 1e-3, format=True)
    assert rule(call, [Actual(true.values + 1e-4, "float32")], [true])
    assert not rule(call, [Actual(true.values + 1e-2, "float32")], [true])
    assert not rule(call, [Actual(true.values, "float64")], [true])
    assert not rule(call, [Actual(true.values[:1], "float32")], [true])

"""The page of dialects, and what targets declare of their conventions."""

from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance import Case, Status, Target, Unavailable, Values, dialects, examine, load
from conformance.declarations import declarations
from conformance.target import CONVENTIONS
from conformance.targets import UnknownTarget
from oracle.formulas import formula, names

PAGE = Path(__file__).parents[1] / "docs" / "dialects.md"
DIALECTS = dict(declarations("_dialect.py"))
IMAGES = Values((1, 2, 4, 3))
GATES = (Values((3, 2)), Values((3, 1)), Values((3,)), Values((3,)))
SPATIAL = {"size": (8, 6), "scale_factor": None, "recompute_scale_factor": None}
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "conv2d": (
        {"input": IMAGES, "weight": Values((3, 2, 2, 2)), "bias": None},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1},
    ),
    "avg_pool2d": (
        {"input": IMAGES},
        {"kernel_size": (2, 2), "stride": None, "padding": (1, 1), "ceil_mode": False, "divisor_override": None},
    ),
    "gru": (
        {"input": Values((2, 1, 2)), "h_0": None, "weights": GATES},
        {"num_layers": 1, "bias": True, "batch_first": False, "bidirectional": False},
    ),
    "upsample_bilinear": ({"input": IMAGES}, SPATIAL),
    "upsample_nearest": ({"input": IMAGES}, SPATIAL),
}


def loaded(folder: str) -> Target:
    """The target of a folder, in the first variant that runs here."""
    for name in (folder, f"{folder}-cpu"):
        try:
            return load(name)
        except (UnknownTarget, Unavailable):
            continue
    pytest.skip(f"{folder} cannot run here")


def test_the_page_is_what_the_targets_declare() -> None:
    assert PAGE.read_text(encoding="utf-8") == dialects.page()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_what_a_target_declares_is_on_the_page(dialect: ModuleType) -> None:
    assert dialect.CHOICES.keys() <= dialects.CHOICES.keys()
    assert dialect.WRITING.keys() <= set(dialects.WRITING)
    assert {(layer, name) for layer, policy in dialect.POLICIES.items() for name in policy} <= set(dialects.policies())


@pytest.mark.parametrize("folder", DIALECTS)
def test_every_convention_of_an_offered_layer_is_declared_and_judged_by(folder: str) -> None:
    target = loaded(folder)
    offered = [layer for layer in names() if target.layer(layer)]
    assert target.policies == DIALECTS[folder].POLICIES
    for layer in offered:
        expected = CONVENTIONS & signature(formula(layer)).parameters.keys()
        assert target.policies.get(layer, {}).keys() == expected, layer
    assert target.policies.keys() <= set(offered)


@pytest.mark.parametrize("folder", DIALECTS)
@pytest.mark.parametrize(
    ("layer", "parameter", "value"),
    [(layer, parameter, value) for (layer, parameter), values in dialects.CHOICES.items() for value in values],
)
def test_values_that_a_library_is_said_to_lack_are_unsupported_and_others_are_not(
    folder: str, layer: str, parameter: str, value: Any
) -> None:
    target, choices = loaded(folder), DIALECTS[folder].CHOICES.get((layer, parameter), ())
    if target.layer(layer) is None:
        assert not choices
        return
    tensors, parameters = CALLS[layer]
    case = Case(layer, "float32", tensors, {**parameters, parameter: value})
    assert examine(target, case).status in ((Status.PASS, Status.KNOWN) if value in choices else (Status.UNSUPPORTED,))


@pytest.mark.parametrize("folder", DIALECTS)
def test_running_statistics_are_fed_with_the_variance_that_is_declared(folder: str) -> None:
    target = loaded(folder)
    if target.layer("batch_norm") is None:
        return
    statistics = {name: Values((2,), "positive") for name in ("running_mean", "running_var")}
    tensors = {"input": Values((3, 2)), **statistics, "weight": None, "bias": None}
    parameters = {"training": True, "momentum": 0.25, "eps": 0.5, "num_batches_tracked": 0}
    status = examine(target, Case("batch_norm", "float32", tensors, parameters)).status
    unbiased = DIALECTS[folder].WRITING["running variance"] == "unbiased"
    assert status is (Status.PASS if unbiased else Status.UNSUPPORTED)

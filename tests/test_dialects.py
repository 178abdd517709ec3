"""The page of dialects, and what targets declare of their conventions."""

from copy import copy
from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance import Case, Literal, Special, Status, Target, Unavailable, Values, dialects, examine, load
from conformance.declarations import declarations
from conformance.target import CONVENTIONS
from conformance.targets import UnknownTarget
from oracle.formulas import formula, names

PAGE = Path(__file__).parents[1] / "docs" / "dialects.md"
DIALECTS = dict(declarations("_dialect.py"))
IMAGES = Values((1, 2, 4, 3))
GATES = (Values((3, 2)), Values((3, 1)), Values((3,)), Values((3,)))
SPATIAL = {"size": None, "scale_factor": (2.0, 2.0), "recompute_scale_factor": None}
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "conv2d": (
        {"input": IMAGES, "weight": Values((3, 2, 2, 2)), "bias": None},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1},
    ),
    "avg_pool2d": (
        {"input": IMAGES},
        {"kernel_size": (2, 2), "stride": None, "padding": (1, 1), "ceil_mode": False, "divisor_override": None},
    ),
    "max_pool2d": (
        {"input": IMAGES},
        {"kernel_size": (2, 2), "stride": None, "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False},
    ),
    "gru": (
        {"input": Values((2, 1, 2)), "h_0": None, "weights": GATES},
        {"num_layers": 1, "bias": True, "batch_first": False, "bidirectional": False},
    ),
    "upsample_bilinear": ({"input": IMAGES}, SPATIAL),
    "upsample_nearest": ({"input": IMAGES}, SPATIAL),
}

QUERY, KEY, VALUE = Values((1, 1, 2, 2)), Values((1, 1, 4, 2)), Values((1, 1, 4, 2))
ROW_WITHOUT_KEYS = Literal((2, 4), (*[False] * 4, *[True] * 4))
ATTENDED = {"is_causal": False, "scale": None, "enable_gqa": False}
PROJECTIONS = {
    "in_proj_weight": Values((6, 2)),
    "in_proj_bias": None,
    "out_proj_weight": Values((2, 2)),
    "out_proj_bias": None,
    "key_padding_mask": None,
}
HEADS = {"num_heads": 1, "need_weights": True, "average_attn_weights": True}


def beside_nan(shape: tuple[int, ...], place: tuple[int, ...]) -> Special:
    """A tensor with one NaN."""
    return Special(Values(shape), place, (1,) * len(shape), "nan")


def scaled(value: Any, mask: Any, **parameters: Any) -> Case:
    """A case of scaled dot-product attention."""
    tensors = {"query": QUERY, "key": KEY, "value": value, "attn_mask": mask}
    return Case("scaled_dot_product_attention", "float32", tensors, {**ATTENDED, **parameters})


def many_headed(value: Any, mask: Any) -> Case:
    """A case of multi-head attention, whose mask is True where a key is ignored."""
    tensors = {"query": Values((1, 2, 2)), "key": Values((1, 3, 2)), "value": value, **PROJECTIONS, "attn_mask": mask}
    return Case("multi_head_attention", "float32", tensors, HEADS)


# A case for each convention, whose answer tells which one is followed.
TELLING: dict[tuple[str, str], Case] = {
    ("relu", "nan"): Case("relu", "float32", {"input": beside_nan((3,), (1,))}, {}),
    ("max_pool2d", "nan"): Case(
        "max_pool2d",
        "float32",
        {"input": beside_nan((1, 1, 2, 2), (0, 0, 0, 1))},
        {"kernel_size": (2, 2), "stride": None, "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False},
    ),
    ("dropout", "behind_mask"): Case(
        "dropout", "float32", {"input": Special(Values((32,)), (0,), (32,), "inf")}, {"p": 0.5}
    ),
    ("dropout2d", "behind_mask"): Case(
        "dropout2d", "float32", {"input": Special(Values((1, 32, 1, 1)), (0,) * 4, (1, 32, 1, 1), "inf")}, {"p": 0.5}
    ),
    ("scaled_dot_product_attention", "causal_alignment"): scaled(VALUE, None, is_causal=True),
    ("scaled_dot_product_attention", "fully_masked"): scaled(VALUE, ROW_WITHOUT_KEYS),
    ("scaled_dot_product_attention", "behind_mask"): scaled(
        beside_nan((1, 1, 4, 2), (0, 0, 1, 0)), Literal((2, 4), (True, False, True, True) * 2)
    ),
    ("multi_head_attention", "fully_masked"): many_headed(
        Values((1, 3, 2)), Literal((2, 3), (*[True] * 3, *[False] * 3))
    ),
    ("multi_head_attention", "behind_mask"): many_headed(
        beside_nan((1, 3, 2), (0, 1, 0)), Literal((2, 3), (False, True, False) * 2)
    ),
    ("local_attention", "behind_mask"): Case(
        "local_attention",
        "float32",
        {"query": Values((3, 2)), "key": Values((3, 2)), "value": beside_nan((3, 2), (2, 0))},
        {"window": 1},
    ),
}
WAYS = {
    "causal_alignment": ("top_left", "bottom_right"),
    "fully_masked": ("zero", "nan", "mean"),
    "behind_mask": ("skipped", "times_zero"),
    "nan": ("propagated", "ignored"),
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
    for row, values in dialect.CHOICES.items():
        assert set(values) <= set(dialects.CHOICES[row]), row
    assert dialect.WRITING.keys() <= dialects.WRITING.keys()
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


def test_a_case_tells_of_every_convention() -> None:
    assert TELLING.keys() == set(dialects.policies())
    assert WAYS.keys() == CONVENTIONS


@pytest.mark.parametrize("folder", DIALECTS)
@pytest.mark.parametrize(("layer", "convention"), TELLING)
def test_the_convention_that_is_declared_is_followed_and_no_other(folder: str, layer: str, convention: str) -> None:
    target = copy(loaded(folder))
    if target.layer(layer) is None:
        return
    declared = dict(target.policies[layer])
    target.known = ()  # which excuse answers of either convention
    passed = []
    for way in WAYS[convention]:
        target.policies = {layer: {**declared, convention: way}}
        verdict = examine(target, TELLING[layer, convention], "special")
        if verdict.status is Status.UNSUPPORTED:  # where weights are asked for, of which some libraries have none
            case = TELLING[layer, convention]
            verdict = examine(target, replace(case, parameters={**case.parameters, "need_weights": False}), "special")
        assert verdict.status in (Status.PASS, Status.FAIL), verdict
        passed += [way] * (verdict.status is Status.PASS)
    assert passed == [declared[convention]]


@pytest.mark.parametrize("folder", DIALECTS)
def test_a_target_writes_of_what_it_offers_and_of_nothing_else(folder: str) -> None:
    target = loaded(folder)
    assert DIALECTS[folder].WRITING.keys() == {name for name, layer in dialects.WRITING.items() if target.layer(layer)}


@pytest.mark.parametrize("folder", DIALECTS)
@pytest.mark.parametrize(
    ("layer", "parameter", "value"),
    [(*row, value) for row, values in dialects.CHOICES.items() for value in values],
)
def test_values_that_a_library_is_said_to_lack_are_unsupported_and_others_are_not(
    folder: str, layer: str, parameter: str, value: Any
) -> None:
    target, choices = loaded(folder), DIALECTS[folder].CHOICES.get((layer, parameter), ())
    assert bool(choices) == (target.layer(layer) is not None)
    if not choices:
        return
    tensors, parameters = CALLS[layer]
    case = Case(layer, "float32", tensors, {**parameters, parameter: value})
    offered = (Status.PASS, Status.KNOWN) if value in choices else (Status.UNSUPPORTED,)
    assert examine(target, case).status in offered


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

"""Large outputs and every width: planted bugs that only size reveals are found, honest torch passes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from planting import UntilFound
from torch import Tensor
from torch.nn import functional

from conformance import Case, Status, Target, Values, examine, load
from conformance.checks import check
from conformance.checks.widths import WIDTHS
from conformance.run import PROFILES, run
from conformance.spec import names, spec
from conformance.suspects import MOST, suspects
from conformance.tally import Tally
from conformance.targets.torch import LAYERS as OFFERED
from conformance.targets.torch import Torch
from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, gradients
from oracle.fast import Fast
from oracle.formats import float32

LAYERS = [layer for layer in names() if spec(layer).large and layer in OFFERED]
REDUCTIONS = [layer for layer in names() if spec(layer).widths and layer in OFFERED]


class Planted(Torch):
    """torch, but for one layer."""

    def __init__(self, layer: str, function: Callable[..., Any]) -> None:
        super().__init__("cpu")
        self._planted = {layer: function}

    def layer(self, name: str) -> Callable[..., Any] | None:
        return self._planted.get(name) or super().layer(name)


def last_tile_dropped(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows beyond the last multiple of 64 are never written."""
    rows = functional.linear(input, weight, bias).reshape(-1, weight.shape[0])
    whole = rows.shape[0] // 64 * 64
    written = torch.arange(rows.shape[0]) < whole if whole else torch.ones(rows.shape[0], dtype=torch.bool)
    return torch.where(written[:, None], rows, 0.0).reshape(*input.shape[:-1], -1)


def short_rows(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The number of a row is kept in 16 bits."""
    rows = functional.linear(input, weight, bias).reshape(-1, weight.shape[0])
    return rows[torch.arange(rows.shape[0]) % 2**16].reshape(*input.shape[:-1], -1)


def wrong_stride(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Columns from 1024 on are read one too early."""
    columns = torch.arange(weight.shape[0])
    return functional.linear(input, weight, bias)[..., columns - (columns >= 1024).long()]


def remainder_dropped(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A sum of more than 16 products leaves out those beyond the last multiple of 16."""
    terms = weight.shape[1]
    kept = terms // 16 * 16 or terms
    return functional.linear(input[..., :kept], weight[:, :kept], bias)


def two_warps(input: Tensor, dim: int = -1) -> Tensor:
    """Of some odd widths the second row is not quite normalised."""
    found = torch.softmax(input, dim)
    width = input.shape[dim]
    if 512 < width < 1024 and width % 2 and width % 32 != 31 and found[..., 1:, :].numel():
        found[..., 1:, :] *= 1.01
    return found


def counted_in_float32(input: Tensor) -> Tensor:
    """The place of an element is computed in float32."""
    found = torch.relu(input).flatten()
    places = torch.arange(found.numel(), dtype=torch.int32).float().long().clamp(max=found.numel() - 1)
    return found[places].reshape(input.shape)


def one_in_a_million(input: Tensor) -> Tensor:
    """One element of 2^20 or more is wrong, in the kernel for float32."""
    found = torch.relu(input)
    if input.dtype == torch.float32 and input.numel() >= 2**20:
        found = found.flatten()
        found[777_777] += 0.01
    return found.reshape(input.shape)


def stale_weight_gradient(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The derivative towards the last row of a large weight is missing."""
    if weight.shape[0] > 64:
        weight = torch.cat([weight[:-1], weight[-1:].detach()])
    return functional.linear(input, weight, bias)


def asked(target: Target, layer: str, kind: str, profile: str, format: str = "float32") -> Tally:
    return run(target, layer, format, kind, PROFILES[profile], UntilFound())


@pytest.mark.parametrize("format", ["float64", "float32"])
@pytest.mark.parametrize(
    ("layer", "kind", "bug"),
    [
        ("linear", "large", last_tile_dropped),
        ("linear", "large", wrong_stride),
        ("linear", "large", remainder_dropped),
        ("linear", "large", stale_weight_gradient),
        ("linear", "widths", remainder_dropped),
        ("softmax", "widths", two_warps),
    ],
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_a_bug_that_size_reveals_is_found(layer: str, kind: str, bug: Callable[..., Any], format: str) -> None:
    found = asked(Planted(layer, bug), layer, kind, "default", format)
    assert found.failure is not None
    assert found.failure.verdict.status is Status.FAIL


@pytest.mark.parametrize(
    ("layer", "bug"),
    [
        ("linear", short_rows),
        ("linear", wrong_stride),
        ("relu", one_in_a_million),
    ],
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_a_bug_of_the_largest_sizes_is_found_in_the_kernel_profile(layer: str, bug: Callable[..., Any]) -> None:
    """None is asked after the first that fails: the largest outputs need more memory than machines may have."""
    target = Planted(layer, bug)
    source: Any = check("large")
    assert Status.FAIL in (examine(target, case, "large").status for case in source.kernel(layer, "float32", target))


def test_an_index_that_float32_rounds_is_found() -> None:
    case = Case("relu", "float32", {"input": Values((4097, 4097), "gaussian")})
    assert examine(Planted("relu", counted_in_float32), case, "large").status is Status.FAIL


def test_the_kernel_profile_has_more_elements_than_float32_counts() -> None:
    source: Any = check("large")
    shapes = [case.tensors["input"].shape for case in source.kernel("relu", "float32", load("torch-cpu"))]
    assert max(map(prod, shapes)) > 2**24


@pytest.mark.parametrize("format", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("name", "axis"), [("input", 0), ("input", -1), ("weight", 0)])
def test_every_axis_is_beyond_short_indices_in_some_case(name: str, axis: int, format: str) -> None:
    source: Any = check("large")
    shapes = [case.tensors[name].shape for case in source.cases("linear", format, load("torch-cpu"), 100)]
    assert max(shape[axis] for shape in shapes) > 2**16 - 2


@pytest.mark.parametrize("layer", LAYERS)
def test_honest_torch_passes_large_calls(layer: str) -> None:
    tally = asked(load("torch-cpu"), layer, "large", "default")
    assert tally.failure is None
    assert tally.counts[Status.PASS] > tally.counts[Status.UNDECIDED]


@pytest.mark.parametrize("layer", REDUCTIONS)
def test_honest_torch_passes_every_width_of_the_default_profile(layer: str) -> None:
    tally = asked(load("torch-cpu"), layer, "widths", "default")
    assert tally.failure is None
    assert tally.counts[Status.PASS] + tally.counts[Status.UNDECIDED] == tally.cases
    assert tally.counts[Status.PASS] > 0.8 * tally.cases


@pytest.mark.parametrize("layer", REDUCTIONS)
def test_the_kernel_profile_walks_through_all_widths(layer: str) -> None:
    source: Any = check("widths")
    assert len(source.kernel(layer, "float32", load("torch-cpu"))) == len(WIDTHS)
    assert {*range(1, 1101), 2047, 2048, 2049, 4095, 4096, 4097} == set(WIDTHS)


def test_a_failure_names_the_element_by_its_index_in_the_output() -> None:
    tensors = {"input": Values((1000, 3), "gaussian"), "weight": Values((70, 3), "gaussian", 1), "bias": None}
    verdict = examine(Planted("linear", last_tile_dropped), Case("linear", "float32", tensors), "large")
    assert verdict.status is Status.FAIL
    assert 960 <= verdict.index[0] < 1000
    assert 0 <= verdict.index[1] < 70


def test_a_wrong_shape_is_seen_before_elements_are_chosen() -> None:
    tensors = {"input": Values((1000, 3)), "weight": Values((70, 3)), "bias": None}
    wrong = Planted("linear", lambda input, weight, bias: functional.linear(input, weight, bias)[1:])
    verdict = examine(wrong, Case("linear", "float32", tensors), "large")
    assert (verdict.status, verdict.reason) == (Status.FAIL, "shape (999, 70), expected (1000, 70)")


def test_an_output_too_many_is_named() -> None:
    target = Planted("relu", lambda input: (torch.relu(input), input))
    case = Case("relu", "float32", {"input": Values((2, 3))})
    assert examine(target, case, "large").reason == "returned 2 outputs, expected 1: output"


def test_the_largest_deviation_is_the_first_suspect() -> None:
    right = np.random.RandomState(0).standard_normal((300, 500))
    wrong = right.copy()
    wrong[123, 321] += 1e-3
    found = suspects(wrong, right, 0)
    assert found[0] == (123, 321)
    assert (299, 499) in found
    assert len(set(found)) == len(found) == MOST


def test_all_elements_of_a_small_output_are_suspects() -> None:
    assert suspects(np.zeros((2, 3)), None, 0) == list(np.ndindex(2, 3))


def test_of_a_large_array_only_what_is_needed_is_lifted() -> None:
    lifted = []

    class Counting(Fast):
        def lift(self, value: float) -> Any:
            lifted.append(value)
            return super().lift(value)

    with Counting():
        tensors = {"input": np.ones((1000, 5)), "weight": np.ones((2000, 5)), "bias": None}
        assert evaluate("linear", tensors, {})["output"][700, 1999] == 5.0
    assert len(lifted) == 10


def test_derivatives_of_a_large_output_visit_the_cotangents_that_are_not_zero() -> None:
    random = np.random.RandomState(0)
    tensors = {"input": random.randint(-3, 4, (900, 5)) * 1.0, "weight": random.randint(-3, 4, (40, 5)) * 1.0}
    cotangent = np.zeros((900, 40))
    cotangent[899, 7], cotangent[3, 39] = 2.0, 1.0
    with EnvelopeArithmetic(float32):
        found = gradients("linear", {**tensors, "bias": None}, {}, ["input", "weight"], lambda *_: cotangent)
        towards_input = np.array(found["input"].elements()).reshape(900, 5)
        towards_weight = np.array(found["weight"].elements()).reshape(40, 5)
    np.testing.assert_array_equal(towards_input, cotangent @ tensors["weight"])
    np.testing.assert_array_equal(towards_weight, cotangent.T @ tensors["input"])

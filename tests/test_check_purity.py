"""The check of purity: it finds what a call leaves behind, and passes what is honest."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from planting import UntilFound

from conformance import Case, Status, Target, Unsupported, Upstream, Values, examine, load
from conformance.checks import purity
from conformance.run import run
from conformance.targets.torch import Torch


class Planted(Torch):
    """Honest torch, but for one layer."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        super().__init__("cpu")
        self._planted = name, function

    def layer(self, name: str) -> Callable[..., Any] | None:
        planted, function = self._planted
        return function if name == planted else super().layer(name)


def found(target: Target, layer: str) -> tuple[Status, str]:
    failure = run(target, layer, "float32", "purity", 100, UntilFound()).failure
    return (failure.verdict.status, failure.verdict.reason) if failure else (Status.PASS, "")


def cached(key: Callable[[torch.Tensor], Any]) -> Callable[..., Any]:
    results: dict[Any, torch.Tensor] = {}

    def relu(input: torch.Tensor) -> torch.Tensor:
        return results.setdefault(key(input), torch.relu(input)).clone()

    return relu


def unwritten_row(input: torch.Tensor) -> torch.Tensor:
    output = torch.empty_like(input)
    if input.dim() < 2 or input.shape[0] < 2:
        return output.copy_(torch.relu(input))
    output[:-1] = torch.relu(input[:-1])
    return output


def beyond_the_end(input: torch.Tensor) -> torch.Tensor:
    whole = torch.empty(0, dtype=input.dtype).set_(input.untyped_storage())
    output = torch.relu(input)
    if whole.numel() > input.numel():
        whole[0] = 7.0
    return output


_WORKSPACE = torch.zeros(1 << 16)


def in_a_workspace(input: torch.Tensor) -> torch.Tensor:
    return _WORKSPACE[: input.numel()].view(input.shape).copy_(torch.relu(input))


def counting() -> Callable[..., Any]:
    """What the calls before were shows in the result."""
    calls = itertools.count()
    return lambda input: torch.relu(input) + next(calls)


PLANTED = {
    "in place on the input": (
        lambda input: (torch.relu(input), input.detach().relu_())[0],
        "changed memory that was given to it: input",
    ),
    "a view of the input": (lambda input: input[...] if (input >= 0).all() else torch.relu(input), "shares memory"),
    "in place on what lies before the input": (beyond_the_end, "changed memory that was given to it: input"),
    "a result kept by shape": (cached(lambda input: input.shape), "the answer to the call before it: the result"),
    "a row that is not written": (unwritten_row, "asked again: |the answer to the call before it: "),
    "results in one workspace": (in_a_workspace, "a later call changed result 0"),
    "a result that depends on the last call": (counting(), "asked again: "),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_impurity_is_found(name: str) -> None:
    function, reason = PLANTED[name]
    status, said = found(Planted("relu", function), "relu")
    assert status is Status.FAIL
    assert re.search(reason, said)


def test_outputs_that_share_memory_are_found() -> None:
    def max_pool2d(input: torch.Tensor, *, return_indices: bool, **parameters: Any) -> Any:
        output = load("torch-cpu").layer("max_pool2d")(input, **parameters)
        return (output, output[...]) if return_indices else output

    status, reason = found(Planted("max_pool2d", max_pool2d), "max_pool2d")
    assert (status, reason) == (Status.FAIL, "outputs 0 and 1 share memory")


@pytest.mark.parametrize("block", [np.zeros((3, 4)), torch.zeros(3, 4)])
def test_interleaved_views_of_one_block_share_nothing(block: Any) -> None:
    target = Numpy() if isinstance(block, np.ndarray) else load("torch-cpu")
    assert not target.overlaps(block[:, ::2], block[:, 1::2])
    assert target.overlaps(block[:, ::2], block[2:])


class _Spoiling(torch.autograd.Function):
    """A relu whose derivative overwrites the upstream gradient."""

    @staticmethod
    def forward(context: Any, input: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(input)
        return torch.relu(input)

    @staticmethod
    def backward(context: Any, upstream: torch.Tensor) -> torch.Tensor:
        (input,) = context.saved_tensors
        return (upstream.detach().mul_(input > 0)).clone()


def test_a_derivative_that_changes_the_upstream_is_found() -> None:
    case = Case("relu", "float32", {"input": Values((5,))}, upstream=Upstream(("input",)))
    verdict = examine(Planted("relu", _Spoiling.apply), case, "purity")
    assert verdict.status is Status.FAIL
    assert "changed memory that was given to it: upstream" in verdict.reason
    assert examine(load("torch-cpu"), case, "purity").status is Status.PASS


def test_a_derivative_that_varies_is_found() -> None:
    class Varying(Torch):
        count = 0

        def vjp(self, function: Any, leaves: Sequence[Any], cotangents: Any) -> tuple[Sequence[Any], Sequence[Any]]:
            outputs, gradients = super().vjp(function, leaves, cotangents)
            self.count += 1
            return outputs, [gradient * self.count for gradient in gradients]

    case = Case("relu", "float32", {"input": Values((5,))}, upstream=Upstream(("input",)))
    verdict = examine(Varying("cpu"), case, "purity")
    assert (verdict.status, verdict.output) == (Status.FAIL, "result 1")


def test_a_weight_that_is_remembered_without_its_derivative_is_found() -> None:
    """As casts that are cached by the place of a weight: https://github.com/NVIDIA/apex/pull/132."""
    known: set[int] = set()

    def linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        if not weight.requires_grad:
            known.add(weight.data_ptr())
        return torch.nn.functional.linear(input, weight.detach() if weight.data_ptr() in known else weight, bias)

    tensors = {"input": Values((2, 3)), "weight": Values((1, 3)), "bias": None}
    case = Case("linear", "float32", tensors, upstream=Upstream(("input", "weight")))
    verdict = examine(Planted("linear", linear), case, "purity")
    assert (verdict.status, verdict.output, verdict.got) == (Status.FAIL, "result 2", 0.0)
    assert examine(load("torch-cpu"), case, "purity").status is Status.PASS


class Rounding(Torch):
    """Answers differently each time, within rounding."""

    count = 0

    def layer(self, name: str) -> Callable[..., Any] | None:
        def linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            self.count += 1
            output = torch.nn.functional.linear(input, weight, bias)
            return torch.nextafter(output, output + self.count % 2)

        return linear


def test_a_target_without_determinism_is_held_to_the_formula() -> None:
    case = Case(
        "linear", "float32", {"input": Values((3,), "gaussian"), "weight": Values((1, 3), "gaussian", 1), "bias": None}
    )
    target = Rounding("cpu")
    assert examine(target, case, "purity").status is Status.FAIL
    target.deterministic = False
    assert examine(target, case, "purity").status is Status.PASS


class Numpy(Target):
    """Arrays of numpy, with the hooks as they are."""

    def relu(self, input: np.ndarray) -> np.ndarray:
        return np.maximum(input, 0)

    def vjp(self, function: Any, leaves: Any, cotangents: Any) -> Any:
        raise Unsupported("no derivatives")


class InPlace(Numpy):
    def relu(self, input: np.ndarray) -> np.ndarray:
        if not input.flags.writeable:
            return np.maximum(input, 0)
        return np.maximum(input, 0, out=input)


class View(Numpy):
    def relu(self, input: np.ndarray) -> np.ndarray:
        return input[...] if (input >= 0).all() else np.maximum(input, 0)


@pytest.mark.parametrize(
    ("target", "status"), [(Numpy(), Status.PASS), (InPlace(), Status.FAIL), (View(), Status.FAIL)]
)
def test_numpy_is_watched_without_hooks(target: Target, status: Status) -> None:
    assert found(target, "relu")[0] is status


@pytest.mark.parametrize("layer", ["relu", "linear", "batch_norm", "dropout", "embedding", "residual"])
@pytest.mark.parametrize("format", ["float64", "float32"])
def test_honest_torch_passes(layer: str, format: str) -> None:
    tally = run(load("torch-cpu"), layer, format, "purity", 60)
    assert tally.failure is None
    assert tally.counts[Status.PASS] > 0


def test_a_case_with_steps_is_a_value() -> None:
    step = Case("linear", "float32", {"input": Values((2, 3)), "weight": Values((4, 3)), "bias": None})
    case = replace(step, steps=(step, replace(step, parameters={"p": (1, 2)})))
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
    assert purity.applies("linear")

"""Calls without samples: honest torch passes, and layers that do not foresee them are rejected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from planting import Bug, Function, Honest, Planted
from torch import Tensor

from conformance import Case, Status, Unsupported, Verdict, examine
from conformance.checks import empty as check
from conformance.spec import names
from conformance.targets.torch import Torch

ASKED = [layer for layer in names() if check.applies(layer)]
INITIALISERS = {name for name in names() if name.endswith(("_uniform", "_normal", "_init", "_initialisation"))}


def verdicts(target: Torch, layer: str, format: str = "float32") -> list[Verdict]:
    return [examine(target, case, "empty") for case in check.cases(layer, format, target, 100)]


def first_output(change: Callable[[Tensor], Tensor]) -> Bug:
    """Another first output where it has no elements."""

    def bug(honest: Function) -> Function:
        def planted(*tensors: Any, **parameters: Any) -> Any:
            found = honest(*tensors, **parameters)
            first, *rest = found if isinstance(found, tuple) else (found,)
            changed = first if first.numel() else change(first)
            return (changed, *rest) if rest else changed

        return planted

    return bug


def raising(honest: Function) -> Function:
    """The layer divides by the number of elements of its inputs, one by one."""

    def planted(*tensors: Any, **parameters: Any) -> Any:
        shares = [1 / tensor.numel() for tensor in tensors if isinstance(tensor, Tensor)]
        return honest(*tensors, **parameters) if shares else None

    return planted


class _Unwritten(torch.autograd.Function):
    """A parameter whose derivative is what memory held, where a kernel is not launched."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor) -> Tensor:
        return parameter.clone()

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
        return torch.full_like(cotangents[0], -77.0)


def unwritten(honest: Function) -> Function:
    def planted(input: Tensor, weight: Tensor, *rest: Any, **parameters: Any) -> Any:
        return honest(input, weight if input.numel() else _Unwritten.apply(weight), *rest, **parameters)

    return planted


def test_all_layers_but_initialisers_are_asked() -> None:
    assert set(names()) - set(ASKED) == INITIALISERS


@pytest.mark.parametrize("format", ["float32", "bfloat16"])
@pytest.mark.parametrize("layer", ASKED)
def test_honest_torch_passes_or_fails_as_it_is_known_to(layer: str, format: str) -> None:
    found = verdicts(Honest(), layer, format)
    assert found
    assert {verdict.status for verdict in found} <= {Status.PASS, Status.KNOWN, Status.UNSUPPORTED}
    assert any(verdict.status is not Status.UNSUPPORTED for verdict in found)


@pytest.mark.parametrize("layer", ASKED)
def test_a_layer_that_divides_by_its_number_of_elements_is_rejected(layer: str) -> None:
    found = verdicts(Planted(layer, raising), layer)
    assert {verdict.reason for verdict in found} == {"raised ZeroDivisionError: division by zero"}


# torch's instance normalisation raises before anything is made of nothing
@pytest.mark.parametrize("layer", [layer for layer in ASKED if layer != "instance_norm"])
def test_a_layer_that_makes_one_result_of_nothing_is_rejected(layer: str) -> None:
    one = first_output(lambda output: output.new_zeros([max(side, 1) for side in output.shape]))
    assert "shape" in {verdict.fault for verdict in verdicts(Planted(layer, one), layer)}


def test_a_result_of_nothing_in_the_default_format_is_rejected() -> None:
    plain = first_output(lambda output: torch.zeros(output.shape))
    assert {verdict.fault for verdict in verdicts(Planted("relu", plain), "relu", "float16")} == {"format"}


def test_indices_of_nothing_that_are_no_integers_are_rejected() -> None:
    def bug(honest: Function) -> Function:
        def planted(*tensors: Any, **parameters: Any) -> Any:
            found = honest(*tensors, **parameters)
            if not parameters["return_indices"]:
                return found
            output, indices = found
            return output, indices if indices.numel() else indices.to(output.dtype)

        return planted

    found = verdicts(Planted("max_pool2d", bug), "max_pool2d")
    wrong = {verdict.reason for verdict in found if verdict.status is not Status.PASS}
    assert wrong == {"format float32, expected int64"}


@pytest.mark.parametrize("layer", ["linear", "conv2d"])
def test_derivatives_of_parameters_that_are_never_written_are_rejected(layer: str) -> None:
    found = verdicts(Planted(layer, unwritten), layer)
    assert {(verdict.status, verdict.output) for verdict in found} == {(Status.FAIL, "gradient of weight")}


def test_a_target_without_derivatives_is_judged_by_its_results() -> None:
    class Plain(Torch):
        def vjp(self, *given: Any) -> Any:
            raise Unsupported("no derivatives")

    assert {verdict.status for verdict in verdicts(Plain("cpu"), "relu")} == {Status.PASS}


def test_every_case_lacks_an_axis_and_asks_for_derivatives() -> None:
    def lacks(case: Case) -> bool:
        return any(0 in case.sides(name) for name in case.tensors) and case.upstream is not None

    assert all(lacks(case) for layer in ASKED for case in check.cases(layer, "float32", Honest(), 12))

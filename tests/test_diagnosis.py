"""A failure names the mistake that it fits."""

from functools import cache
from typing import Any

import pytest
import torch
from mistaken import FORMAT, Mistaken, rejection

import conformance.diagnosis
from conformance import Case, Status, Values
from conformance.checks import worked
from conformance.diagnosis import causes, diagnosis, mistakes
from conformance.report import failure_text, item_data
from conformance.run import examine, run
from conformance.spec import names, spec
from conformance.targets.oracle import Oracle
from conformance.targets.torch import Torch

MISTAKES = [(layer, name) for layer in names() for name in spec(layer).mistakes]

# Where these cancel or overflow the mistaken formula permits anything, and a failure there is no evidence.
NUMERICAL = ("one_pass", "not_shifted", "by_exp", "log_of_softmax", "shift_buried", "half")


@cache
def named(layer: str, name: str) -> bool:
    found = rejection(layer, name)
    assert found is not None
    return name in causes(Mistaken(layer, spec(layer).mistakes[name]), found.case, found.kind)


@pytest.mark.parametrize(("layer", "name"), MISTAKES, ids=[f"{layer}-{name}" for layer, name in MISTAKES])
def test_the_diagnosis_names_the_mistake(layer: str, name: str) -> None:
    if name not in NUMERICAL:
        assert named(layer, name)


def test_the_diagnosis_names_most_numerical_mistakes() -> None:
    numerical = [named(layer, name) for layer, name in MISTAKES if name in NUMERICAL]
    assert sum(numerical) > 0.9 * len(numerical)


# Implementations of their own, in torch


class Kernels(Torch):
    """Torch with one layer of somebody's own."""

    def __init__(self, name: str, layer: Any) -> None:
        super().__init__("cpu")
        self._own = {name: layer}

    def layer(self, name: str) -> Any:
        return self._own.get(name) or super().layer(name)


def unbiased_layer_norm(
    input: torch.Tensor, weight: Any, bias: Any, *, normalized_shape: tuple[int, ...], eps: float
) -> torch.Tensor:
    axes = tuple(range(-len(normalized_shape), 0))
    variance = input.var(axes, keepdim=True, unbiased=True)
    found = (input - input.mean(axes, keepdim=True)) / torch.sqrt(variance + eps)
    found = found if weight is None else found * weight
    return found if bias is None else found + bias


def reversed_linear(input: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    return torch.nn.functional.linear(input, weight, bias).flip(-1)


def unscaled_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **options: Any) -> Any:
    options["scale"] = options["scale"] or 1.0
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, mask, **options)


def onnx_lstm(*tensors: Any, **options: Any) -> Any:
    *states, weights = tensors
    lstm = Torch("cpu").layer("lstm")
    assert lstm is not None
    projected = [k % 5 == 4 if options["bias"] else k % 3 == 2 for k in range(len(weights))]
    turned = [w if options["proj_size"] and p else in_our_order(w) for w, p in zip(weights, projected, strict=True)]
    return lstm(*states, tuple(turned), **options)


def in_our_order(weight: torch.Tensor) -> torch.Tensor:
    """Rows of the gates i, o, f, g as those of i, f, g, o."""
    i, o, f, g = weight.chunk(4)
    return torch.cat([i, f, g, o])


@pytest.mark.parametrize(
    ("layer", "own", "sentence"),
    [
        ("layer_norm", unbiased_layer_norm, "the variance is divided by n − 1"),
        ("scaled_dot_product_attention", unscaled_attention, "the scores are not scaled"),
        ("lstm", onnx_lstm, "the convention that the gates lie in the order i, o, f, g, as ONNX has them"),
    ],
)
def test_a_kernel_of_somebody_else_has_its_mistake_named(layer: str, own: Any, sentence: str) -> None:
    failure = run(Kernels(layer, own), layer, FORMAT, "forward", 50).failure
    assert failure is not None
    assert failure.diagnosis.startswith(f"equals: {sentence}")


def test_a_failure_prints_its_diagnosis() -> None:
    tally = run(Mistaken("linear", spec("linear").mistakes["bias_twice"]), "linear", FORMAT, "forward", 50)
    assert tally.failure is not None
    assert "  diagnosis  equals: the bias is added twice\n" in failure_text(tally.failure, "linear", "mine")
    assert item_data("linear", FORMAT, "forward", tally)["failure"]["diagnosis"] == "equals: the bias is added twice"


def test_a_call_that_raises_is_explained_by_other_answers() -> None:
    failure = run(
        Kernels("linear", lambda x, w, b=None: x @ w + (0 if b is None else b)), "linear", FORMAT, "forward", 50
    ).failure
    assert failure is not None
    assert failure.verdict.fault
    assert failure.diagnosis == "equals: weight is read as (in_features, out_features)"
    assert f"  diagnosis  {failure.diagnosis} (other answers show)\n" in failure_text(failure, "linear", "mine")


def test_mistakes_that_explain_the_same_answers_are_named_together() -> None:
    target = Mistaken("zeros_init", spec("zeros_init").mistakes["uniform"])
    case = Case("zeros_init", FORMAT, {"tensor": Values((1,))})
    said = "standard normal numbers are drawn; uniform numbers are drawn"
    found = diagnosis(mistakes(target, case, "law"))
    assert said in found
    assert found.startswith("consistent with: ")


def test_a_failure_for_no_listed_reason_has_no_diagnosis() -> None:
    failure = run(Kernels("linear", reversed_linear), "linear", FORMAT, "forward", 50).failure
    assert failure is not None
    assert failure.diagnosis == ""
    assert "diagnosis" not in failure_text(failure, "linear", "mine")


def test_what_another_check_finds_is_looked_for_in_plain_calls() -> None:
    failure = run(Mistaken("linear", spec("linear").mistakes["last_feature"]), "linear", FORMAT, "widths", 10).failure
    assert failure is not None
    assert failure.diagnosis == "equals: the sum ends one feature early"


def test_what_explains_other_calls_explains_no_worked_example_that_is_wrong_otherwise() -> None:
    def with_the_bias_twice(input: Any, weight: Any, bias: Any = None) -> Any:
        output = torch.nn.functional.linear(input, weight, bias)
        return output if bias is None else output + bias

    def wrong_in_the_example(input: Any, weight: Any, bias: Any = None) -> Any:
        found = with_the_bias_twice(input, weight, bias)
        return found + 0.1 if tuple(input.shape) == case.sides("input") else found

    target = Kernels("linear", with_the_bias_twice)
    case = next(each for each in worked.cases("linear", FORMAT, target, 1) if each.tensors["bias"] is not None)
    assert mistakes(target, case, "worked") == ["the bias is added twice"]
    assert mistakes(Kernels("linear", wrong_in_the_example), case, "worked") == []


def test_a_convention_that_is_declared_and_not_followed_is_named() -> None:
    target = Oracle(FORMAT)
    target.policies = {"scaled_dot_product_attention": {"fully_masked": "nan"}}
    failure = run(target, "scaled_dot_product_attention", FORMAT, "forward", 100).failure
    assert failure is not None
    assert failure.diagnosis == "equals: the convention that fully_masked is 'zero', not 'nan', which is not declared"


def test_a_convention_that_is_followed_and_not_declared_is_named_as_it_is_declared() -> None:
    target = Mistaken("relu", spec("relu").mistakes["nan_ignored"])
    failure = run(target, "relu", FORMAT, "special", 100).failure
    assert failure is not None
    said = "the convention that the maximum of 0 and NaN is 0, which is not declared (policies: nan = 'ignored')"
    assert failure.diagnosis == f"equals: {said}"
    target.policies = {"relu": {"nan": "ignored"}}
    assert failure.case is not None
    assert examine(target, failure.case, "special").status is Status.PASS


def test_the_size_of_an_error_equals_nothing() -> None:
    size = spec("linear").mistakes["half"].named()
    assert diagnosis([size]) == size
    assert diagnosis(["no bias"]) == "equals: no bias"


def test_a_diagnosis_that_fails_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(conformance.diagnosis, "causes", broken)
    failure = run(Kernels("linear", reversed_linear), "linear", FORMAT, "forward", 50).failure
    assert failure is not None
    assert failure.diagnosis == ""

"""The check of special values: planted mistakes fail, honest layers pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from planting import UntilFound
from torch import Tensor
from torch.nn import functional

import conformance
from conformance import Case, Literal, Special, Status, Target, Values, Verdict, examine, load
from conformance.checks.special import judge
from conformance.run import run
from conformance.tally import Tally
from conformance.target import Declared
from conformance.targets.torch import LAYERS
from conformance.verdict import Actual
from oracle.formats import FORMATS, float32
from oracle.outcomes import Outcomes
from oracle.tensor import given


def planted(layer: str, function: Callable[..., Any], **policies: str) -> Target:
    """Torch with another function for one layer, and the conventions that this follows."""
    target = load("torch-cpu")
    target.layer = lambda name: function if name == layer else LAYERS.get(name)  # type: ignore[method-assign]
    target.policies = {**target.policies, layer: {**target.policies.get(layer, {}), **policies}}
    return target


def asked(target: Target, layer: str, format: str = "float32", examples: int = 100) -> Tally:
    return run(target, layer, format, "special", examples, UntilFound())


def leaking(layer: str) -> Callable[..., Any]:
    """The layer plus zero times the sum of its whole output, as if rows were not kept apart."""

    def leak(*tensors: Any, **parameters: Any) -> Any:
        output = LAYERS[layer](*tensors, **parameters)
        return output + 0.0 * output.sum()

    return leak


def max_pool_from(least: float) -> Callable[..., Any]:
    """Max pooling that begins with this number instead of minus infinity."""

    def max_pool2d(input: Tensor, **parameters: Any) -> Any:
        found = LAYERS["max_pool2d"](input, **parameters)
        output, *indices = found if parameters["return_indices"] else (found,)
        return torch.maximum(output, torch.tensor(least, dtype=output.dtype)), *indices

    return max_pool2d


def max_pool_without_nan(input: Tensor, **parameters: Any) -> Any:
    return LAYERS["max_pool2d"](torch.where(input.isnan(), -math.inf, input), **parameters)


def relu_by_comparison(input: Tensor) -> Tensor:
    return torch.where(input > 0.0, input, torch.zeros_like(input))


def flushed(input: Tensor) -> Tensor:
    return functional.relu(torch.where(input.abs() < torch.finfo(input.dtype).tiny, 0.0, input))


def unshifted_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    powers = input.exp()
    return powers / powers.sum(dim, keepdim=True)


def unshifted_log_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    return input - input.exp().sum(dim, keepdim=True).log()


def softmax_without_nan(input: Tensor, *, dim: int = -1) -> Tensor:
    return torch.softmax(input, dim).nan_to_num(0.0)


def overflowing_sigmoid(input: Tensor) -> Tensor:
    return input.exp() / (1.0 + input.exp())


def overflowing_tanh(input: Tensor) -> Tensor:
    return (input.exp() - (-input).exp()) / (input.exp() + (-input).exp())


def pool_by_running_sums(
    input: Tensor,
    *,
    kernel_size: tuple[int, int],
    stride: tuple[int, int] | None,
    padding: tuple[int, int],
    **parameters: Any,
) -> Tensor:
    """Average pooling by differences of running sums: an infinity before the window is subtracted from itself."""
    ones = torch.isfinite(input).to(input.dtype)
    output: Tensor = LAYERS["avg_pool2d"](input, kernel_size=kernel_size, stride=stride, padding=padding, **parameters)
    return output + 0.0 * torch.where(ones.amin(-1).amin(-1) > 0, 0.0, math.inf)[..., None, None]


def embedding_by_product(input: Tensor, weight: Tensor, **parameters: Any) -> Any:
    """The lookup as a product with one-hot rows, which meets every row of the table."""
    output, table = LAYERS["embedding"](input, weight, **parameters)
    return output + 0.0 * table.sum(0), table


def attention_with_finite_mask(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **parameters: Any
) -> Any:
    """A boolean mask as -10⁴ added to the scores: a query without keys gets the mean of the values."""
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, -1e4)
    return LAYERS["scaled_dot_product_attention"](query, key, value, mask, **parameters)


def convolution_without_nan(input: Tensor, *rest: Any, **parameters: Any) -> Any:
    return LAYERS["conv2d"](torch.nan_to_num(input, 0.0, math.inf, -math.inf), *rest, **parameters)


MISTAKES: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "max_pool begins with 0": ("max_pool2d", max_pool_from(0.0)),
    "max_pool begins with the least finite number": ("max_pool2d", max_pool_from(-float32.largest)),
    "max_pool ignores NaN": ("max_pool2d", max_pool_without_nan),
    "relu of NaN is 0": ("relu", relu_by_comparison),
    "relu flushes subnormals": ("relu", flushed),
    "softmax leaks": ("softmax", leaking("softmax")),
    "softmax is not shifted": ("softmax", unshifted_softmax),
    "softmax of minus infinities is 0": ("softmax", softmax_without_nan),
    "log_softmax is not shifted": ("log_softmax", unshifted_log_softmax),
    "sigmoid overflows": ("sigmoid", overflowing_sigmoid),
    "tanh overflows": ("tanh", overflowing_tanh),
    "layer_norm leaks": ("layer_norm", leaking("layer_norm")),
    "group_norm leaks": ("group_norm", leaking("group_norm")),
    "attention leaks": ("dot_product_attention", leaking("dot_product_attention")),
    "fused attention leaks": ("scaled_dot_product_attention", leaking("scaled_dot_product_attention")),
    "attention masks with a finite number": ("scaled_dot_product_attention", attention_with_finite_mask),
    "avg_pool subtracts running sums": ("avg_pool2d", pool_by_running_sums),
    "embedding meets all rows": ("embedding", embedding_by_product),
    "conv2d drops NaN": ("conv2d", convolution_without_nan),
    "linear leaks": ("linear", leaking("linear")),
    "upsample_bilinear leaks": ("upsample_bilinear", leaking("upsample_bilinear")),
    "upsample_nearest leaks": ("upsample_nearest", leaking("upsample_nearest")),
}


@pytest.mark.parametrize(("layer", "function"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_planted_mistake_fails(layer: str, function: Callable[..., Any]) -> None:
    failure = asked(planted(layer, function), layer, examples=300).failure  # 3 % of cases have a window of -inf alone
    assert failure is not None
    assert failure.verdict.status is Status.FAIL
    assert "is none of what conforms" in failure.verdict.reason


@pytest.mark.parametrize("layer", sorted({layer for layer, _ in MISTAKES.values()}))
def test_the_layer_without_the_mistake_passes(layer: str) -> None:
    tally = asked(load("torch-cpu"), layer, examples=50)
    assert tally.failure is None
    assert tally.counts[Status.PASS] > 30


@pytest.mark.parametrize("layer", ["max_pool2d", "softmax", "local_attention", "dropout", "upsample_bilinear", "gru"])
def test_the_formula_itself_passes(layer: str) -> None:
    tally = asked(load("oracle-float32"), layer)
    assert tally.failure is None
    assert tally.counts[Status.PASS] > 90


def test_a_number_where_the_formula_overflows_in_float64_fails() -> None:
    failure = asked(planted("log_softmax", unshifted_log_softmax), "log_softmax", "float64").failure
    assert failure is not None


# Conventions: what one target may, another that declares otherwise may not.


def test_relu_may_ignore_nan_where_that_is_declared() -> None:
    assert asked(planted("relu", relu_by_comparison, nan="ignored"), "relu").failure is None
    assert asked(planted("relu", LAYERS["relu"], nan="ignored"), "relu").failure is not None


def test_max_pool_must_ignore_nan_where_that_is_declared() -> None:
    assert asked(planted("max_pool2d", LAYERS["max_pool2d"], nan="ignored"), "max_pool2d").failure is not None


@pytest.mark.parametrize("layer", ["scaled_dot_product_attention", "local_attention", "multi_head_attention"])
def test_poison_behind_a_mask_may_come_through_only_where_that_is_declared(layer: str) -> None:
    honest = planted(layer, LAYERS[layer], behind_mask="skipped")
    failure = asked(honest, layer, examples=300).failure
    assert failure is not None
    assert failure.verdict.reason.startswith("nan is none")


def test_dropout_must_skip_what_it_drops_where_that_is_declared() -> None:
    def skipping(input: Tensor, *, p: float) -> Tensor:
        kept = torch.rand(input.shape) >= p
        return torch.where(kept, input / (1.0 - p), torch.zeros_like(input))

    assert asked(planted("dropout", skipping, behind_mask="skipped"), "dropout").failure is None
    assert asked(planted("dropout", LAYERS["dropout"], behind_mask="skipped"), "dropout").failure is not None


def test_subnormals_may_be_flushed_only_where_that_is_declared() -> None:
    target = planted("relu", flushed)
    target.declared = lambda layer, format: Declared(format, flush=True)  # type: ignore[method-assign]
    assert asked(target, "relu").failure is None


def test_a_query_without_keys_gets_what_the_target_declares() -> None:
    masked = {
        "query": Values((1, 2)),
        "key": Values((2, 2)),
        "value": Values((2, 2)),
        "attn_mask": Literal((1, 2), (False, False)),
    }
    case = Case("scaled_dot_product_attention", "float32", masked, {"is_causal": False})
    honest = load("torch-cpu")
    assert examine(honest, case, "special").status is Status.PASS
    expects_nan = planted(case.layer, LAYERS[case.layer], fully_masked="nan")
    assert examine(expects_nan, case, "special").status is Status.FAIL


# Judging


def verdict(got: list[float], *outcomes: tuple[float, float, bool]) -> Verdict:
    rules = Outcomes(float32)
    expected = given([len(outcomes)], [rules.number(*outcome) for outcome in outcomes])
    return judge([Actual(np.array(got), "float32")], {"output": expected}, "float32")


def test_every_element_must_be_among_its_outcomes() -> None:
    assert verdict([1.0, math.nan], (0.0, 2.0, False), (math.inf, -math.inf, True)).status is Status.PASS
    found = verdict([1.0, 3.0], (0.0, 2.0, False), (math.inf, -math.inf, True))
    assert (found.status, found.index) == (Status.FAIL, (1,))
    assert "3.0 is none of what conforms: nan" in found.reason


@pytest.mark.parametrize("got", [math.nan, -math.inf, 2.0])
def test_only_the_right_infinity_will_do(got: float) -> None:
    assert verdict([math.inf], (math.inf, math.inf, False)).status is Status.PASS
    assert verdict([got], (math.inf, math.inf, False)).status is Status.FAIL


def test_the_case_is_undecided_where_most_elements_may_be_anything() -> None:
    anything = (-math.inf, math.inf, True)
    assert verdict([1.0, 2.0, 3.0], anything, anything, (3.0, 3.0, False)).status is Status.UNDECIDED
    assert verdict([1.0, 2.0, 4.0], anything, anything, (3.0, 3.0, False)).status is Status.FAIL


def test_a_wrong_shape_format_or_number_of_outputs_fails() -> None:
    expected = {"output": given([1], [Outcomes(float32).lift(1.0)])}
    for actual in ([], [Actual(np.ones(2), "float32")], [Actual(np.ones(1), "float64")]):
        assert judge(actual, expected, "float32").status is Status.FAIL


# The recipe

RECIPE = Special(Special(Values((2, 3), "gaussian", 7), (0, 1), (2, 1), "nan"), (1, 0), (1, 2), "-largest")


def test_special_values_fill_a_box_of_the_base() -> None:
    base, found = Values((2, 3), "gaussian", 7).array("float32"), RECIPE.array("float32")
    np.testing.assert_array_equal(found[0], [base[0, 0], math.nan, base[0, 2]])
    np.testing.assert_array_equal(found[1], [-float32.largest, -float32.largest, base[1, 2]])


@pytest.mark.parametrize("format", ["float64", "float32", "bfloat16", "float16"])
def test_the_ends_of_the_range_are_those_of_the_format(format: str) -> None:
    for value, number in (("largest", FORMATS[format].largest), ("smallest", FORMATS[format].smallest)):
        assert Special(Values((1,)), (0,), (1,), value).array(format).tolist() == [number]


def test_masks_stay_booleans() -> None:
    mask = Special(Values((2,), "mask"), (0,), (1,), "false").array("float32")
    assert mask.dtype == bool
    assert not mask[0]


def test_a_case_with_special_values_survives_json_and_prints_as_python() -> None:
    case = Case("linear", "float32", {"input": RECIPE, "weights": (RECIPE, Values((1,)))})
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
    assert eval(repr(case), vars(conformance)) == case

"""Normalisation agrees with torch, parameters far from their defaults."""

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from conformance import Case, Declared, Status, Upstream, Values, examine, load, target_of
from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, lifted
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import bfloat16, float32, float64
from oracle.formulas import formula
from oracle.formulas._normalised import as_folded_through, welford_mean
from oracle.outcomes import Outcomes
from oracle.tensor import Tensor

Arrays = dict[str, np.ndarray[Any, Any] | None]
Call = tuple[Arrays, dict[str, Any]]


@st.composite
def arrays(draw: st.DrawFn, *shape: int) -> np.ndarray[Any, Any]:
    """Float32 numbers: small integers, Gaussian, or a small spread on a large offset."""
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    regime = draw(st.sampled_from(["integers", "gaussian", "offset"]))
    if regime == "integers":
        return random.integers(-8, 9, shape).astype(np.float32)
    offset, spread = (1000, 0.25) if regime == "offset" else (0, 1)
    return (spread * random.standard_normal(shape) + offset).astype(np.float32)


def shapes(least: int = 0, most: int = 3) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 5), min_size=least, max_size=most)


@st.composite
def channelwise(draw: st.DrawFn, flag: str | None) -> Call:
    """Batch (flag "training"), instance ("use_input_stats") or group (None) normalisation."""
    groups, size = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    channels = groups * size
    samples, sides = draw(st.integers(1, 3)), [draw(st.integers(2, 9)), *draw(shapes(0, 2))]
    input = draw(arrays(samples, channels, *sides))
    optional = st.none() | arrays(channels)
    tensors: Arrays = {"input": input, "weight": draw(optional), "bias": draw(optional)}
    parameters: dict[str, Any] = {"eps": draw(st.sampled_from([1e-5, 0.1, 2.0]))}
    if flag is None:
        return tensors, parameters | {"num_groups": groups}
    own = draw(st.booleans())
    parameters |= {flag: own, "momentum": draw(st.sampled_from([0.0, 0.1, 0.3, 1.0]))}
    given = not own or draw(st.booleans())
    tensors["running_mean"] = draw(arrays(channels)) if given else None
    tensors["running_var"] = abs(draw(arrays(channels))) + np.float32(0.5) if given else None
    return tensors, parameters


@st.composite
def trailing(draw: st.DrawFn) -> Call:
    """Layer normalisation over one or several trailing dimensions."""
    normalized = draw(shapes(1) | st.lists(st.integers(1, 40), min_size=1, max_size=1))
    optional = st.none() | arrays(*normalized)
    tensors: Arrays = {
        "input": draw(arrays(*draw(shapes(0, 2)), *normalized)),
        "weight": draw(optional),
        "bias": draw(optional),
    }
    return tensors, {"normalized_shape": normalized, "eps": draw(st.sampled_from([1e-5, 0.1, 2.0]))}


CASES: dict[str, st.SearchStrategy[Call]] = {
    "batch_norm": channelwise("training"),
    "instance_norm": channelwise("use_input_stats"),
    "group_norm": channelwise(None),
    "layer_norm": trailing(),
}
layers = pytest.mark.parametrize("layer", CASES)
often = settings(max_examples=40, deadline=None)


def by_torch(layer: str, call: Call, dtype: torch.dtype) -> dict[str, list[float]]:
    tensors, parameters = call
    arguments = {k: None if v is None else torch.tensor(v, dtype=dtype) for k, v in tensors.items()}
    found = {"output": getattr(functional, layer)(**arguments, **parameters)}
    found |= {k: v for k, v in arguments.items() if k.startswith("running") and v is not None}
    return {name: x.flatten().tolist() for name, x in found.items()}


def outputs(compute: Callable[..., Any], call: Call) -> dict[str, Tensor]:
    tensors, parameters = call
    arguments = {k: None if v is None else lifted(v) for k, v in tensors.items()}
    result = compute(**arguments, **parameters)
    return {"output": result} if isinstance(result, Tensor) else result


def folded(layer: str) -> Callable[..., Any]:
    """The writing that torch rounds by on a CPU: one slope and one offset."""
    found: Callable[..., Any] = importlib.import_module(f"oracle.formulas.{layer}").folded
    return found


@layers
@often
@given(st.data())
def test_torch_in_float32_stays_within_the_bound_of_the_folded_writing(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    theirs = by_torch(layer, call, torch.float32)
    with EnvelopeArithmetic(float32):
        ours = outputs(folded(layer), call)
        assert ours.keys() == theirs.keys()
        for name, x in ours.items():
            for element, y in zip(x.elements(), theirs[name], strict=True):
                assert abs(float(element) - y) <= element.bound


@layers
@often
@given(st.data())
def test_torch_in_float64_stays_within_the_bound_of_the_truth(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    theirs = by_torch(layer, call, torch.float64)
    with EnvelopeArithmetic(float64):
        ours = outputs(folded(layer), call)
        bounds = {name: [element.bound for element in x.elements()] for name, x in ours.items()}
    exact = Exact()
    with exact:
        for name, x in outputs(formula(layer), call).items():
            for element, y, bound in zip(x.elements(), theirs[name], bounds[name], strict=True):
                high, low, radius = exact.split(element)
                assert abs((y - high) - low) <= bound + radius


@layers
@pytest.mark.parametrize("writing", ["folded", "recurrent", "saved", "sloped_apart"])
@often
@given(st.data())
def test_all_writings_have_the_same_value(layer: str, writing: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    with Exact(256):
        documented, rewritten = outputs(formula(layer), call), outputs(formula(layer, writing), call)
        for name, x in documented.items():
            for one, other in zip(x.elements(), rewritten[name].elements(), strict=True):
                assert one.overlaps(other)


def test_means_by_recurrence_round_where_a_sum_is_exact() -> None:
    row = np.array([3, 2, -4, 0, -1], np.float32)
    mean, squares = np.float32(0.0), np.float32(0.0)
    for count, x in enumerate(row, 1):
        distance = x - mean
        mean += distance / np.float32(count)
        squares += distance * (x - mean)
    found = (row[3] - mean) / np.sqrt(squares / np.float32(5.0))
    assert found != 0.0  # the mean is row[3]
    call: Call = {"input": row}, {"normalized_shape": (5,), "eps": 0.0}
    with EnvelopeArithmetic(float32):
        documented, by_recurrence = (outputs(formula("layer_norm", a), call)["output"][3] for a in (None, "recurrent"))
    assert documented.bound == 0.0
    assert abs(found) <= by_recurrence.bound


@pytest.mark.parametrize("overflows", [False, True])
def test_a_mean_by_recurrence_is_lost_where_a_difference_overflows(overflows: bool) -> None:
    with Outcomes(float32) as arithmetic:
        mean = welford_mean([arithmetic.lift(x) for x in (float32.largest, -float32.largest if overflows else 1.0)])
    assert mean.anything == overflows


def test_a_mean_by_recurrence_keeps_what_is_too_small_for_a_share_of_it() -> None:
    row = np.array([float32.smallest, 0, 0, 0, 0], np.float32)
    mean = np.float32(0.0)
    for count, x in enumerate(row, 1):
        mean += (x - mean) / np.float32(count)
    assert mean == row[0]
    with Outcomes(float32) as arithmetic:
        assert float(mean) in welford_mean([arithmetic.lift(x) for x in row.tolist()])


def test_statistics_in_the_storage_format_carry_its_roundings() -> None:
    """As torch 2.11 keeps those of group_norm on CUDA."""
    input = np.array([[1.0, 2.0, 4.0]])
    mean, variance = input.mean(), input.var()
    kept = [
        float(torch.tensor(x).bfloat16()) for x in (mean, (variance + float(torch.tensor(1e-3).bfloat16())) ** -0.5)
    ]
    theirs = ((input - kept[0]) * kept[1]).ravel()
    with EnvelopeArithmetic(float32, bfloat16):
        found = evaluate("group_norm", {"input": input}, {"num_groups": 1, "eps": 1e-3}, "folded_in_storage")["output"]
        assert all(abs(float(x) - y) <= x.bound for x, y in zip(found.elements(), theirs, strict=True))


@pytest.mark.parametrize("tracked", [0, 1, 4])
def test_without_a_momentum_the_running_statistics_are_those_of_all_batches(tracked: int) -> None:
    batches = np.random.default_rng(5).standard_normal((tracked + 1, 3, 2, 4))
    layer = torch.nn.BatchNorm1d(2, momentum=None, dtype=torch.float64)
    running = dict(layer.named_buffers())
    for batch in batches[:-1]:
        layer(torch.tensor(batch))
    tensors = {
        "input": batches[-1],
        "running_mean": running["running_mean"].numpy().copy(),
        "running_var": running["running_var"].numpy().copy(),
    }
    layer(torch.tensor(batches[-1]))
    parameters = {"training": True, "momentum": None, "num_batches_tracked": tracked}
    with Fast():
        ours = evaluate("batch_norm", tensors, parameters)
        for name in ("running_mean", "running_var"):
            np.testing.assert_allclose(ours[name].elements(), running[name], rtol=1e-14)


X = np.arange(6.0).reshape(1, 6, 1)
ONE = np.ones(6)


@pytest.mark.parametrize(
    ("layer", "tensors", "parameters", "message"),
    [
        ("batch_norm", {"input": X}, {"training": True}, "more than one value per channel"),
        ("batch_norm", {"input": X, "running_mean": ONE}, {}, "running_mean and running_var"),
        ("instance_norm", {"input": X}, {}, "more than one position"),
        ("instance_norm", {"input": X}, {"use_input_stats": False}, "running_mean and running_var"),
        ("group_norm", {"input": X}, {"num_groups": 4}, "6 channels do not divide into 4 groups"),
        ("layer_norm", {"input": X}, {"normalized_shape": [6]}, "does not end in"),
    ],
)
def test_what_does_not_fit_is_refused(layer: str, tensors: Arrays, parameters: dict[str, Any], message: str) -> None:
    with Fast(), pytest.raises(ValueError, match=message):
        evaluate(layer, tensors, parameters)


@pytest.mark.parametrize("format", ["bfloat16", "float16"])
def test_a_kernel_for_any_strides_stores_the_mean_of_the_cotangents(format: str) -> None:
    input = Values((7, 1, 1, 3), "quarters", 249)
    tensors = {"input": input, "running_mean": None, "running_var": None, "weight": Values((1,)), "bias": None}
    upstream = Upstream(("input", "weight"), "quarters", 169, "stepped")
    case = Case("instance_norm", format, tensors, {"use_input_stats": True, "eps": 0.5}, upstream=upstream)
    assert examine(load("torch-cpu"), case, "gradient").status is Status.PASS


def test_every_step_of_a_recurrence_but_the_first_may_lose_the_smallest_number() -> None:
    with Outcomes(float32) as arithmetic:
        mean = welford_mean([arithmetic.lift(x) for x in (float32.smallest_normal, 0.0)])
    assert (mean.low, mean.high) == tuple(float32.smallest_normal / 2 + step * float32.smallest for step in (-1, 1))


def test_a_weighted_difference_may_overflow_on_the_way() -> None:
    with Outcomes(float32, float32) as arithmetic:
        x, mean, inverse, weight = map(arithmetic.lift, (3e38, -3e38, 1e-38, 1.0))
        assert math.inf in as_folded_through(mean, inverse, weight, None)(x)
        assert math.inf not in as_folded_through(mean, inverse, None, None)(x)


def group_norm_of_slopes(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, num_groups: int, eps: float
) -> torch.Tensor:
    """y = a x + b with one a and one b for each channel of a sample, in float32; derivatives step by step."""
    groups = input.float().reshape(len(input), num_groups, len(weight) // num_groups, -1)
    variance, mean = torch.var_mean(groups, (2, 3), correction=0, keepdim=True)
    slopes = torch.rsqrt(variance + eps) * weight.float().reshape(1, num_groups, -1, 1)
    offsets = bias.float().reshape(1, num_groups, -1, 1) - mean * slopes
    return (groups * slopes + offsets).reshape(input.shape).to(input.dtype)


def test_products_with_x_and_those_with_the_mean_are_added_up_apart_for_the_derivative_of_a_slope() -> None:
    declared = {"declared": lambda layer, format: Declared("float32", algorithm="affine")}
    target = target_of(group_norm_of_slopes, layer="group_norm", extends="torch-cpu", **declared)
    tensors = {"input": Values((1, 2, 2, 3), "constant"), "weight": Values((2,)), "bias": Values((2,))}
    upstream = Upstream(("input", "weight", "bias"), "wide")
    case = Case("group_norm", "bfloat16", tensors, {"num_groups": 1, "eps": 1e-5}, upstream=upstream)
    assert examine(target, case, "gradient").status is Status.PASS

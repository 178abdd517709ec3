"""Convolution, pooling and interpolation agree with torch, parameters far from their defaults."""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from orders import orders
from torch.nn import functional

from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, gradients, lifted
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import float32, float64
from oracle.formulas import formula
from oracle.formulas._interpolation import Axis
from oracle.outcomes import Outcomes
from oracle.reverse import Reverse
from oracle.sizes import interpolation

Arrays = dict[str, np.ndarray[Any, Any] | None]
Call = tuple[Arrays, dict[str, Any], Callable[..., torch.Tensor]]
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
FIXTURES = Path(__file__).parent.parent / "fixtures"


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    side = st.integers(low, high)
    return st.tuples(side, side)


@st.composite
def arrays(draw: st.DrawFn, *shape: int) -> np.ndarray[Any, Any]:
    """Float32 numbers: small integers, Gaussian, or a small spread on a large offset."""
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    regime = draw(st.sampled_from(["integers", "gaussian", "offset"]))
    if regime == "integers":
        return random.integers(-8, 9, shape).astype(np.float32)
    return (random.standard_normal(shape) + 1000 * (regime == "offset")).astype(np.float32)


@st.composite
def convolutions(draw: st.DrawFn, transposed: bool = False) -> Call:
    groups = draw(st.integers(1, 3))
    channels, filters = (groups * n for n in draw(pairs(1, 3)))
    kernel, stride, dilation = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 3))
    weight_shape = (channels, filters // groups) if transposed else (filters, channels // groups)
    tensors: Arrays = {
        "input": draw(arrays(2, channels, *draw(pairs(4, 6) if transposed else pairs(10, 12)))),
        "weight": draw(arrays(*weight_shape, *kernel)),
        "bias": draw(st.none() | arrays(filters)),
    }
    parameters: dict[str, Any] = {"dilation": dilation, "groups": groups}
    if transposed:
        extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
        parameters |= {"stride": stride, "padding": draw(pairs(0, 1)), "output_padding": extra}
        return tensors, parameters, functional.conv_transpose2d
    padding = draw(pairs(0, 3) | st.sampled_from(["same", "valid"]))
    parameters["padding"] = padding
    parameters["stride"] = (1, 1) if padding == "same" else stride
    parameters["padding_mode"] = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))

    def torch_layer(
        input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, **parameters: Any
    ) -> torch.Tensor:
        layer = torch.nn.Conv2d(channels, filters, kernel, bias=bias is not None, **parameters)
        learnt = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        result: torch.Tensor = torch.func.functional_call(layer, learnt, (input,))
        return result

    return tensors, parameters, torch_layer


@st.composite
def poolings(draw: st.DrawFn, average: bool) -> Call:
    tensors: Arrays = {"input": draw(arrays(2, 3, *draw(pairs(7, 10))))}
    kernel = draw(pairs(1, 4))
    parameters: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": draw(pairs(1, 5)),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    if average:
        parameters["count_include_pad"] = draw(st.booleans())
        parameters["divisor_override"] = draw(st.none() | st.integers(1, 9))
        return tensors, parameters, functional.avg_pool2d
    parameters["dilation"] = draw(pairs(1, 2))
    return tensors, parameters, functional.max_pool2d


@st.composite
def interpolations(draw: st.DrawFn, mode: str) -> Call:
    sides = draw(pairs(3, 9))
    tensors: Arrays = {"input": draw(arrays(2, 2, *sides))}
    parameters: dict[str, Any] = {
        "size": draw(st.none() | pairs(1, 20)),
        "scale_factor": None,
        "recompute_scale_factor": None,
    }
    if parameters["size"] is None:
        factors = st.floats(0.4, 3.5) | st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 0.7, 1.25])
        parameters["scale_factor"] = draw(st.tuples(factors, factors))
        parameters["recompute_scale_factor"] = draw(st.booleans())
        if not parameters["recompute_scale_factor"]:
            # Where output and input side agree, torch on a CPU takes 1 for the factor, whatever
            # was given, and where it is twice that, 2.
            ignored = {"nearest": (1, 2), "bilinear": (1,)}.get(mode, ())
            for side, factor in zip(sides, parameters["scale_factor"], strict=True):
                ratio = Fraction(interpolation(side, factor), side)
                assume(ratio == factor or ratio not in ignored)
    if mode == "bilinear":
        parameters["align_corners"] = draw(st.booleans())

    def torch_layer(input: torch.Tensor, **parameters: Any) -> torch.Tensor:
        return functional.interpolate(input, mode=mode, **parameters)

    return tensors, parameters, torch_layer


CASES: dict[str, st.SearchStrategy[Call]] = {
    "conv2d": convolutions(),
    "conv_transpose2d": convolutions(transposed=True),
    "max_pool2d": poolings(average=False),
    "avg_pool2d": poolings(average=True),
    "upsample_nearest": interpolations("nearest"),
    "upsample_nearest_exact": interpolations("nearest-exact"),
    "upsample_bilinear": interpolations("bilinear"),
}
layers = pytest.mark.parametrize("layer", CASES)


INTERPOLATED = ("rows_first", "columns_first", "lerped", "lerped_by_reciprocal")


def by_torch(call: Call, dtype: torch.dtype) -> torch.Tensor:
    tensors, parameters, torch_layer = call
    arguments = {k: None if v is None else torch.tensor(v, dtype=dtype) for k, v in tensors.items()}
    return torch_layer(**arguments, **parameters).detach()


@layers
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_torch_in_float32_stays_within_the_bound(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    theirs = by_torch(call, torch.float32)
    with EnvelopeArithmetic(float32):
        ours = evaluate(layer, *call[:2])["output"]
        assert ours.shape == theirs.shape
        for x, y in zip(ours.elements(), theirs.flatten().tolist(), strict=True):
            assert abs(float(x) - y) <= x.bound


@pytest.mark.parametrize("algorithm", INTERPOLATED)
def test_interpolating_along_one_axis_after_the_other_rounds_twice(algorithm: str) -> None:
    pixel = np.float32(1.0409735)
    apart = np.float32(0.75) * (np.float32(0.75) * pixel)
    image = np.zeros((4, 4), np.float32)
    image[1, 1] = pixel
    with EnvelopeArithmetic(float32):
        once, twice = (
            evaluate("upsample_bilinear", {"input": image}, {"size": (8, 8)}, way)["output"][2, 2]
            for way in (None, algorithm)
        )
    assert once.bound < abs(float(apart) - float(once)) <= twice.bound


@layers
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_torch_in_float64_stays_within_the_bound_of_the_truth(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    theirs = by_torch(call, torch.float64).flatten().tolist()
    with EnvelopeArithmetic(float64):
        bounds = [x.bound for x in evaluate(layer, *call[:2])["output"].elements()]
    exact = Exact()
    with exact:
        truth = [exact.split(x) for x in evaluate(layer, *call[:2])["output"].elements()]
    for y, bound, (high, low, radius) in zip(theirs, bounds, truth, strict=True):
        assert abs((y - high) - low) <= bound + radius


@layers
@settings(max_examples=10, deadline=None)
@given(st.data())
def test_gradients_of_torch_in_float32_stay_within_the_bound(layer: str, data: st.DataObject) -> None:
    tensors, parameters, torch_layer = data.draw(CASES[layer])
    image = np.asarray(tensors["input"])
    distinct = np.random.default_rng(1).permutation(image.size)
    tensors["input"] = distinct.reshape(image.shape).astype(np.float32)
    present = {name: array for name, array in tensors.items() if array is not None}

    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in present.items()}
    output = torch_layer(**{name: leaves.get(name) for name in tensors}, **parameters)
    cotangents = torch.arange(output.numel(), dtype=torch.float32) % 7 - 3
    theirs = torch.autograd.grad(output, list(leaves.values()), cotangents.reshape(output.shape))

    base = EnvelopeArithmetic(float32)
    with Reverse(base) as arithmetic:
        assert isinstance(arithmetic, Reverse)
        nodes = {name: lifted(array) for name, array in present.items()}
        result = formula(layer)(**{name: nodes.get(name) for name in tensors}, **parameters)
        outputs = (result["output"] if layer == "max_pool2d" else result).elements()
    inputs = [node for tensor in nodes.values() for node in tensor.elements()]
    with base:
        seeds = list(zip(outputs, map(base.lift, cotangents.tolist()), strict=True))
        ours = arithmetic.gradient(seeds, inputs)
    flat = [y for gradient in theirs for y in gradient.flatten().tolist()]
    for x, y in zip(ours, flat, strict=True):
        assert abs(float(x) - y) <= x.bound


@settings(max_examples=40, deadline=None)
@given(CASES["max_pool2d"])
def test_the_place_that_torch_gives_for_a_maximum_is_admissible(call: Call) -> None:
    tensors, parameters, _ = call
    image = torch.tensor(tensors["input"])
    _, places = functional.max_pool2d(image, **parameters, return_indices=True)
    with Fast():
        admissible = evaluate("max_pool2d", tensors, {**parameters, "return_indices": True})["indices"].elements()
    for place, found in zip(places.flatten().tolist(), admissible, strict=True):
        assert place in found or not found  # an empty window has no place, whatever torch says


def test_every_place_of_a_tied_maximum_is_admissible_and_padding_never() -> None:
    image = np.array([[[0.0, -1.0], [0.0, 0.0]]])
    with Fast():
        how = {"kernel_size": (3, 3), "padding": (1, 1), "return_indices": True}
        result = evaluate("max_pool2d", {"input": image}, how)
        assert result["indices"].elements() == [frozenset({0, 2, 3})]
        assert result["output"].elements() == [0.0]


def test_a_window_of_padding_alone_gives_minus_infinity_and_no_place() -> None:
    image = np.ones((1, 2, 1))
    parameters = {"kernel_size": (2, 1), "stride": (1, 1), "padding": (1, 0), "dilation": (3, 1)}
    with Fast():
        result = evaluate("max_pool2d", {"input": image}, {**parameters, "return_indices": True})
        assert result["output"].elements() == [-math.inf]
        assert result["indices"].elements() == [frozenset()]


@layers
@settings(max_examples=5, deadline=None)
@given(st.data())
def test_a_single_image_may_come_without_a_batch(layer: str, data: st.DataObject) -> None:
    tensors, parameters, _ = data.draw(CASES[layer])
    image = tensors["input"]
    assert image is not None
    with Fast():
        batched = evaluate(layer, tensors, parameters)["output"]
        single = evaluate(layer, {**tensors, "input": image[0]}, parameters)["output"]
        assert single.shape == batched.shape[1:]
        assert single.elements() == batched[0, ...]


@settings(max_examples=20, deadline=None)
@given(CASES["conv2d"])
def test_the_transposed_convolution_is_the_adjoint_of_the_convolution(call: Call) -> None:
    tensors, parameters, _ = call
    x, weight = np.asarray(tensors["input"]), np.asarray(tensors["weight"])
    shared = {k: parameters[k] for k in ("stride", "dilation", "groups")}
    with Exact():
        forward = evaluate("conv2d", {"input": x, "weight": weight}, shared)["output"]
        y = np.random.default_rng(2).integers(-5, 6, forward.shape).astype(float)
        extra = [
            (side - dilation * (kernel - 1) - 1) % stride
            for side, kernel, dilation, stride in zip(
                x.shape[2:], weight.shape[2:], shared["dilation"], shared["stride"], strict=True
            )
        ]
        assume(all(e < max(s, d) for e, s, d in zip(extra, shared["stride"], shared["dilation"], strict=True)))
        backward = evaluate("conv_transpose2d", {"input": y, "weight": weight}, {**shared, "output_padding": extra})[
            "output"
        ]
        assert backward.shape == x.shape
        there = sum(a * b for a, b in zip(forward.elements(), y.ravel().tolist(), strict=True))
        back = sum(a * b for a, b in zip(backward.elements(), x.ravel().tolist(), strict=True))
        assert there.overlaps(back)


def test_a_copied_pixel_carries_no_error_unless_rounding_may_decide_between_two() -> None:
    image = np.array([[[1.0, 10.0, 100.0]]], dtype=np.float32)
    with EnvelopeArithmetic(float32):
        ninefold = evaluate("upsample_nearest", {"input": image}, {"size": (1, 9)})["output"]
        bounds = [x.bound for x in ninefold.elements()]
        assert [bound > 0 for bound in bounds] == [i in (3, 6) for i in range(9)]
        assert bounds[3] < 2 * 9  # their difference, and the rounding of it
        twofold = evaluate("upsample_nearest", {"input": image}, {"size": (1, 6)})["output"]
        assert all(x.bound == 0.0 for x in twofold.elements())


@pytest.mark.parametrize("layer", [*CASES])
def test_the_worked_numbers_come_out_exactly(layer: str) -> None:
    with (FIXTURES / f"{layer}.toml").open("rb") as file:
        examples = tomllib.load(file)["example"]
    readings = [r for e in examples for r in e["reading"] if "layer" in r and "inputs" in r]
    exact = Exact()
    for reading in readings:
        tensors = {k: np.array(v, dtype=np.float64) for k, v in reading["inputs"].items()}
        expected = np.array(reading["expected"], dtype=object)
        with exact:
            parameters = reading.get("parameters", {})
            found = evaluate(reading["layer"], tensors, parameters)[reading["output"]]
            assert found.shape == expected.shape, reading["name"]
            for x, text in zip(found.elements(), expected.ravel().tolist(), strict=True):
                if reading["output"] == "indices":
                    assert x == {int(text)}
                else:
                    high, low, radius = exact.split(x)
                    assert abs(Fraction(high) + Fraction(low) - Fraction(text)) <= radius < 1e-30


@pytest.mark.parametrize(
    ("layer", "shapes", "parameters", "reason"),
    [
        ("conv2d", [(1, 3, 5, 5), (4, 2, 3, 3)], {}, "must have 2 channels, not 3"),
        ("conv2d", [(1, 4, 5, 5), (3, 2, 3, 3)], {"groups": 2}, "divide the filters"),
        ("conv2d", [(1, 1, 5, 5), (1, 1, 3, 3)], {"padding": "same", "stride": (2, 2)}, "stride 1"),
        ("conv2d", [(1, 1, 5, 5), (1, 1, 3, 3)], {"padding": "full"}, "neither a pair nor"),
        ("conv2d", [(1, 1, 5, 5), (1, 1, 3, 3)], {"padding_mode": "wrap"}, "'wrap' is not one of"),
        (
            "conv2d",
            [(1, 1, 3, 3), (1, 1, 3, 3)],
            {"padding": (3, 0), "padding_mode": "reflect"},
            "at most 2",
        ),
        ("conv_transpose2d", [(1, 3, 5, 5), (4, 2, 3, 3)], {}, "the input has 3"),
        ("avg_pool2d", [(1, 3, 3)], {"kernel_size": (2, 2), "divisor_override": 0}, "not be 0"),
        ("upsample_nearest", [(1, 1, 2, 2)], {}, "exactly one of size and scale_factor"),
        ("upsample_nearest", [(1, 1, 2, 2)], {"size": (4, 0)}, "must be positive"),
        ("upsample_nearest", [(1, 1, 2, 2)], {"size": (4, 4), "rounding": "up"}, "neither"),
        (
            "upsample_bilinear",
            [(1, 1, 2, 2)],
            {"size": (4, 4), "align_corners": True, "asymmetric": True},
            "exclude each other",
        ),
        (
            "upsample_bilinear",
            [(1, 1, 2, 2)],
            {"size": (4, 4), "recompute_scale_factor": True},
            "needs scale_factor",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_reason(
    layer: str, shapes: list[tuple[int, ...]], parameters: Mapping[str, Any], reason: str
) -> None:
    tensors = dict(zip(("input", "weight"), map(np.zeros, shapes), strict=False))
    with Fast(), pytest.raises(ValueError, match=reason):
        evaluate(layer, tensors, parameters)


# By hand


def fast(layer: str, tensors: Mapping[str, Any], output: str = "output", **parameters: Any) -> list[Any]:
    with Fast():
        return evaluate(layer, tensors, parameters)[output].elements()


@pytest.mark.parametrize("layer", ["avg_pool2d", "max_pool2d"])
def test_an_image_needs_no_channel(layer: str) -> None:
    image = np.arange(16.0).reshape(4, 4)
    how: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2)}
    assert fast(layer, {"input": image}, **how) == fast(layer, {"input": image[None]}, **how)


def test_a_window_beyond_the_padding_is_divided_by_what_lies_within() -> None:
    """Windows begin at -1, 1 and 3 of the padded -1 to 4, so that the last has two places instead of three."""
    how: dict[str, Any] = {"kernel_size": (3, 1), "stride": (2, 1), "padding": (1, 0), "ceil_mode": True}
    found = fast("avg_pool2d", {"input": np.array([[1.0], [2.0], [3.0], [8.0]])}, **how, count_include_pad=True)
    assert found == [1.0, 13 / 3, 4.0]


@pytest.mark.parametrize(("nan", "largest"), [("propagated", ["nan", "nan"]), ("ignored", ["1.0", "nan"])])
def test_a_nan_wins_or_is_ignored_beside_a_number(nan: str, largest: list[str]) -> None:
    image = np.array([[math.nan, 1.0], [math.nan, math.nan]])
    assert list(map(str, fast("max_pool2d", {"input": image}, kernel_size=(1, 2), stride=None, nan=nan))) == largest


@pytest.mark.parametrize(("winner", "derivative"), [(0, [1.0, 0.0]), (1, [0.0, 1.0])])
def test_the_derivative_of_equal_pixels_goes_to_the_winner(winner: int, derivative: list[float]) -> None:
    tensors = {"input": np.ones((1, 2)), "winners": np.array([[winner]])}
    how = {"kernel_size": (1, 2)}
    with Fast():
        found = gradients("max_pool2d", tensors, how, ["input"], lambda k, s: np.ones(s) if k == 0 else None)
        assert found["input"].elements() == derivative


def test_winners_of_another_shape_tell_nothing() -> None:
    tensors = {"input": np.array([[1.0, 2.0]]), "winners": np.array([0])}
    assert fast("max_pool2d", tensors, kernel_size=(1, 2)) == [2.0]


DOUBLED = Axis(4, 8, 4, 8, 0.5, -0.5)


def test_a_place_beyond_an_end_is_moved_to_it() -> None:
    assert [DOUBLED.before_place(i) for i in range(8)] == [0, 0, 0, 1, 1, 2, 2, 3]
    assert Axis(4, 10, 4, 8, 0.5, -0.5).before_place(9) == 3


def test_the_pixels_that_may_be_taken_with_no_weight_are_those_at_the_place_or_the_end() -> None:
    assert [DOUBLED.idle(i) for i in range(8)] == [[0, 1], [], [], [], [], [], [], [3]]
    assert [Axis(2, 2, 1, 1).idle(i) for i in range(2)] == [[0], [1]]
    assert Axis(1, 2, 1, 2, 0.5, -0.5).idle(0) == [0]


@pytest.mark.parametrize(("layer", "side", "size"), [("upsample_nearest", 2, 6), ("upsample_nearest_exact", 4, 6)])
@pytest.mark.parametrize(("order", "certain"), [(None, False), ("by_scale", True)])
def test_a_place_that_is_divided_by_the_scale_may_be_certain(
    layer: str, side: int, size: int, order: str | None, certain: bool
) -> None:
    """3 / 3 or 1.5 / 1.5 is the border 1; 3 (1 / 3) or 1.5 (2 / 3) may be below it."""
    image = np.arange(float(side))[None, None]
    with EnvelopeArithmetic(float32):
        found = evaluate(layer, {"input": image}, {"size": (1, size)}, order)["output"].elements()
    assert (max(x.bound for x in found) < 0.5) == certain


@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ((2, 0), {"size": (1, 1)}, "sides (2, 0) and (1, 1) must be positive"),
        ((2, 2), {"size": (1, 0)}, "sides (2, 2) and (1, 0) must be positive"),
        (
            (2, 2),
            {"size": (1, 1), "align_corners": True, "asymmetric": True},
            "align_corners and asymmetric exclude each other",
        ),
    ],
)
def test_interpolation_refuses_what_has_no_place_in_these_words(
    shape: tuple[int, int], parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(words)}$"):
        fast("upsample_bilinear", {"input": np.ones(shape)}, **parameters)


def test_a_pixel_without_weight_beyond_an_end_may_be_multiplied_along_either_axis() -> None:
    """Row 1 of 3 lies between both of 2; column 0 of 4 lies before the first of 2, where the second has no weight."""
    image = np.array([[0.0, math.nan], [2.0, math.nan]])
    with Outcomes(float32, float32):
        output = evaluate("upsample_bilinear", {"input": image}, {"size": (3, 4)})["output"]
        assert 1.0 in output[1, 0]
        assert math.nan in output[1, 0]
        turned = evaluate("upsample_bilinear", {"input": image.T}, {"size": (4, 3)})["output"]
        assert 1.0 in turned[0, 1]
        assert math.nan in turned[0, 1]


INTERPOLATIONS = ("upsample_bilinear", "upsample_nearest", "upsample_nearest_exact")


@pytest.mark.parametrize(("layer", "order"), [(layer, way) for layer in INTERPOLATIONS for way in orders(layer)])
def test_an_image_alone_is_interpolated_as_in_a_batch_in_every_order(layer: str, order: str) -> None:
    image = np.arange(6.0).reshape(2, 3)
    with Fast():
        alone, among = (
            evaluate(layer, {"input": x}, {"size": (3, 5)}, order)["output"] for x in (image, image[None, None])
        )
        assert (alone.shape, among.shape) == ((3, 5), (1, 1, 3, 5))
        assert alone.elements() == among.elements()

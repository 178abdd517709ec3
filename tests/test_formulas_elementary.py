"""Activations, softmax, embedding, dropout and plain dense layers agree with numpy, scipy and torch."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from oracle.accuracy import UNITS
from oracle.envelope import EnvelopeArithmetic, bound
from oracle.evaluate import evaluate, gradients, lifted
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import Format, bfloat16, float32, float64
from oracle.outcomes import Outcomes
from oracle.reverse import Reverse
from oracle.rounded import Rounded
from oracle.scalar import power
from oracle.tensor import Tensor, rounded, tensor
from oracle.tensor import given as given_tensor

Array = np.ndarray[Any, Any]


@dataclass
class Call:
    """A call, and the same layer on torch tensors and on float64 arrays; both return all outputs."""

    tensors: dict[str, Array]
    parameters: dict[str, Any]
    by_torch: Callable[..., tuple[torch.Tensor, ...]]
    by_numpy: Callable[..., tuple[Array, ...]]
    algorithm: str | None = None  # by which torch rounds
    backward: str | None = None  # by which it rounds derivatives


@st.composite
def arrays(draw: st.DrawFn, *shape: int) -> Array:
    """Float32 numbers: small integers, or Gaussian of three sizes."""
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    size = draw(st.sampled_from([0.0, 0.1, 1.0, 30.0]))
    if size == 0.0:
        return random.integers(-2, 3, shape).astype(np.float32)
    return (size * random.standard_normal(shape)).astype(np.float32)


def sides(least: int, most: int) -> st.SearchStrategy[list[int]]:
    """Distinct sides: equal ones would hide exchanged axes."""
    return st.lists(st.integers(1, 9), min_size=least, max_size=most, unique=True)


@st.composite
def elementwise(draw: st.DrawFn, by_torch: Any, by_numpy: Any) -> Call:
    tensors = {"input": draw(arrays(*draw(sides(0, 3))))}
    return Call(tensors, {}, lambda input: (by_torch(input),), lambda input: (by_numpy(input),))


@st.composite
def along(draw: st.DrawFn, by_torch: Any, by_scipy: Any, algorithm: str | None, backward: str) -> Call:
    shape = draw(sides(1, 3))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    return Call(
        {"input": draw(arrays(*shape))},
        {"dim": dim},
        lambda input: (by_torch(input, dim),),
        lambda input: (by_scipy(input, axis=dim),),
        algorithm,
        backward,
    )


@st.composite
def lookup(draw: st.DrawFn) -> Call:
    rows, width, *places = draw(sides(2, 4))
    max_norm = draw(st.sampled_from([None, 1.0, 0.3, 2.5]))
    norm_type = draw(st.sampled_from([1.0, 2.0, 3.0, math.inf]))
    padding_idx = draw(st.none() | st.integers(-rows, rows - 1))
    indices = np.random.default_rng(draw(st.integers(0, 2**20))).integers(0, rows, places)
    tensors = {"input": indices, "weight": draw(arrays(rows, width))}
    parameters = {"padding_idx": padding_idx, "max_norm": max_norm, "norm_type": norm_type}

    def by_torch(input: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
        table = weight.clone()
        return functional.embedding(input, table, **parameters), table

    def by_numpy(input: Array, weight: Array) -> tuple[Array, ...]:
        table = weight.copy()
        for row in np.unique(input):
            norm = np.linalg.norm(table[row], norm_type)
            if max_norm is not None and norm > max_norm:
                table[row] *= max_norm / (norm + 1e-7)
        return table[input], table

    return Call(tensors, parameters, by_torch, by_numpy)


@st.composite
def dropped(draw: st.DrawFn, channels: bool) -> Call:
    shape = draw(sides(4, 4) if channels else sides(0, 3))
    p, seed = draw(st.sampled_from([0.5, 0.1, 0.9, 0.0, 1.0])), draw(st.integers(0, 2**20))

    def by_torch(input: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(seed)
        return (functional.dropout2d if channels else functional.dropout)(input, p, True)

    kept = by_torch(torch.ones(shape)).numpy() != 0.0
    mask = kept[:, :, 0, 0] if channels else kept
    return Call(
        {"input": draw(arrays(*shape)), "mask": mask.astype(np.float32)},
        {"p": p},
        lambda input, mask: (by_torch(input),),
        lambda input, mask: (np.divide(input, 1.0 - p, where=kept, out=np.zeros(shape)),),
    )


@st.composite
def dense(draw: st.DrawFn) -> Call:
    ins, outs, *batch = draw(sides(2, 4))
    tensors = {"input": (*batch, ins), "weight": (ins, outs), "bias": (outs,)}
    return Call(
        {name: draw(arrays(*shape)) for name, shape in tensors.items()},
        {},
        lambda input, weight, bias: (functional.linear(input, weight.T, bias),),
        lambda input, weight, bias: (np.einsum("...i,io->...o", input, weight) + bias,),
    )


@st.composite
def block(draw: st.DrawFn) -> Call:
    features, inside, *batch = draw(sides(2, 4))
    tensors = {
        "input": (*batch, features),
        "weight_1": (inside, features),
        "bias_1": (inside,),
        "weight_2": (features, inside),
        "bias_2": (features,),
    }

    def by_torch(x: torch.Tensor, *parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weight_1, bias_1, weight_2, bias_2 = parameters
        inner = functional.relu(functional.linear(x, weight_1, bias_1))
        return (functional.linear(inner, weight_2, bias_2) + x,)

    def by_numpy(x: Array, *parameters: Array) -> tuple[Array, ...]:
        weight_1, bias_1, weight_2, bias_2 = parameters
        return (x + np.maximum(x @ weight_1.T + bias_1, 0.0) @ weight_2.T + bias_2,)

    arguments = {name: draw(arrays(*shape)) for name, shape in tensors.items()}
    return Call(arguments, {}, by_torch, by_numpy, "stepwise", "stepwise")


CASES: dict[str, st.SearchStrategy[Call]] = {
    "relu": elementwise(torch.relu, lambda x: np.maximum(x, 0.0)),
    "sigmoid": elementwise(torch.sigmoid, scipy.special.expit),
    "tanh": elementwise(torch.tanh, np.tanh),
    "softmax": along(torch.softmax, scipy.special.softmax, "vectorised", "vectorised"),
    "log_softmax": along(torch.log_softmax, scipy.special.log_softmax, "vectorised", "vectorised"),
    "embedding": lookup(),
    "dropout": dropped(channels=False),
    "dropout2d": dropped(channels=True),
    "residual": block(),
    "custom_linear": dense(),
}
layers = pytest.mark.parametrize("layer", CASES)
often = settings(max_examples=40, deadline=None)


def as_torch(call: Call, dtype: torch.dtype) -> list[torch.Tensor]:
    return [torch.tensor(x, dtype=dtype if x.dtype == np.float32 else None) for x in call.tensors.values()]


def bounds(outputs: dict[str, Tensor]) -> list[float]:
    return [bound(element) for output in outputs.values() for element in output.elements()]


def assert_within(found: list[Array], truth: dict[str, Tensor], exact: Exact, permitted: list[float]) -> None:
    """Every found number is within its permitted error of the truth, which is in force."""
    assert [x.shape for x in found] == [x.shape for x in truth.values()]
    elements = [element for x in truth.values() for element in x.elements()]
    for y, element, error in zip(np.concatenate([x.ravel() for x in found]), elements, permitted, strict=True):
        high, low, radius = exact.split(element)
        assert abs((float(y) - high) - low) <= error + radius, (y, element, error)


def permitted(layer: str, call: Call, compute: Format, algorithm: str | None = None) -> list[float]:
    with EnvelopeArithmetic(compute):
        return bounds(evaluate(layer, call.tensors, call.parameters, algorithm))


@layers
@often
@given(st.data())
def test_numpy_or_scipy_stays_within_the_bound_of_the_truth(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    arguments = [x.astype(np.float64) if x.dtype == np.float32 else x for x in call.tensors.values()]
    with Exact() as exact:
        truth = evaluate(layer, call.tensors, call.parameters)
        assert_within(list(call.by_numpy(*arguments)), truth, exact, permitted(layer, call, float64))


@pytest.mark.parametrize(
    ("dtype", "compute"), [(torch.float64, float64), (torch.float32, float32)], ids=["float64", "float32"]
)
@layers
@often
@given(st.data())
def test_torch_stays_within_the_bound_of_the_truth(
    layer: str, dtype: torch.dtype, compute: Format, data: st.DataObject
) -> None:
    call = data.draw(CASES[layer])
    found = [y.numpy() for y in call.by_torch(*as_torch(call, dtype))]
    with Exact() as exact:
        truth = evaluate(layer, call.tensors, call.parameters)
        assert_within(found, truth, exact, permitted(layer, call, compute, call.algorithm))


@layers
@often
@given(st.data())
def test_derivatives_by_torch_stay_within_the_bound_of_the_true_ones(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    wanted = [name for name, x in call.tensors.items() if x.dtype == np.float32 and name != "mask"]
    arguments = dict(zip(call.tensors, as_torch(call, torch.float64), strict=True))
    leaves = [arguments[name].requires_grad_() for name in wanted]
    output = call.by_torch(*arguments.values())[0]
    cotangent = data.draw(arrays(*output.shape)).astype(np.float64)
    found = [x.numpy() for x in torch.autograd.grad(output, leaves, torch.tensor(cotangent))]

    def upstream(number: int, shape: tuple[int, ...]) -> Array | None:
        return cotangent if number == 0 else None

    def derivatives(algorithm: str | None) -> dict[str, Tensor]:
        return gradients(layer, call.tensors, call.parameters, wanted, upstream, algorithm)

    with EnvelopeArithmetic(float64):
        errors = bounds(derivatives(call.backward))
    with Exact() as exact:
        assert_within(found, derivatives(None), exact, errors)


@pytest.mark.parametrize("layer", ["relu", "embedding", "residual", "custom_linear"])
@often
@given(st.data())
def test_small_integers_are_rounded_nowhere(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    integers = {name: np.clip(np.rint(x), -9, 9) for name, x in call.tensors.items() if x.dtype == np.float32}
    call.tensors = {**call.tensors, **integers}
    call.parameters = {name: value for name, value in call.parameters.items() if name != "max_norm"}
    assert not any(permitted(layer, call, float32))


def test_in_one_pass_the_error_of_exp_is_met_again_with_every_larger_score() -> None:
    units, rising = 40.0, np.linspace(0.0, 1.0, 65)

    def exp(x: float) -> float:
        return math.exp(x) * (1.0 - 0.9 * units * float32.unit) if x else 1.0

    most, found = -math.inf, 0.0
    for score in rising.tolist():
        most, found = score, found * exp(most - score) + 1.0
    with EnvelopeArithmetic(float32, units={**UNITS, "exp": units}):
        online, documented = (
            bounds(evaluate("softmax", {"input": rising}, {}, algorithm))[-1] for algorithm in ("online", None)
        )
    error = abs(1.0 / found - scipy.special.softmax(rising)[-1])
    assert documented < error < online


def test_a_sum_in_parts_may_store_each_of_them() -> None:
    """A sum of 1 from two halves near 2¹⁵, which bfloat16 does not tell from 2¹⁵."""
    weight = np.full((1, 1024), 64.0)
    weight[:, 512:], weight[:, 0] = -64.0, 65.0
    with EnvelopeArithmetic(float32, bfloat16):
        whole, parts = (
            evaluate("linear", {"input": np.ones((1, 1024)), "weight": weight}, {}, algorithm)["output"][0, 0]
            for algorithm in (None, "in_parts")
        )
    assert whole.bound == 0.0
    assert parts.bound >= 1.0


@pytest.mark.parametrize("layer", ["tanh", "sigmoid"])
def test_a_derivative_of_stored_steps_carries_their_roundings(layer: str) -> None:
    """As of operations on tensors of bfloat16."""
    input = np.linspace(-3.0, 3.0, 50)
    x = torch.tensor(input).bfloat16()
    y = getattr(torch, layer)(x)
    slopes = 1 - y * y if layer == "tanh" else (1 - y) * y
    tensors = {"input": x.double().numpy()}
    with EnvelopeArithmetic(float32, bfloat16):
        found = gradients(layer, tensors, {}, ["input"], lambda *_: np.ones(50), "stepwise")["input"].elements()
    assert all(abs(float(g) - s) <= g.bound for g, s in zip(found, slopes.tolist(), strict=True))


def test_in_one_pass_the_derivatives_are_those_of_two() -> None:
    """A power near the end of the range is rounded, and then multiplied with the sum of the upstream."""
    power = np.float32(math.exp(-101.5))
    with EnvelopeArithmetic(float32):
        found = gradients(
            "log_softmax",
            {"input": np.array([0.0, -101.5])},
            {},
            ["input"],
            lambda *_: np.array([8.5, 0.0]),
            "online",
        )["input"][1]
    error = abs(float(found) + 8.5 * float(power))
    assert float32.smallest / 2 < error <= found.bound


def test_log_softmax_does_not_bury_the_logarithm_under_a_large_score() -> None:
    scores = np.array([1e6, 1e6 + 0.5])
    with EnvelopeArithmetic(float32):
        found = evaluate("log_softmax", {"input": scores}, {})["output"].elements()
        assert max(map(bound, found)) < np.spacing(np.float32(1e6)) / 1000


@pytest.mark.parametrize("scores", [np.array([-1e4, 0.0]), np.array([1e4, -1e4])])
def test_far_apart_scores_neither_overflow_nor_give_nan(scores: Array) -> None:
    with Fast():
        assert evaluate("softmax", {"input": scores}, {})["output"].elements() == list(scores == scores.max())
        assert evaluate("log_softmax", {"input": scores}, {})["output"].elements() == list(scores - scores.max())


def test_every_element_is_dropped_with_probability_one() -> None:
    with Fast():
        found = evaluate("dropout", {"input": np.array([1.0, math.inf]), "mask": np.zeros(2)}, {"p": 1.0})
        assert found["output"].elements() == [0.0, 0.0]


WEIGHT = np.array([[3.0, 4.0], [6.0, 8.0], [30.0, 40.0]])


def test_a_row_looked_up_twice_is_shortened_once_and_the_others_stay() -> None:
    with Fast():
        found = evaluate("embedding", {"input": np.array([1, 0, 1]), "weight": WEIGHT}, {"max_norm": 5.0})
        shortened = [w / ((10.0 + 1e-7) / 5.0) for w in (6.0, 8.0)]
        assert found["weight"].elements() == [3.0, 4.0, *shortened, 30.0, 40.0]
        assert found["output"].elements() == [*shortened, 3.0, 4.0, *shortened]


def test_where_rounding_hides_which_norm_is_larger_both_tables_conform() -> None:
    row = np.array([[3.0, 4.0, 5.0]])  # 27 + 64 + 125 = 6³
    tensors = {"input": np.array([0]), "weight": row}
    with EnvelopeArithmetic(float64):
        found = evaluate("embedding", tensors, {"max_norm": 6.0, "norm_type": 3.0})["weight"].elements()
    for kept, w in zip(found, row[0], strict=True):
        for conforming in (w, w * 6.0 / (6.0 + 1e-7)):
            assert abs(conforming - float(kept)) <= kept.bound
        assert kept.bound < 1e-6


IMAGES = np.ones((2, 3, 4, 4))


@pytest.mark.parametrize(
    ("layer", "tensors", "parameters", "words"),
    [
        ("softmax", {"input": WEIGHT}, {"dim": 2}, "dim 2 of a tensor with 2 dimensions: from -2 to 1"),
        ("log_softmax", {"input": WEIGHT}, {"dim": -3}, "dim -3 of a tensor with 2 dimensions: from -2 to 1"),
        ("embedding", {"input": np.array([3])}, {}, "index 3 is outside the table of 3 rows: from 0 to 2"),
        ("embedding", {"input": np.array([-1])}, {}, "index -1 is outside the table of 3 rows: from 0 to 2"),
        ("embedding", {}, {"padding_idx": 3}, "padding_idx 3 is outside the table of 3 rows: from -3 to 2"),
        ("embedding", {}, {"max_norm": 0.0}, "max_norm is 0.0; it must be positive and finite"),
        ("embedding", {}, {"max_norm": math.inf}, "max_norm is inf; it must be positive and finite"),
        ("embedding", {}, {"max_norm": 1.0, "norm_type": 0.0}, "norm_type is 0.0; it must be positive"),
        ("dropout", {"mask": WEIGHT}, {"p": 1.5}, "p is 1.5; a probability lies between 0 and 1"),
        ("dropout", {"mask": WEIGHT[0]}, {}, "mask of shape (2,); it must be that of the input, (3, 2)"),
        (
            "dropout2d",
            {"input": IMAGES, "mask": np.ones((3, 2))},
            {},
            "mask of shape (3, 2); it must be that of samples and channels, (2, 3)",
        ),
        (
            "channel_attention",
            {"input": IMAGES, "weight_reduce": np.ones((2, 3)), "weight_expand": np.ones((4, 2))},
            {},
            "weight_expand has 4 rows; it must have one for each channel",
        ),
        (
            "conv_transpose2d",
            {"input": IMAGES, "weight": np.ones((2, 1, 1, 1)), "bias": None},
            {},
            "the weight is for 2 channels, the input has 3: they must be equal and a multiple of the 1 groups",
        ),
        (
            "batch_norm",
            {"input": IMAGES, "running_mean": np.ones(3), "running_var": None},
            {},
            "evaluation needs running_mean and running_var",
        ),
        (
            "instance_norm",
            {"input": IMAGES, "running_mean": None, "running_var": np.ones(3)},
            {"use_input_stats": False},
            "without input statistics, running_mean and running_var must be given",
        ),
        (
            "conv2d",
            {"input": IMAGES, "weight": np.ones((2, 3, 1, 1))},
            {"groups": 0},
            "groups is 0; it must be at least 1",
        ),
        ("rnn", {"input": IMAGES[0]}, {"num_layers": 0}, "num_layers is 0; it must be at least 1"),
        *(
            (
                "dynamic_convolutional_attention",
                {"input": WEIGHT, "weight": np.ones(shape)},
                {},
                f"{name} is 0; it must be at least 1",
            )
            for name, shape in (("groups", (0, 3, 2)), ("taps", (1, 0, 2)), ("channels", (1, 3, 0)))
        ),
        (
            "multi_head_attention",
            {
                **dict.fromkeys(("query", "key", "value"), np.ones((2, 3, 4))),
                **{"in_proj_weight": np.ones((12, 4)), "in_proj_bias": None},
                **{"out_proj_weight": np.ones((4, 4)), "out_proj_bias": None, "attn_mask": np.ones((2, 3, 3))},
            },
            {"num_heads": 2},
            "attn_mask has the shape (2, 3, 3); it must be (3, 3) or (4, 3, 3)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_these_words(
    layer: str, tensors: dict[str, Array | None], parameters: dict[str, Any], words: str
) -> None:
    fitting = {"embedding": {"input": np.array([0]), "weight": WEIGHT}, "multi_head_attention": {}}
    with Fast(), pytest.raises(ValueError, match=rf"^{re.escape(words)}$"):
        evaluate(layer, {**fitting.get(layer, {"input": WEIGHT}), **tensors}, parameters)


@pytest.mark.parametrize("exponent", [Fraction(1, 3), Fraction(5, 2), Fraction(-2, 3), 3])
@often
@given(st.floats(1e-3, 1e3), st.floats(0.0, 0.9), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_a_power_bounds_what_rounded_arguments_and_exponents_change(
    exponent: Fraction | int, x: float, relative: float, error: float, rounding: float
) -> None:
    envelope = EnvelopeArithmetic(float32)
    with envelope:
        found = power(envelope.make(x, relative * x), exponent)
    other = Fraction(exponent) * (1 + Fraction(rounding) * Fraction(float32.unit))
    if float32.represents(float(exponent)):
        other = Fraction(exponent)
    with Exact():
        moved = flint.arb(Fraction(x).numerator) / Fraction(x).denominator * (1 + flint.arb(error) * relative)
        assert abs(power(moved, other) - float(found)) <= found.bound


def test_a_power_is_differentiated() -> None:
    with Exact() as exact, Reverse(exact) as reverse:
        x = reverse.lift(2.0)
        (slope,) = reverse.gradient([(power(x, Fraction(5, 2)), exact.lift(1.0))], [x])
        assert slope.overlaps(flint.arb(2.5) * flint.arb(2) ** flint.arb(1.5))


def test_powers_have_the_special_values_of_ieee() -> None:
    with Fast() as fast:
        values = [(0.0, -1), (0.0, 2), (math.inf, 2), (1e300, 2)]
        assert [power(fast.lift(x), exponent) for x, exponent in values] == [math.inf, 0.0, math.inf, math.inf]


# Tensors are functions of an index


def numbered(*shape: int) -> tuple[Tensor, list[tuple[int, ...]]]:
    """A tensor whose element at (i, j, …) is that index, and the indices that have been evaluated."""
    evaluated: list[tuple[int, ...]] = []

    def at(*index: int) -> Any:
        evaluated.append(index)
        return index

    return tensor(shape, at), evaluated


def test_an_element_is_evaluated_when_it_is_read_and_once() -> None:
    x, evaluated = numbered(2, 3)
    assert evaluated == []
    assert [x[1, 2], x[1, 2], x[0, 1]] == [(1, 2), (1, 2), (0, 1)]
    assert evaluated == [(1, 2), (0, 1)]
    assert x[1, ...] == [(1, 0), (1, 1), (1, 2)]
    assert x.elements() == x[...] == list(x.indices()) == [(i, j) for i in range(2) for j in range(3)]
    assert len(evaluated) == 6
    assert (x.shape, x.rank) == ((2, 3), 2)


def test_a_tensor_of_one_dimension_is_indexed_by_a_number_and_one_of_none_by_nothing() -> None:
    x, evaluated = numbered(3)
    assert (x[2], x[...], x[2]) == ((2,), [(0,), (1,), (2,)], (2,))
    assert sorted(evaluated) == [(0,), (1,), (2,)]
    assert numbered()[0][()] == ()
    assert numbered()[0].elements() == [()]


@pytest.mark.parametrize("index", [(2, 0), (0, 3), (-1, 0), (0, -1), (0,), (0, 0, 0), 1])
def test_an_index_beyond_the_shape_is_refused(index: Any) -> None:
    place = index if isinstance(index, tuple) else (index,)
    with pytest.raises(IndexError, match=re.escape(f"index {place} of a tensor of shape (2, 3)")):
        numbered(2, 3)[0][index]


def test_a_part_has_the_elements_whose_index_begins_so() -> None:
    x, _ = numbered(2, 3, 4)
    part = x.part(1)
    assert part.shape == (3, 4)
    assert all(part[j, k] == (1, j, k) for j, k in part.indices())
    assert numbered(3)[0].part(2)[()] == (2,)


def test_axes_may_be_exchanged() -> None:
    x, _ = numbered(2, 3, 4)
    turned = x.transposed(2, 0, 1)
    assert turned.shape == (4, 2, 3)
    assert all(turned[k, i, j] == (i, j, k) for i, j, k in x.indices())
    assert x.swapped(0, 2).shape == (4, 3, 2)
    assert x.swapped(0, 2)[3, 1, 0] == (0, 1, 3)
    assert numbered(3)[0].transposed(0)[1] == (1,)
    with pytest.raises(ValueError, match="zip"):
        turned.transposed(0, 1)._at(0, 0, 0)


def test_a_given_tensor_holds_its_elements_in_row_major_order() -> None:
    x = given_tensor((2, 2), [1.0, 2.0, 3.0, 4.0])
    assert (x[0, 0], x[0, 1], x[1, ...]) == (1.0, 2.0, [3.0, 4.0])
    assert given_tensor((2,), [1.0, 2.0])[1] == 2.0
    for values in ([1.0], [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="zip"):
            given_tensor((2,), values)


def test_every_element_of_a_rounded_tensor_is_stored() -> None:
    with Rounded(float32, bfloat16) as arithmetic:
        for shape in ((2,), (1, 2)):
            x = given_tensor(shape, [arithmetic.lift(256.0), arithmetic.lift(257.0)])
            assert rounded(x).elements() == [256.0, 256.0]
            assert rounded(x).shape == shape


# Arrays in, tensors out


@pytest.mark.parametrize("size", [3, 4096, 4097])
def test_numbers_of_an_array_are_lifted_and_indices_and_masks_stay(size: int) -> None:
    with Fast() as fast:
        values, places = np.arange(size) / 2, np.arange(size)
        x = lifted(values)
        assert isinstance(x[size - 1], fast.number)
        assert float(x[size - 1]) == (size - 1) / 2
        row = x[...]
        assert list(map(float, row)) == values.tolist()
        assert all(element is x[k] for k, element in enumerate(row))
        for array in (places, values > 1.0):
            found = lifted(array)
            assert type(found[2]) is type(array[2].item())
            assert found[2] == array[2]
            assert found[...] == array.tolist()
    assert lifted(np.zeros((0, 2))).elements() == []


def test_of_a_large_array_only_what_is_read_is_lifted() -> None:
    class Counting(Fast):
        lifts = 0

        def lift(self, value: float) -> Any:
            self.lifts += 1
            return super().lift(value)

    with Counting() as counting:
        x = lifted(np.arange(100.0 * 50.0).reshape(100, 50))
        assert counting.lifts == 0
        element = x[7, 3]
        assert (float(element), counting.lifts) == (353.0, 1)
        row = x[7, ...]
        assert list(map(float, row)) == [350.0 + k for k in range(50)]
        assert row[3] is element
        assert lifted(np.zeros((64, 64))).rank == 2
        assert counting.lifts > 4096


def product_of(x: Tensor, y: Tensor | None = None, many: tuple[Tensor, ...] = (), power: int = 1) -> dict[str, Tensor]:
    """x y and the sum of the first elements of all, to the power of 1."""

    def first(*index: int) -> Any:
        found = x[0]
        for other in many:
            found = found + other[0]
        return found * power

    return {"product": tensor(x.shape, lambda i: x[i] * y[i] if y else x[i]), "first": tensor((), first)}


def test_a_formula_may_be_given_itself_and_arguments_of_every_kind() -> None:
    x, y, one = np.array([2.0, 3.0]), np.array([5.0, 7.0]), np.array([1.0])
    with Fast():
        found = evaluate("any", {"x": x, "y": None, "many": [one, y]}, {"power": 2}, product_of)
        assert list(found) == ["product", "first"]
        assert found["product"].elements() == [2.0, 3.0]
        assert found["first"][()] == 2.0 * (2.0 + 1.0 + 5.0)
        alone = evaluate("any", {"x": x}, {}, lambda x: x)
        assert list(alone) == ["output"]
        assert alone["output"].elements() == [2.0, 3.0]


def test_derivatives_go_to_the_tensors_that_are_wanted_by_name() -> None:
    tensors = {"x": np.array([2.0, 3.0]), "y": np.array([5.0, 7.0]), "many": (np.array([1.0, 9.0]), np.array([4.0]))}

    def cotangent(number: int, shape: tuple[int, ...]) -> Array | None:
        assert shape == ((2,), ())[number]
        return np.array([1.0, 10.0]) if number == 0 else np.array(100.0)

    with Fast():
        found = gradients("any", tensors, {}, ["many", "x"], cotangent, product_of)
        assert {name: list(map(float, slope.elements())) for name, slope in found.items()} == {
            "many[0]": [100.0, 0.0],
            "many[1]": [100.0],
            "x": [105.0, 70.0],
        }
        first = gradients("any", tensors, {}, ["y"], lambda k, _: None if k else np.ones(2), product_of)
        assert list(map(float, first["y"].elements())) == [2.0, 3.0]


def test_an_output_whose_cotangent_is_zero_does_not_count_where_derivatives_are_sparse() -> None:
    tensors = {"x": np.array([[0.0, 4.0]])}

    def inverse(x: Tensor) -> Tensor:
        return tensor(x.shape, lambda i, j: 1.0 / x[i, j])

    def slopes(sparse: bool) -> list[float]:
        found = gradients("any", tensors, {}, ["x"], lambda *_: np.array([[0.0, 2.0]]), inverse, sparse=sparse)
        return list(map(float, found["x"].elements()))

    with Fast():
        assert slopes(True) == [0.0, -0.125]
        assert math.isnan(slopes(False)[0])
        scalar = gradients("any", {"x": np.array(3.0)}, {}, ["x"], lambda *_: np.array(2.0), lambda x: x, sparse=True)
        assert scalar["x"][()] == 2.0


def test_derivatives_towards_scattered_tensors_are_added_up_in_the_storage_format() -> None:
    tensors = {"x": np.array([1.0]), "y": np.array([1.0])}

    def repeated(x: Tensor, y: Tensor) -> Tensor:
        return tensor((2,), lambda i: x[0] + y[0])

    with EnvelopeArithmetic(float32, bfloat16):
        found = gradients("any", tensors, {}, ["x", "y"], lambda *_: np.array([256.0, 1.0]), repeated, ["y"])
        assert (float(found["x"][0]), float(found["y"][0])) == (257.0, 257.0)
        assert 1.0 <= found["x"][0].bound < 1.1  # stored once
        assert found["y"][0].bound > 2.0  # and once more
    with (
        Outcomes(float32),
        pytest.raises(AssertionError, match="outcomes of float32, stored as float32 takes no deriv"),
    ):
        gradients("any", tensors, {}, ["x"], lambda *_: None, repeated)


@pytest.mark.parametrize(("behind_mask", "is_nan"), [("skipped", False), ("times_zero", True)])
def test_an_infinity_that_dropout_drops_is_skipped_or_multiplied_with_zero(behind_mask: str, is_nan: bool) -> None:
    tensors = {"input": np.array([math.inf]), "mask": np.zeros(1)}
    with Outcomes(float32, float32):
        (found,) = evaluate("dropout", tensors, {"behind_mask": behind_mask})["output"].elements()
    assert (0.0 in found, math.nan in found) == (not is_nan, is_nan)


def test_a_row_of_nan_is_not_shortened() -> None:
    tensors = {"input": np.array([0]), "weight": np.array([[math.nan, 8.0]])}
    with Fast():
        found = evaluate("embedding", tensors, {"max_norm": 1.0})["output"].elements()
    assert str(found) == "[nan, 8.0]"


@pytest.mark.parametrize(("nan", "found"), [("propagated", "nan"), ("ignored", "0.0")])
def test_relu_propagates_a_nan_or_takes_the_number(nan: str, found: str) -> None:
    with Fast():
        assert str(*evaluate("relu", {"input": np.array([math.nan])}, {"nan": nan})["output"].elements()) == found

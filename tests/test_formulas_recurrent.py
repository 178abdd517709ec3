"""Recurrent layers agree with torch, and a reset gate before the product with numpy, step by step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from conformance.targets.torch.recurrent import ALGORITHMS, LAYERS
from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, gradients
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import FORMATS, Format, float32, float64
from oracle.rounded import Rounded
from oracle.tensor import Tensor

Array = np.ndarray[Any, Any]
Arrays = dict[str, Any]  # arrays, None, or a tuple of arrays
Call = tuple[Arrays, dict[str, Any]]

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def shapes(
    gates: int, inputs: int, size: int, num_layers: int, directions: int, bias: bool, projected: int
) -> Iterator[tuple[int, ...]]:
    """The shapes of the weights in the order of torch's parameters."""
    outputs = projected or size
    for unit in range(num_layers * directions):
        yield gates * size, inputs if unit < directions else directions * outputs
        yield gates * size, outputs
        yield from [(gates * size,)] * (2 * bias)
        yield from [(outputs, size)] * (projected > 0)


@st.composite
def calls(draw: st.DrawFn, layer: str, lattice: bool = True) -> Call:
    """Calls with numbers of float16: small integers where ``lattice`` allows them, or Gaussian of three sizes."""
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    spreads = st.sampled_from([0.0] * lattice + [0.1, 0.5, 2.0])

    def filled(*shape: int, spread: float) -> Array:
        numbers = spread * random.standard_normal(shape) if spread else random.integers(-2, 3, shape)
        return numbers.astype(np.float16).astype(np.float64)

    num_layers, directions, bias = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.booleans())
    steps, samples, inputs = draw(st.lists(st.integers(1, 5), min_size=3, max_size=3, unique=True))
    size = draw(st.integers(1, 4))
    projected = draw(st.integers(0, size - 1)) if layer == "lstm" else 0
    batch_first, begins = draw(st.booleans()), draw(st.booleans())
    sides = (samples, steps, inputs) if batch_first else (steps, samples, inputs)
    states = {"h_0": projected or size} | ({"c_0": size} if layer == "lstm" else {})
    spread = draw(spreads)
    tensors: Arrays = {"input": filled(*sides, spread=spread)}
    for name, side in states.items():
        tensors[name] = filled(num_layers * directions, samples, side, spread=spread) if begins else None
    spread = draw(spreads)
    parts = shapes(GATES[layer], inputs, size, num_layers, directions, bias, projected)
    tensors["weights"] = tuple(filled(*shape, spread=spread) for shape in parts)
    parameters: dict[str, Any] = {
        "num_layers": num_layers,
        "bias": bias,
        "batch_first": batch_first,
        "bidirectional": directions == 2,
    }
    if layer == "rnn":
        parameters["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if layer == "lstm":
        parameters["proj_size"] = projected
    return tensors, parameters


layers = pytest.mark.parametrize("layer", GATES)
often = settings(max_examples=30, deadline=None)


def native(argument: Any, dtype: torch.dtype) -> Any:
    if isinstance(argument, tuple):
        return tuple(native(part, dtype) for part in argument)
    return None if argument is None else torch.tensor(argument, dtype=dtype)


def by_torch(layer: str, call: Call, dtype: torch.dtype) -> list[Array]:
    tensors, parameters = call
    found = LAYERS[layer](*(native(argument, dtype) for argument in tensors.values()), **parameters)
    return [x.detach().double().numpy() for x in found]


def permitted(
    layer: str, call: Call, compute: Format, storage: Format | None = None, algorithm: str | None = None
) -> tuple[list[Array], list[Array]]:
    """Of every output the centre and the bound; torch's order of operations where no other is named."""
    with EnvelopeArithmetic(compute, storage):
        outputs = evaluate(layer, *call, algorithm or ALGORITHMS["cpu"].get(layer)).values()
        return [read(x, float) for x in outputs], [read(x, lambda element: element.bound) for x in outputs]


def read(x: Tensor, part: Any) -> Array:
    return np.array([part(element) for element in x.elements()]).reshape(x.shape)


def within(found: Array, centre: Array, bound: Array) -> bool:
    """Whether every element is within its bound; where that is infinite, it may have overflowed, even to NaN."""
    return bool((np.isposinf(bound) | (np.abs(found - centre) <= bound)).all())


def assert_within_the_bound_of_the_truth(
    found: list[Array], truths: list[Tensor], bounds: list[Array], exact: Exact
) -> None:
    """With the exact arithmetic in force."""
    for x, truth, bound in zip(found, truths, bounds, strict=True):
        assert x.shape == truth.shape
        for element, y, most in zip(truth.elements(), x.ravel(), bound.ravel(), strict=True):
            high, low, radius = exact.split(element)
            assert abs((y - high) - low) <= most + radius


def assert_float64_agrees(found: list[Array], layer: str, call: Call, algorithm: str | None = None) -> None:
    _, bounds = permitted(layer, call, float64, algorithm=algorithm)
    exact = Exact()
    with exact:
        assert_within_the_bound_of_the_truth(found, list(evaluate(layer, *call).values()), bounds, exact)


@layers
@often
@given(st.data())
def test_torch_in_float64_stays_within_the_bound_of_the_truth(layer: str, data: st.DataObject) -> None:
    call = data.draw(calls(layer))
    assert_float64_agrees(by_torch(layer, call, torch.float64), layer, call)


@layers
@pytest.mark.parametrize("format", ["float32", "bfloat16", "float16"])
@often
@given(st.data())
def test_torch_stays_within_the_bound_of_float32_in_every_storage_format(
    layer: str, format: str, data: st.DataObject
) -> None:
    tensors, parameters = data.draw(calls(layer))
    stored = {name: rounded(argument, FORMATS[format]) for name, argument in tensors.items()}
    call = (stored, parameters)
    centres, bounds = permitted(layer, call, float32, FORMATS[format])
    for x, centre, bound in zip(by_torch(layer, call, getattr(torch, format)), centres, bounds, strict=True):
        assert x.shape == centre.shape
        assert within(x, centre, bound)


def rounded(argument: Any, format: Format) -> Any:
    if isinstance(argument, tuple):
        return tuple(rounded(part, format) for part in argument)
    return None if argument is None else np.vectorize(format.round)(argument)


@layers
@often
@given(st.data())
def test_derivatives_are_those_of_torch(layer: str, data: st.DataObject) -> None:
    tensors, parameters = data.draw(calls(layer, lattice=False))  # no argument of relu is 0
    wanted = [name for name, argument in tensors.items() if argument is not None]
    random = np.random.default_rng(5)
    leaves = {name: native(argument, torch.float64) for name, argument in tensors.items()}
    flat = [x for name in wanted for x in (leaves[name] if name == "weights" else [leaves[name]])]
    for leaf in flat:
        leaf.requires_grad_()
    outputs = LAYERS[layer](*leaves.values(), **parameters)
    factors = [random.standard_normal(x.shape) for x in outputs]
    theirs = [g.numpy() for g in torch.autograd.grad(outputs, flat, list(map(torch.tensor, factors)))]

    def cotangent(output: int, shape: tuple[int, ...]) -> Array:
        return factors[output]

    def ours(algorithm: str | None = None) -> list[Tensor]:
        return list(gradients(layer, tensors, parameters, wanted, cotangent, algorithm).values())

    with EnvelopeArithmetic(float64):
        bounds = [read(x, lambda element: element.bound) for x in ours(ALGORITHMS["cpu"].get(layer))]
    exact = Exact()
    with exact:
        assert_within_the_bound_of_the_truth(theirs, ours(), bounds, exact)


@often
@given(st.data())
def test_a_reset_gate_before_the_product_is_that_of_cho_et_al(data: st.DataObject) -> None:
    tensors, parameters = data.draw(calls("gru").filter(lambda call: call[1]["num_layers"] == 1))
    parameters["reset_after"] = False
    output, last = before_the_product(tensors, parameters["bidirectional"], parameters["batch_first"])
    assert_float64_agrees([output, last], "gru", (tensors, parameters), "gru")


def before_the_product(tensors: Arrays, bidirectional: bool, batch_first: bool) -> tuple[Array, Array]:
    """Output and last states of one layer, all samples of a step at once."""
    x, h_0, weights = tensors["input"], tensors["h_0"], tensors["weights"]
    x = x.swapaxes(0, 1) if batch_first else x
    directions = 1 + bidirectional
    each = len(weights) // directions
    outputs, last = [], []
    for direction in range(directions):
        w_ih, w_hh, *biases = weights[direction * each : (direction + 1) * each]
        of_input, of_state = biases or [np.zeros(len(w_ih))] * 2
        size = w_hh.shape[1]
        h = np.zeros((x.shape[1], size)) if h_0 is None else h_0[direction]
        states = []
        for step in x[::-1] if direction else x:
            from_x = step @ w_ih.T + of_input
            r, z = (expit(from_x[:, k] + h @ w_hh[k].T + of_state[k]) for k in (slice(size), slice(size, 2 * size)))
            k = slice(2 * size, 3 * size)
            n = np.tanh(from_x[:, k] + (r * h) @ w_hh[k].T + of_state[k])
            h = (1 - z) * n + z * h
            states.append(h)
        last.append(h)
        outputs.append(np.stack(states[::-1] if direction else states))
    output = np.concatenate(outputs, axis=-1)
    return (output.swapaxes(0, 1) if batch_first else output), np.stack(last)


@layers
@pytest.mark.parametrize("format", ["float32", "bfloat16", "float16"])
@often
@given(st.data())
def test_rounding_every_operation_stays_within_the_bound(layer: str, format: str, data: st.DataObject) -> None:
    tensors, parameters = data.draw(calls(layer))
    storage = FORMATS[format]
    call = ({name: rounded(argument, storage) for name, argument in tensors.items()}, parameters)
    centres, bounds = permitted(layer, call, float32, storage, layer)
    with Rounded(float32, storage, data.draw(st.integers(0, 100))):
        found = [read(x, float) for x in evaluate(layer, *call).values()]
    for x, centre, bound in zip(found, centres, bounds, strict=True):
        assert within(x, centre, bound)


def test_small_integers_leave_a_relu_no_error() -> None:
    random = np.random.default_rng(7)
    tensors: Arrays = {"input": random.integers(-3, 4, (3, 2, 2)).astype(float)}
    tensors["weights"] = tuple(random.integers(-2, 3, shape).astype(float) for shape in shapes(1, 2, 3, 2, 2, True, 0))
    parameters = {"num_layers": 2, "bidirectional": True, "nonlinearity": "relu"}
    centres, bounds = permitted("rnn", (tensors, parameters), float32)
    assert np.any(centres[0])
    assert not any(map(np.any, bounds))
    expected = by_torch("rnn", ({"input": tensors["input"], "h_0": None, **tensors}, parameters), torch.float32)
    np.testing.assert_equal(centres, expected)


def adding_one_by_one(terms: Array) -> float:
    result = np.float32(0.0)
    for term in terms.astype(np.float32):
        result = result + term
    return float(result)


def test_a_recurrent_product_may_be_added_before_the_input_product() -> None:
    # 2^24 first swallows every 1 that follows; no sum of two finished products errs so much
    tensors: Arrays = {
        "input": np.ones((1, 1, 9)),
        "h_0": np.full((1, 1, 1), 2.0**24),
        "weights": (np.ones((1, 9)), np.ones((1, 1))),
    }
    centres, bounds = permitted("rnn", (tensors, {"bias": False, "nonlinearity": "relu"}), float32)
    swallowed = adding_one_by_one(np.array([2.0**24] + [1.0] * 9))
    assert swallowed == 2.0**24
    assert abs(swallowed - centres[0].item()) == 9.0 <= bounds[0].item()


@layers
def test_a_product_may_be_stored_before_it_meets_the_other(layer: str) -> None:
    # 257 of the input product is no bfloat16, and what is left of it decides every gate
    gates = GATES[layer]
    tensors: Arrays = {
        "input": np.array([[[256.0, 1.0]]]),
        "h_0": np.ones((1, 1, 1)),
        "weights": (np.ones((gates, 2)), np.full((gates, 1), -256.0)),
    }
    centres, bounds = permitted(layer, (tensors, {"bias": False}), float32, FORMATS["bfloat16"])
    assert (bounds[0] > 0.1).all()
    _, alone = permitted(layer, (tensors, {"bias": False}), float32)
    assert (alone[0] < 1e-4).all()
    assert np.isfinite(centres[0]).all()


def test_the_biases_of_both_products_may_be_added_as_one() -> None:
    # Keras adds them to the input product: −5.015625 is no bfloat16, and all else is
    tensors: Arrays = {
        "input": np.array([[[1.0078125]]]),
        "h_0": np.ones((1, 1, 1)),
        "weights": (np.full((1, 1), -2.0), np.full((1, 1), 9.0), np.zeros(1), np.full(1, -3.0)),
    }
    call = (tensors, {"nonlinearity": "relu"})
    centres, bounds = permitted("rnn", call, float32, FORMATS["bfloat16"], "one_bias")
    assert centres[0].item() == 3.984375
    assert 4.0 - 3.984375 <= bounds[0].item() < 0.2
    _, of_two = permitted("rnn", call, float32, FORMATS["bfloat16"])
    assert of_two[0].item() == 0.0


@layers
def test_a_sequence_may_be_long(layer: str) -> None:
    random = np.random.default_rng(11)
    weights = tuple(random.standard_normal(shape) for shape in shapes(GATES[layer], 1, 1, 2, 2, True, 0))
    states = {"h_0": None} | ({"c_0": None} if layer == "lstm" else {})
    tensors: Arrays = {"input": random.standard_normal((3000, 1, 1)), **states, "weights": weights}
    call = (tensors, {"num_layers": 2, "bidirectional": True})
    assert_float64_agrees(by_torch(layer, call, torch.float64), layer, call)


@layers
def test_states_left_out_are_zero(layer: str) -> None:
    random = np.random.default_rng(13)
    weights = tuple(random.standard_normal(shape) for shape in shapes(GATES[layer], 2, 3, 1, 1, True, 0))
    tensors: Arrays = {"input": random.standard_normal((4, 2, 2)), "weights": weights}
    zeros = {name: np.zeros((1, 2, 3)) for name in (("h_0", "c_0") if layer == "lstm" else ("h_0",))}
    with Fast():
        left_out, given = (
            [x.elements() for x in evaluate(layer, arguments, {}).values()] for arguments in (tensors, tensors | zeros)
        )
    assert left_out == given


def zeros(*shape: int) -> Array:
    return np.zeros(shape)


# Two steps of three samples with four features, two units.
FITTING: dict[str, Arrays] = {
    layer: {"input": zeros(2, 3, 4), "weights": (zeros(2 * gates, 4), zeros(2 * gates, 2))}
    for layer, gates in GATES.items()
}


@pytest.mark.parametrize(
    ("layer", "tensors", "parameters", "message"),
    [
        ("rnn", {"input": zeros(3, 4)}, {}, "input has 2 dimensions; it must have 3"),
        ("gru", {}, {"num_layers": 2}, r"2 weights; layers \(2\) .* need 4: w_ih, w_hh of each"),
        ("rnn", {"weights": ()}, {}, "0 weights; .* need 2: w_ih, w_hh of each"),
        ("gru", {}, {"bias": True}, "2 weights; .* need 4: w_ih, w_hh, b_ih, b_hh of each"),
        ("gru", {"input": zeros(2, 3, 5)}, {}, r"w_ih of layer 0, direction 0, has the shape \(6, 4\); it must be"),
        ("rnn", {"weights": (zeros(2, 4), zeros(2, 3))}, {}, r"w_hh .* has the shape \(2, 3\); it must be \(2, 2\)"),
        ("gru", {"weights": (zeros(7, 4), zeros(7, 2))}, {}, r"has the shape \(7, 4\); it must be \(6, 4\)"),
        ("rnn", {"h_0": zeros(1, 2, 2)}, {}, r"h_0 has the shape \(1, 2, 2\); it must be \(1, 3, 2\)"),
        ("lstm", {"c_0": zeros(2, 3, 2)}, {}, r"c_0 has the shape \(2, 3, 2\); it must be \(1, 3, 2\)"),
        ("lstm", {"weights": (zeros(8, 4), zeros(8, 2), zeros(2, 2))}, {"proj_size": 2}, "proj_size 2 must be smaller"),
        ("rnn", {}, {"nonlinearity": "sigmoid"}, "nonlinearity is 'sigmoid'; it must be 'tanh' or 'relu'"),
    ],
)
def test_what_does_not_fit_is_refused(layer: str, tensors: Arrays, parameters: dict[str, Any], message: str) -> None:
    with Fast(), pytest.raises(ValueError, match=message):
        evaluate(layer, FITTING[layer] | tensors, {"bias": False} | parameters)


def test_a_projection_is_smaller_than_the_state() -> None:
    tensors = {"input": np.ones((1, 1, 1)), "weights": (np.ones((4, 1)), np.ones((4, 1)), np.ones((1, 1)))}
    with Fast(), pytest.raises(ValueError, match=r"^proj_size 1 must be smaller than the hidden size 1$"):
        evaluate("lstm", tensors, {"bias": False, "proj_size": 1})

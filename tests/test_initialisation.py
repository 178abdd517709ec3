"""The laws of initialisation are those of torch; honest libraries pass the suite, and wrong ones fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from scipy import stats

from conformance import Target, Values, golden, load
from conformance.case import Arguments
from conformance.run import run
from conformance.spec import spec
from conformance.specs.default_initialisation import MODULES
from conformance.targets.torch import LAYERS
from conformance.values import Array
from oracle import initialisation
from oracle.envelope import EnvelopeArithmetic, bound
from oracle.exact import Exact
from oracle.formats import float32, float64
from oracle.initialisation import Constant, Distribution, Normal, Padded, Uniform

FILLS = ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal")
INITIALISATIONS = ("zeros_init", *FILLS, "default_initialisation")


class Recorded:
    """The distributions from which torch fills tensors while this is in force, the last one of each tensor."""

    def __init__(self) -> None:
        self._found: dict[int, Distribution] = {}
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> Recorded:
        self._record("uniform_", lambda low, high: Uniform(max(-low, high)))
        self._record("normal_", lambda mean, deviation: Normal(deviation))
        self._record("fill_", Constant)
        self._record("zero_", lambda: Constant(0))
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.undo()

    def _record(self, name: str, distribution: Callable[..., Distribution]) -> None:
        fill = getattr(torch.Tensor, name)

        def recording(tensor: torch.Tensor, *scale: float, **options: Any) -> torch.Tensor:
            self._found[id(tensor)] = distribution(*scale)
            filled: torch.Tensor = fill(tensor, *scale, **options)
            return filled

        self._patch.setattr(torch.Tensor, name, recording)

    def of(self, tensors: Sequence[torch.Tensor]) -> list[Distribution]:
        return [self._found[id(tensor)] for tensor in tensors]


def scale(law: Uniform | Normal) -> Any:
    return law.bound if isinstance(law, Uniform) else law.deviation


def as_float32(law: Distribution) -> tuple[type, float]:
    """The kind of a law and its scale, rounded to the format of the tensor; torch fills a padding row apart."""
    match law:
        case Padded(rows, _):
            return as_float32(rows)
        case Uniform(scale) | Normal(scale) | Constant(scale):
            return type(law), float32.round(float(scale))


@pytest.mark.parametrize("layer", FILLS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_torch_fills_a_tensor_from_the_law(layer: str, data: st.DataObject) -> None:
    arguments: Arguments = data.draw(spec(layer).arguments)
    tensor, parameters = arguments.tensors["tensor"], arguments.parameters
    assert isinstance(tensor, Values)
    with Recorded() as recorded:
        filled = LAYERS[layer](torch.ones(tensor.shape), **parameters)
    law = getattr(initialisation, layer)
    (got,) = recorded.of([filled])
    with Exact():
        true = law(tensor.shape, **parameters)
    with EnvelopeArithmetic(float64):
        permitted = bound(scale(law(tensor.shape, **parameters)))
    assert isinstance(got, type(true))
    assert abs(scale(true) - scale(got)) <= permitted


@pytest.mark.parametrize("module", MODULES)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_torch_makes_a_module_whose_parameters_follow_the_laws(module: str, data: st.DataObject) -> None:
    shapes, options = data.draw(MODULES[module])
    with Recorded() as recorded:
        made = LAYERS["default_initialisation"](tuple(map(torch.ones, shapes)), module=module, **options)
    assert [tuple(parameter.shape) for parameter in made] == shapes
    with Exact():
        laws = initialisation.default_initialisation(shapes, module=module, padding_idx=options.get("padding_idx"))
    assert list(map(as_float32, recorded.of(made))) == list(map(as_float32, laws))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.sampled_from(("fan_in", "fan_out")))
def test_a_uniform_law_has_the_variance_of_the_normal_one(shape: list[int], mode: str) -> None:
    with Exact():
        for uniform, normal in (
            (initialisation.xavier_uniform(shape), initialisation.xavier_normal(shape)),
            (initialisation.kaiming_uniform(shape, mode=mode), initialisation.kaiming_normal(shape, mode=mode)),
        ):
            assert (uniform.bound * uniform.bound / 3).overlaps(normal.deviation * normal.deviation)


READINGS = [
    pytest.param(layer, reading, id=f"{layer}: {reading['name']}")
    for layer in FILLS
    for example in golden.fixture(layer)["example"]
    for reading in example["reading"]
]


@pytest.mark.parametrize(("layer", "reading"), READINGS)
def test_the_laws_give_the_worked_numbers(layer: str, reading: dict[str, Any]) -> None:
    parameters = dict(reading["parameters"])
    shape = parameters.pop("shape")
    if "gain" in parameters:
        parameters["gain"] = float(parameters["gain"])
    with Exact() as exact:
        law = getattr(initialisation, layer)(shape, **parameters)
        spread = isinstance(law, Uniform) and reading["output"] == "standard deviation"
        found = law.bound / exact.sqrt(exact.constant(3)) if spread else scale(law)
        whole, _, digits = reading["expected"].partition(".")
        assert (found * 10 ** len(digits) + 0.5).floor().unique_fmpz() == int(whole + digits)


@pytest.mark.parametrize(
    ("law", "arguments", "reason"),
    [
        ("xavier_uniform", {"shape": (3,)}, r"not the shape \(3,\)"),
        ("kaiming_normal", {"shape": (3, 2), "mode": "fan_avg"}, "'fan_avg' is neither 'fan_in' nor 'fan_out'"),
        (
            "kaiming_uniform",
            {"shape": (3, 2), "nonlinearity": "gelu"},
            "for the nonlinearity 'gelu', only for leaky_relu, [a-z0-9_, ]+$",
        ),
        ("default_initialisation", {"weights": [(3, 2)], "module": "bilinear"}, "for the module 'bilinear'"),
    ],
)
def test_what_has_no_law_is_refused_with_the_reason(law: str, arguments: dict[str, Any], reason: str) -> None:
    with Exact(), pytest.raises(ValueError, match=reason):
        getattr(initialisation, law)(**arguments)


@pytest.mark.parametrize("law", ["kaiming_uniform", "kaiming_normal"])
def test_without_a_word_the_fan_is_that_of_the_inputs_and_the_gain_that_of_a_relu(law: str) -> None:
    with Exact():
        found, said = (
            vars(getattr(initialisation, law)((3, 2), **options))
            for options in ({}, {"mode": "fan_in", "nonlinearity": "relu"})
        )
        assert [float(x) for x in found.values()] == [float(x) for x in said.values()]


class Numpy(Target):
    """An honest library."""

    name = "numpy"

    def __init__(self) -> None:
        self.random = default_rng(0)

    def seed(self, seed: int) -> None:
        self.random = default_rng(seed)

    def uniform(self, shape: Sequence[int], bound: float) -> Array:
        return self.random.uniform(-bound, bound, shape)

    def normal(self, shape: Sequence[int], deviation: float) -> Array:
        return self.random.normal(0.0, deviation, shape)

    def fans(self, shape: Sequence[int]) -> tuple[int, int]:
        return shape[1] * prod(shape[2:]), shape[0] * prod(shape[2:])

    def fan(self, shape: Sequence[int], mode: str) -> int:
        return self.fans(shape)[("fan_in", "fan_out").index(mode)]

    def gain(self, nonlinearity: str, a: float) -> float:
        gains = {"relu": sqrt(2.0), "leaky_relu": sqrt(2.0 / (1.0 + a * a)), "tanh": 5.0 / 3.0, "selu": 0.75}
        return gains.get(nonlinearity, 1.0)

    def zeros_init(self, tensor: Array) -> Array:
        return np.zeros_like(tensor)

    def xavier_uniform(self, tensor: Array, *, gain: float) -> Array:
        return self.uniform(tensor.shape, gain * sqrt(6.0 / sum(self.fans(tensor.shape)))).astype(tensor.dtype)

    def xavier_normal(self, tensor: Array, *, gain: float) -> Array:
        return self.normal(tensor.shape, gain * sqrt(2.0 / sum(self.fans(tensor.shape)))).astype(tensor.dtype)

    def kaiming_uniform(self, tensor: Array, *, a: float, mode: str, nonlinearity: str) -> Array:
        bound = self.gain(nonlinearity, a) * sqrt(3.0 / self.fan(tensor.shape, mode))
        return self.uniform(tensor.shape, bound).astype(tensor.dtype)

    def kaiming_normal(self, tensor: Array, *, a: float, mode: str, nonlinearity: str) -> Array:
        deviation = self.gain(nonlinearity, a) / sqrt(self.fan(tensor.shape, mode))
        return self.normal(tensor.shape, deviation).astype(tensor.dtype)

    def default_initialisation(self, weights: tuple[Array, ...], *, module: str, **options: Any) -> tuple[Array, ...]:
        made = getattr(self, f"make_{module}", self.make_norm)([weight.shape for weight in weights], **options)
        return tuple(array.astype(weights[0].dtype) for array in made)

    def make_linear(self, shapes: Sequence[Sequence[int]], groups: int = 1) -> list[Array]:
        return [self.uniform(shape, 1.0 / sqrt(self.fans(shapes[0])[0])) for shape in shapes]

    make_conv2d = make_conv_transpose2d = make_linear

    def make_rnn(self, shapes: Sequence[Sequence[int]], **options: Any) -> list[Array]:
        return [self.uniform(shape, 1.0 / sqrt(shapes[1][1])) for shape in shapes]

    make_lstm = make_gru = make_rnn

    def make_embedding(self, shapes: Sequence[Sequence[int]], padding_idx: int | None) -> list[Array]:
        rows = self.normal(shapes[0], 1.0)
        if padding_idx is not None:
            rows[padding_idx] = 0.0
        return [rows]

    def make_norm(self, shapes: Sequence[Sequence[int]]) -> list[Array]:
        return [np.ones(shapes[0]), *map(np.zeros, shapes[1:])]

    def make_multi_head_attention(self, shapes: Sequence[Sequence[int]]) -> list[Array]:
        width = shapes[0][1]
        bounds = {3 * width: sqrt(6.0 / (4 * width)), width: 1.0 / sqrt(width)}
        return [self.uniform(shape, bounds[shape[0]]) if len(shape) == 2 else np.zeros(shape) for shape in shapes]


@pytest.mark.parametrize("layer", INITIALISATIONS)
@pytest.mark.parametrize(("target", "format"), [(load("torch-cpu"), "float32"), (Numpy(), "float64")])
def test_an_honest_library_passes_with_300_seeds(target: Target, format: str, layer: str) -> None:
    tally = run(target, layer, format, "law", 100)
    assert tally.failure is None
    assert tally.counts["PASS"] == tally.cases == 300


class FansOfTheTransposedWeight(Numpy):
    def fans(self, shape: Sequence[int]) -> tuple[int, int]:
        return super().fans((shape[1], shape[0], *shape[2:]))


class FansWithoutTheKernel(Numpy):
    def fans(self, shape: Sequence[int]) -> tuple[int, int]:
        return shape[1], shape[0]


class FanInForBoth(Numpy):
    def fans(self, shape: Sequence[int]) -> tuple[int, int]:
        return super().fans(shape)[0], super().fans(shape)[0]


class GainForgotten(Numpy):
    def gain(self, nonlinearity: str, a: float) -> float:
        return 1.0


class GainSquared(Numpy):
    def gain(self, nonlinearity: str, a: float) -> float:
        return super().gain(nonlinearity, a) ** 2


class SlopeIgnored(Numpy):
    def gain(self, nonlinearity: str, a: float) -> float:
        return super().gain(nonlinearity, 0.0)


class NormalForUniform(Numpy):
    def uniform(self, shape: Sequence[int], bound: float) -> Array:
        return super().normal(shape, bound / sqrt(3.0))


class UniformForNormal(Numpy):
    def normal(self, shape: Sequence[int], deviation: float) -> Array:
        return super().uniform(shape, deviation * sqrt(3.0))


class DeviationAsBound(Numpy):
    def uniform(self, shape: Sequence[int], bound: float) -> Array:
        return super().uniform(shape, bound / sqrt(3.0))


class VarianceAsDeviation(Numpy):
    def normal(self, shape: Sequence[int], deviation: float) -> Array:
        return super().normal(shape, deviation**2)


class Truncated(Numpy):
    """As the normal initialisers of some libraries do: cut off at twice the deviation, and widened to keep it."""

    def normal(self, shape: Sequence[int], deviation: float) -> Array:
        law = stats.truncnorm(-2.0, 2.0)
        return np.asarray(law.rvs(shape, random_state=self.random) * deviation / law.std())


class NotNegative(Numpy):
    def uniform(self, shape: Sequence[int], bound: float) -> Array:
        return np.abs(super().uniform(shape, bound))


class Untouched(Numpy):
    def uniform(self, shape: Sequence[int], bound: float) -> Array:
        return np.zeros(shape)


class NearlyZero(Numpy):
    def zeros_init(self, tensor: Array) -> Array:
        return np.full_like(tensor, 1e-30)


class GroupsIgnored(Numpy):
    """Fans from the channels of the layer instead of the shape of the weight."""

    def make_conv2d(self, shapes: Sequence[Sequence[int]], groups: int = 1) -> list[Array]:
        return [self.uniform(shape, 1.0 / sqrt(groups * self.fans(shapes[0])[0])) for shape in shapes]

    make_conv_transpose2d = make_conv2d


class BiasZero(Numpy):
    def make_linear(self, shapes: Sequence[Sequence[int]], groups: int = 1) -> list[Array]:
        weight, *bias = super().make_linear(shapes)
        return [weight, *map(np.zeros_like, bias)]


class BoundFromTheInput(Numpy):
    def make_rnn(self, shapes: Sequence[Sequence[int]], **options: Any) -> list[Array]:
        return [self.uniform(shape, 1.0 / sqrt(shapes[0][1])) for shape in shapes]

    make_lstm = make_gru = make_rnn


class PaddingDrawn(Numpy):
    def make_embedding(self, shapes: Sequence[Sequence[int]], padding_idx: int | None) -> list[Array]:
        return super().make_embedding(shapes, None)


class ProjectionsApart(Numpy):
    """Xavier for each (E, E) of queries, keys and values."""

    def make_multi_head_attention(self, shapes: Sequence[Sequence[int]]) -> list[Array]:
        _, *rest = super().make_multi_head_attention(shapes)
        return [self.uniform(shapes[0], sqrt(6.0 / (2 * shapes[0][1]))), *rest]


class ZeroForOne(Numpy):
    def make_norm(self, shapes: Sequence[Sequence[int]]) -> list[Array]:
        return list(map(np.zeros, shapes))


LARGEST, SPREAD = "times the bound of", "is the root mean square|times the standard deviation"
WRONG: dict[type[Numpy], dict[str, str]] = {
    FansOfTheTransposedWeight: {
        "kaiming_uniform": LARGEST,
        "kaiming_normal": SPREAD,
        "default_initialisation": LARGEST,
    },
    FansWithoutTheKernel: {
        "xavier_uniform": LARGEST,
        "xavier_normal": SPREAD,
        "kaiming_uniform": LARGEST,
        "kaiming_normal": SPREAD,
        "default_initialisation": LARGEST,
    },
    FanInForBoth: {"xavier_uniform": LARGEST, "xavier_normal": SPREAD, "kaiming_uniform": LARGEST},
    GainForgotten: {"kaiming_uniform": LARGEST, "kaiming_normal": SPREAD},
    GainSquared: {"kaiming_uniform": LARGEST, "kaiming_normal": SPREAD},
    SlopeIgnored: {"kaiming_uniform": LARGEST, "kaiming_normal": SPREAD},
    NormalForUniform: {"xavier_uniform": LARGEST, "kaiming_uniform": LARGEST, "default_initialisation": LARGEST},
    UniformForNormal: {"xavier_normal": SPREAD, "kaiming_normal": SPREAD, "default_initialisation": SPREAD},
    DeviationAsBound: {"xavier_uniform": LARGEST, "kaiming_uniform": LARGEST},
    VarianceAsDeviation: {"xavier_normal": SPREAD, "kaiming_normal": SPREAD},
    Truncated: {"xavier_normal": SPREAD, "kaiming_normal": SPREAD, "default_initialisation": SPREAD},
    NotNegative: {"xavier_uniform": "distribution function", "kaiming_uniform": "distribution function"},
    Untouched: {"xavier_uniform": LARGEST},
    NearlyZero: {"zeros_init": "elements are not 0"},
    GroupsIgnored: {"default_initialisation": LARGEST},
    BiasZero: {"default_initialisation": "0 is the largest of .* elements"},
    BoundFromTheInput: {"default_initialisation": LARGEST},
    PaddingDrawn: {"default_initialisation": "elements are not 0"},
    ProjectionsApart: {"default_initialisation": "1.41 times the bound of"},
    ZeroForOne: {"default_initialisation": "elements are not 1"},
}


@pytest.mark.parametrize(
    ("target", "layer", "reason"),
    [
        pytest.param(target, layer, reason, id=f"{target.__name__}-{layer}")
        for target, layers in WRONG.items()
        for layer, reason in layers.items()
    ],
)
def test_a_wrong_library_fails_with_the_reason(target: type[Numpy], layer: str, reason: str) -> None:
    failure = run(target(), layer, "float32", "law", 100).failure
    assert failure is not None
    assert re.search(reason, failure.verdict.reason), failure.verdict.reason

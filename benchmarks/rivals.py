"""The rules by which implementations are tested today, stated exactly.

The reference is always torch in float64, on the very numbers that the implementation is given in float32. Inputs are
Gaussian (variances positive, masks random), contiguous, and depend on a seed. ``usual`` gives for a layer the one call
that a benchmark of kernels makes, of moderate size, with plain parameters; ``several`` gives those of torch's OpInfo
samples (torch/testing/_internal/common_methods_invocations.py and common_modules.py), or, where OpInfo has no such
layer, some like them. A rule rejects an implementation that raises.

Layers of chance have no rule: their outputs differ by right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np

from benchmarks.calls import several, usual
from benchmarks.implementations import Implementation
from conformance.asking import ask, ask_gradients
from conformance.case import Case, Upstream
from conformance.spec import spec
from conformance.target import Target
from conformance.targets.torch import Torch
from conformance.values import Array
from conformance.verdict import Actual, Verdict
from conformance.watched import Wrapped

# Outputs, then derivatives.
Answer = Sequence[Actual]
Accepts = Callable[[Case, Answer, Answer], bool]


@dataclass(frozen=True)
class Rival:
    """A rule: which calls it makes, and whether it accepts the answer to one of them beside the reference's."""

    name: str
    sentence: str
    calls: Callable[[str], Sequence[Case]]
    accepts: Accepts

    def rejects(self, implementation: Implementation) -> bool | None:
        """Whether the implementation is rejected; None where the rule does not apply to the layer."""
        calls = self.calls(implementation.layer) if "float32" in implementation.formats else ()
        if not calls:
            return None
        return not all(self._accepts(implementation, call) for call in calls)

    def _accepts(self, implementation: Implementation, call: Case) -> bool:
        actual = _answer(_Only(implementation), call)
        return actual is not None and self.accepts(call, actual, reference(call))


class _Only(Torch):
    """One implementation."""

    def __init__(self, implementation: Implementation) -> None:
        super().__init__("cpu")
        self._implementation = implementation

    def layer(self, name: str) -> Callable[..., Any] | None:
        return self._implementation.function


class _Wide(Wrapped):
    """The target, given the same numbers in float64."""

    def array(self, values: Array, format: str) -> Any:
        return self._target.array(values, "float64")


class _Magnitudes(_Wide):
    """The target, given their absolute values in float64."""

    def array(self, values: Array, format: str) -> Any:
        return super().array(np.abs(values) if values.dtype == np.float64 else values, format)


def _answer(target: Target, call: Case) -> Answer | None:
    """None where a call fails."""
    if call.upstream is None:
        outputs = ask(target, call)
        return None if isinstance(outputs, Verdict) else outputs
    both = ask_gradients(target, call, spec(call.layer).byproducts)
    return None if isinstance(both, Verdict) else [*both[0], *both[1]]


def reference(call: Case) -> Answer:
    """What torch answers in float64."""
    answer = _answer(_Wide(Torch("cpu")), call)
    assert answer is not None, f"torch answers {call}"
    return answer


# The rules.


def _same_shapes(actual: Answer, expected: Answer) -> bool:
    shapes = [[got.values.shape for got in answer] for answer in (actual, expected)]
    return shapes[0] == shapes[1]


def close(rtol: float, atol: float, *, first: bool = False, format: bool = False) -> Accepts:
    """|got - true| ≤ atol + rtol |true| for all elements of all results, or of the first; NaN equals NaN."""

    def accepts(call: Case, actual: Answer, expected: Answer) -> bool:
        if not _same_shapes(actual, expected):
            return False
        pairs = list(zip(actual, expected, strict=True))[: 1 if first else None]
        return all(
            np.allclose(got.values, true.values, rtol, atol, equal_nan=True)
            and (not format or got.format == true.format.replace("float64", call.format))
            for got, true in pairs
        )

    return accepts


def ulps(call: Case, actual: Answer, expected: Answer) -> bool:
    """As many float32 numbers between them as the table of WebNN permits."""
    most = _WEBNN[call.layer](call)
    got, true = actual[0], expected[0]
    if got.values.shape != true.values.shape:
        return False
    between = np.abs(_ordinal(got.values) - _ordinal(true.values))
    return bool(np.all((between <= most) | np.isnan(got.values) & np.isnan(true.values)))


def _ordinal(values: Array) -> Array:
    """The number of a float32 in their order."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def dot_products(call: Case, actual: Answer, expected: Answer) -> bool:
    """Errors in units of 2^-24 Σ |term|: each at most 2 K, their mean square at most 1.6 K, their sum without bias."""
    magnitudes = _answer(_Magnitudes(Torch("cpu")), call)
    assert magnitudes is not None
    got, true, sums = actual[0], expected[0], magnitudes[0]
    if got.values.shape != true.values.shape:
        return False
    terms = _TERMS[call.layer](call)
    if not np.all((got.values == 0.0) | (sums.values != 0.0)):
        return False
    unit = np.maximum(np.abs(sums.values) * 2.0**-24, 2.0**-126)
    errors = (got.values - true.values) / unit
    count = errors.size
    within = bool(np.all(np.abs(errors) <= 2 * terms))
    unbiased = abs(np.sum(errors)) <= np.sqrt(10 * 1.6 * terms * count)
    return within and bool(unbiased) and bool(np.sum(errors**2) <= 1.6 * terms * count)


def _side(call: Case, name: str, axis: int) -> int:
    shape: tuple[int, ...] = getattr(call.tensors[name], "shape", ())
    return shape[axis]


def _biased(call: Case) -> int:
    return int(call.tensors.get("bias") is not None)


def _taps(call: Case) -> int:
    weight = getattr(call.tensors["weight"], "shape", ())
    return prod(weight[2:])


def _reaching(call: Case) -> int:
    """The terms of a transposed convolution, at most."""
    return _side(call, "weight", 0) // int(call.parameters["groups"]) * _taps(call)


def _window(call: Case) -> int:
    return prod(call.parameters["kernel_size"])


# K, with one more for a bias.
_TERMS: dict[str, Callable[[Case], int]] = {
    "linear": lambda call: _side(call, "weight", 1) + _biased(call),
    "custom_linear": lambda call: _side(call, "weight", 0) + 1,
    "conv2d": lambda call: _side(call, "weight", 1) * _taps(call) + _biased(call),
    "conv_transpose2d": lambda call: _reaching(call) + _biased(call),
    "avg_pool2d": _window,
}
_WEBNN: dict[str, Callable[[Case], int]] = {
    "linear": lambda call: 2 * _side(call, "weight", 1) + _biased(call),
    "custom_linear": lambda call: 2 * _side(call, "weight", 0) + 1,
    "conv2d": lambda call: 2 * _side(call, "weight", 1) * _taps(call),
    "conv_transpose2d": lambda call: 2 * _reaching(call),
    "avg_pool2d": lambda call: _window(call) + 2,
    "max_pool2d": lambda call: 0,
    "upsample_nearest": lambda call: 0,
    "upsample_bilinear": lambda call: 84,
    "batch_norm": lambda call: 6,
    "instance_norm": lambda call: 840,
    "softmax": lambda call: 3 * _side(call, "input", call.parameters["dim"]) + 3,
    "relu": lambda call: 0,
    "sigmoid": lambda call: 34,
    "tanh": lambda call: 16,
}


# The calls.


@cache
def _five(layer: str) -> tuple[Case, ...]:
    return tuple(call for seed in range(5) for call in usual(layer, seed))


@cache
def _forward(layer: str) -> tuple[Case, ...]:
    return tuple(several(layer, 0))


@cache
def _both(layer: str) -> tuple[Case, ...]:
    return tuple(_differentiated(_forward(layer)))


def _differentiated(calls: Sequence[Case]) -> Iterator[Case]:
    """Each call, and its derivatives towards all floating-point tensors, for a Gaussian cotangent."""
    for call in calls:
        yield call
        constants = spec(call.layer).constants
        floating = [name for name, array in call.arrays().items() if _is_floating(array) and name not in constants]
        yield Case(call.layer, call.format, call.tensors, call.parameters, upstream=Upstream((*floating,), "gaussian"))


def _is_floating(array: Any) -> bool:
    arrays = array if isinstance(array, tuple) else (array,)
    return all(each is not None and each.dtype == np.float64 for each in arrays)


def _only(calls: Callable[[str], Sequence[Case]], layers: Sequence[str]) -> Callable[[str], Sequence[Case]]:
    return lambda layer: calls(layer) if layer in layers else ()


def _all(layer: str) -> tuple[Case, ...]:
    return (*usual(layer, 0), *_forward(layer))


RIVALS = (
    Rival(
        "allclose 1e-2, five inputs of one shape",
        "KernelBench's first rule (Ouyang et al. 2025): torch.allclose with rtol = atol = 1e-2 on the first output, "
        "for five random inputs of one shape, forward only.",
        _five,
        close(1e-2, 1e-2, first=True),
    ),
    Rival(
        "allclose 1e-4, five inputs of one shape",
        "KernelBench's present rule for float32 (get_tolerance_for_precision in its eval.py): the same with 1e-4.",
        _five,
        close(1e-4, 1e-4, first=True),
    ),
    Rival(
        "assert_close on OpInfo's sizes",
        "torch.testing.assert_close at its default tolerance for float32, rtol = 1.3e-6 and atol = 1e-5, with the "
        "dtype, on the shapes and parameters of OpInfo's samples, one random input each, all outputs and derivatives.",
        _both,
        close(1.3e-6, 1e-5, format=True),
    ),
    Rival(
        "ONNX backend test, rtol 1e-3, atol 1e-7",
        "onnx.backend.test (assert_similar_outputs): rtol = 1e-3, atol = 1e-7, the dtype and all outputs, on the same "
        "shapes and parameters, one random input each, forward only.",
        _forward,
        close(1e-3, 1e-7, format=True),
    ),
    Rival(
        "WebNN, 2 K ULP",
        "Web platform tests of WebNN (webnn/resources/utils.js): for products of K terms 2 K ulp, one more with a "
        "bias; pooling averages K + 2, softmax 3 K + 3, batch_norm 6, instance_norm 840, bilinear 84, sigmoid 34, "
        "tanh 16, relu, maxima and nearest pixels 0; on the same shapes and parameters, first output, forward only; no "
        "rule for other layers.",
        _only(_forward, tuple(_WEBNN)),
        ulps,
    ),
    Rival(
        "TOSA, dot products",
        "TOSA's conformance test of dot products (verify_dot_product.cc of its reference model): every error at most "
        "2 K units of 2^-24 Σ |term|, the sum of squares at most 1.6 K T, the sum at most √(16 K T), for T outputs of "
        "K terms, a bias being one; on the usual shape and those of OpInfo, Gaussian data, forward only; for linear, "
        "custom_linear, conv2d, conv_transpose2d and avg_pool2d alone.",
        _only(_all, tuple(_TERMS)),
        dot_products,
    ),
)

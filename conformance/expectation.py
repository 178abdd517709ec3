"""What is expected of a case: the truth from the formula, the permitted error from the same formula."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Expected
from oracle.accuracy import UNITS
from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, gradients
from oracle.exact import Exact
from oracle.formats import FORMATS
from oracle.tensor import Tensor

# A ball wider than this share of the permitted error is narrowed by computing with more bits.
_SHARP = 2.0**-20
_MOST_BITS = 2048


def arithmetic(declared: Declared, format: str) -> EnvelopeArithmetic:
    """The error-bounding arithmetic that a declaration stands for."""
    return EnvelopeArithmetic(
        FORMATS[declared.compute],
        FORMATS[format],
        operands=FORMATS[declared.operands] if declared.operands else None,
        units={**UNITS, **declared.units},
        flush=declared.flush,
    )


def expect(
    case: Case,
    declared: Declared,
    policies: Mapping[str, Any] | None = None,
    observed: Mapping[str, Array] | None = None,
) -> list[Expected]:
    """The outputs that a conforming implementation may return.

    ``policies`` are conventions that the target declares for the layer; ``observed`` are tensors that only
    its outputs reveal, such as the mask that a dropout has drawn.
    """
    tensors, parameters = _asked(case, policies, observed)

    def outputs(algorithm: str | None) -> dict[str, Tensor]:
        return evaluate(case.layer, tensors, parameters, algorithm)

    return _expected(outputs, case.format, declared)


def expect_gradients(
    case: Case,
    declared: Declared,
    byproducts: Collection[int],
    policies: Mapping[str, Any] | None = None,
    observed: Mapping[str, Array] | None = None,
) -> list[Expected]:
    """The derivatives that a conforming implementation may return, towards the wanted tensors.

    Otherwise as ``expect``.
    """
    tensors, parameters = _asked(case, policies, observed)
    upstream = case.upstream
    assert upstream is not None, "the case asks for no derivatives"

    def cotangent(output: int, shape: tuple[int, ...]) -> Array | None:
        return None if output in byproducts else upstream.cotangent(output, shape, case.format)

    def outputs(algorithm: str | None) -> dict[str, Tensor]:
        return gradients(case.layer, tensors, parameters, upstream.wanted, cotangent, algorithm)

    derived = replace(declared, algorithm=declared.backward or declared.algorithm)
    return [replace(found, name=f"gradient of {found.name}") for found in _expected(outputs, case.format, derived)]


def _asked(
    case: Case, policies: Mapping[str, Any] | None, observed: Mapping[str, Array] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    return {**case.arrays(), **(observed or {})}, {**case.parameters, **(policies or {})}


def _expected(outputs: Callable[[str | None], dict[str, Tensor]], format: str, declared: Declared) -> list[Expected]:
    with arithmetic(declared, format) as envelope:
        bounds = {name: _read(output, format, name) for name, output in outputs(declared.algorithm).items()}
    if declared.compute != "float64":
        return list(bounds.values())
    return _sharpened(lambda: outputs(None), bounds, envelope.undecided)


def _read(output: Tensor, format: str, name: str) -> Expected:
    elements = output.elements()
    if elements and isinstance(elements[0], frozenset):
        nothing = np.zeros(output.shape)
        return Expected(name, output.shape, "int64", nothing, nothing, nothing, tuple(elements))
    centre = np.array(elements, dtype=np.float64).reshape(output.shape)
    bound = np.array([element.bound for element in elements], dtype=np.float64).reshape(output.shape)
    return Expected(name, output.shape, format, centre, np.zeros(output.shape), bound)


def _sharpened(
    exactly: Callable[[], dict[str, Tensor]], bounds: Mapping[str, Expected], undecided: bool
) -> list[Expected]:
    """The same bounds around the exact values: a binary64 centre is itself only as good as the target.

    Where a centre is no approximation of the truth, but the middle of a range (``undecided``), the bound reaches around
    both.
    """
    bits = 128
    while True:
        arithmetic = Exact(bits)
        with arithmetic:
            outputs = exactly()
            split = {
                name: [arithmetic.split(element) for element in outputs[name].elements()]
                for name, expected in bounds.items()
                if expected.choices is None
            }
        sharp = all(
            radius <= _SHARP * bound or not np.isfinite(bound)
            for name, parts in split.items()
            for (_, _, radius), bound in zip(parts, bounds[name].bound.ravel(), strict=True)
        )
        if sharp or bits >= _MOST_BITS:
            break
        bits *= 2
    return [_around(expected, split.get(name), undecided) for name, expected in bounds.items()]


def _around(expected: Expected, parts: list[tuple[float, float, float]] | None, undecided: bool) -> Expected:
    if parts is None:
        return expected
    high, low, _ = np.array(parts, dtype=np.float64).reshape(-1, 3).T.reshape(3, *expected.shape)
    bound = expected.bound + np.abs(high - expected.high) if undecided else expected.bound
    return replace(expected, high=high, low=low, bound=bound)

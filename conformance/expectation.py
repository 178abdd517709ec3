"""What is expected of a case: the truth from the formula, the permitted error from the same formula."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Expected
from oracle.accuracy import UNITS
from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate
from oracle.exact import Exact
from oracle.formats import FORMATS
from oracle.formulas import formula
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


def accepted(layer: str, policies: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a target's policies that the layer's formula knows."""
    known = inspect.signature(formula(layer)).parameters
    return {name: value for name, value in policies.items() if name in known}


def expect(
    case: Case,
    declared: Declared,
    policies: Mapping[str, Any] | None = None,
    observed: Mapping[str, Array] | None = None,
) -> list[Expected]:
    """The outputs that a conforming implementation may return.

    ``policies`` are conventions that the target declares; ``observed`` are tensors that only its outputs reveal, such as the mask
    that a dropout has drawn.
    """
    tensors = {**case.arrays(), **(observed or {})}
    parameters = {**case.parameters, **accepted(case.layer, policies or {})}
    with arithmetic(declared, case.format) as envelope:
        bounds = {
            name: _read(output, case.format, name, envelope)
            for name, output in evaluate(case.layer, tensors, parameters, declared.algorithm).items()
        }
    if declared.compute != "float64":
        return list(bounds.values())
    return _sharpened(case.layer, tensors, parameters, bounds)


def _read(output: Tensor, format: str, name: str, envelope: EnvelopeArithmetic) -> Expected:
    elements = output.elements()
    if elements and isinstance(elements[0], frozenset):
        nothing = np.zeros(output.shape)
        return Expected(name, output.shape, "int64", nothing, nothing, nothing, tuple(elements))
    centre = np.array(elements, dtype=np.float64).reshape(output.shape)
    bound = np.array([element.bound for element in elements], dtype=np.float64).reshape(output.shape)
    return Expected(name, output.shape, format, centre, np.zeros(output.shape), bound)


def _sharpened(
    layer: str, tensors: Mapping[str, Any], parameters: Mapping[str, Any], bounds: Mapping[str, Expected]
) -> list[Expected]:
    """The same bounds around the exact values: a binary64 centre is itself only as good as the target."""
    bits = 128
    while True:
        arithmetic = Exact(bits)
        with arithmetic:
            outputs = evaluate(layer, tensors, parameters)
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
    return [_around(expected, split.get(name)) for name, expected in bounds.items()]


def _around(expected: Expected, parts: list[tuple[float, float, float]] | None) -> Expected:
    if parts is None:
        return expected
    high, low, _ = np.array(parts, dtype=np.float64).reshape(-1, 3).T
    shape = expected.shape
    return Expected(expected.name, shape, expected.format, high.reshape(shape), low.reshape(shape), expected.bound)



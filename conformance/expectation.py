"""What is expected of a case: the truth from the formula, the permitted error from the same formula."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from conformance.case import Case
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Expected
from oracle.accuracy import UNITS
from oracle.envelope import Envelope, EnvelopeArithmetic
from oracle.evaluate import Algorithm, evaluate, gradients
from oracle.exact import Exact
from oracle.formats import FORMATS
from oracle.formulas import formula
from oracle.outcomes import Outcomes
from oracle.tensor import Choices, Tensor, key
from oracle.work import Work

Rules = TypeVar("Rules")

# For every output, the indices of some of its elements.
Places: TypeAlias = Sequence[Sequence[tuple[int, ...]]]

# Makes another formula from the right one.
Change: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

# A ball wider than this share of the permitted error is narrowed by computing with more bits.
_SHARP = 2.0**-20
_MOST_BITS = 2048


def arithmetic(declared: Declared, format: str) -> EnvelopeArithmetic:
    """The error-bounding arithmetic that a declaration stands for."""
    return _promised(EnvelopeArithmetic, declared, format)


def _promised(kind: Callable[..., Rules], declared: Declared, format: str) -> Rules:
    return kind(
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
    places: Places | None = None,
    change: Change | None = None,
) -> list[Expected]:
    """The outputs that a conforming implementation may return.

    ``policies`` are conventions that the target declares for the layer; ``observed`` are tensors that only
    its outputs reveal, such as the mask that a dropout has drawn. With ``places``, indices for every output, an output
    is the vector of these elements alone. ``change`` makes another formula from the right one.
    """
    tensors, parameters = _asked(case, policies, observed)

    def outputs(algorithm: str | None) -> dict[str, Tensor]:
        return _chosen(evaluate(case.layer, tensors, parameters, _used(case, algorithm, change)), places)

    return _expected(outputs, case.format, declared)


def expect_gradients(
    case: Case,
    declared: Declared,
    byproducts: Collection[int],
    policies: Mapping[str, Any] | None = None,
    observed: Mapping[str, Array] | None = None,
    places: Places | None = None,
    change: Change | None = None,
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
        wanted, sparse, used = upstream.wanted, places is not None, _used(case, algorithm, change)
        found = gradients(case.layer, tensors, parameters, wanted, cotangent, used, declared.scattered, sparse)
        return _chosen(found, places)

    declared = replace(declared, algorithm=declared.backward or declared.algorithm)
    found = _expected(outputs, case.format, declared, derived=True)
    return [replace(expected, name=f"gradient of {expected.name}") for expected in found]


def _chosen(outputs: dict[str, Tensor], places: Places | None) -> dict[str, Tensor]:
    """These elements of the outputs, as vectors."""
    if places is None:
        return outputs
    pairs = zip(outputs.items(), places, strict=True)
    return {name: _vector(output, those) for (name, output), those in pairs}


def _vector(output: Tensor, places: Sequence[tuple[int, ...]]) -> Tensor:
    kind = Choices if isinstance(output, Choices) else Tensor
    return kind([len(places)], lambda k: output[key(places[k])])


def affordable(
    case: Case,
    byproducts: Collection[int],
    policies: Mapping[str, Any] | None = None,
    observed: Mapping[str, Array] | None = None,
) -> tuple[dict[str, tuple[int, ...]], Callable[[Places, int, int], Places]]:
    """The shapes of what is to be judged by name, and ``within(places, work, fewest)``.

    That gives the first places of every output, at least the ``fewest``, that can be evaluated with so many terms of
    sums, of which places share what they have in common.
    """
    tensors, parameters = _asked(case, policies, observed)
    upstream = case.upstream
    if upstream is not None:
        wanted = [(name, case.tensors[name]) for name in upstream.wanted]
        shapes: dict[str, tuple[int, ...]] = {}
        for name, argument in wanted:
            if isinstance(argument, tuple):
                shapes |= {f"{name}[{k}]": leaf.shape for k, leaf in enumerate(argument)}
            elif argument is not None:
                shapes[name] = argument.shape
        # they cost what the outputs cost, however many are judged
        return shapes, lambda places, work, fewest: places
    arithmetic = Work()
    with arithmetic:
        outputs = evaluate(case.layer, tensors, parameters)

    def within(places: Places, work: int, fewest: int) -> Places:
        found = []
        with arithmetic:
            for output, those in zip(outputs.values(), places, strict=True):
                limit = arithmetic.spent + work // len(outputs)
                kept: list[tuple[int, ...]] = []
                for place in those:
                    if len(kept) >= fewest and arithmetic.spent > limit:
                        break
                    output[key(place)]
                    kept.append(place)
                found.append(kept)
        return found

    return {name: output.shape for name, output in outputs.items()}, within


def expect_outcomes(
    case: Case,
    declared: Declared,
    policies: Mapping[str, Any] | None = None,
    observed: Mapping[str, Array] | None = None,
    change: Change | None = None,
) -> dict[str, Tensor]:
    """The outputs by name, every element as the set of what a conforming implementation may return.

    Otherwise as ``expect``.
    """
    tensors, parameters = _asked(case, policies, observed)
    with _promised(Outcomes, declared, case.format):
        outputs = evaluate(case.layer, tensors, parameters, _used(case, declared.algorithm, change))
        for output in outputs.values():
            output.elements()  # while the arithmetic is in force
    return outputs


def _used(case: Case, algorithm: str | None, change: Change | None) -> Algorithm:
    return algorithm if change is None else change(formula(case.layer, algorithm))


def _asked(
    case: Case, policies: Mapping[str, Any] | None, observed: Mapping[str, Array] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    return {**case.arrays(), **(observed or {})}, {**case.parameters, **(policies or {})}


def _expected(
    outputs: Callable[[str | None], dict[str, Tensor]], format: str, declared: Declared, derived: bool = False
) -> list[Expected]:
    with arithmetic(declared, format) as envelope:
        bounds = {name: _read(output, format, name) for name, output in outputs(declared.algorithm).items()}
    if derived and envelope.overflowed:  # zero times infinity is NaN, unless it is left out: nothing is certain
        return [replace(e, high=np.zeros(e.shape), bound=np.full(e.shape, np.inf)) for e in bounds.values()]
    if declared.compute != "float64":
        return list(bounds.values())
    return _sharpened(lambda: outputs(None), bounds, envelope.undecided)


def _read(output: Tensor, format: str, name: str) -> Expected:
    elements = output.elements()
    if isinstance(output, Choices):
        nothing = np.zeros(output.shape)
        return Expected(name, output.shape, "int64", nothing, nothing, nothing, tuple(elements))
    centre = np.array(elements, dtype=np.float64).reshape(output.shape)
    bound = np.array(list(map(_permitted, elements)), dtype=np.float64).reshape(output.shape)
    return Expected(name, output.shape, format, centre, np.zeros(output.shape), bound)


def _permitted(element: Envelope) -> float:
    """The bound of an output; where it may have overflowed, that of the number it would be otherwise."""
    overflows = element.bound == np.inf and np.isfinite(element) and not np.isnan(element.reach)
    return element.reach if overflows else element.bound


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
    lost = np.isnan(high) & ~np.isnan(expected.high)  # in a ball that grew beyond all numbers: nothing is certain
    return replace(
        expected,
        high=np.where(lost, expected.high, high),
        low=np.where(lost, 0.0, low),
        bound=np.where(lost, np.inf, bound),
    )

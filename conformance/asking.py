"""Put a case to a target and read its answer."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from conformance.case import Case, Upstream
from conformance.layouts import PLAIN
from conformance.target import Target, Unsupported
from conformance.verdict import Actual, Status, Verdict

Answer = TypeVar("Answer")

# Seconds spent inside targets since the process began; a run reports the share of time that is not its own.
spent = {"target": 0.0}


def ask(target: Target, case: Case) -> list[Actual] | Verdict:
    """The outputs of the target, or the verdict that settles the case already: unsupported, or failed with a reason."""

    def call(function: Callable[..., Any], tensors: list[Any]) -> list[Actual]:
        return _read(target, _outputs(_timed(function, *tensors, **case.parameters)))

    return _asked(target, case, call)


def ask_gradients(
    target: Target, case: Case, constants: Collection[int]
) -> tuple[list[Actual], list[Actual | None]] | Verdict:
    """The outputs, and the derivatives towards the wanted tensors, None for none; or the verdict that settles the case.

    ``constants`` are the numbers of the outputs through which no derivative is taken.
    """
    upstream = case.upstream
    assert upstream is not None, "the case asks for no derivatives"

    def call(function: Callable[..., Any], tensors: list[Any]) -> tuple[list[Actual], list[Actual | None]]:
        names = list(case.tensors)
        places = [names.index(name) for name in upstream.wanted]
        leaves = [leaf for place in places for leaf in _leaves(tensors[place])]

        def of_leaves(*leaves: Any) -> Any:
            rest = iter(leaves)
            found = list(tensors)
            for place in places:
                whole = found[place]
                found[place] = tuple(next(rest) for _ in whole) if isinstance(whole, tuple) else next(rest)
            return _outputs(function(*found, **case.parameters))

        def cotangents(outputs: Sequence[Any]) -> list[Any]:
            return [None if k in constants else _cotangent(target, upstream, k, y) for k, y in enumerate(outputs)]

        outputs, gradients = _timed(target.vjp, of_leaves, leaves, cotangents)
        if len(gradients) != len(leaves):
            raise TypeMismatch(f"returned {len(gradients)} derivatives, expected {len(leaves)}")
        return _read(target, outputs), [None if g is None else Actual(*target.read(g)) for g in gradients]

    return _asked(target, case, call)


def _asked(target: Target, case: Case, call: Callable[[Callable[..., Any], list[Any]], Answer]) -> Answer | Verdict:
    function = target.layer(case.layer)
    if function is None:
        return Verdict(Status.UNSUPPORTED, reason=f"{target.name} has no {case.layer}")
    tensors = [_native(target, array, case.format, case.layout(name)) for name, array in case.arrays().items()]
    target.seed(zlib.crc32(repr(case).encode()))
    try:
        return call(function, tensors)
    except Unsupported as reason:
        return Verdict(Status.UNSUPPORTED, reason=str(reason))
    except TypeMismatch as error:
        return Verdict(Status.FAIL, float("inf"), str(error))
    except Exception as error:
        return Verdict(Status.FAIL, float("inf"), f"raised {type(error).__name__}: {error}")


class TypeMismatch(Exception):
    """The target returned what it cannot read."""


def _timed(function: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    begin = time.perf_counter()
    try:
        return function(*arguments, **parameters)
    finally:
        spent["target"] += time.perf_counter() - begin


def _outputs(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _read(target: Target, outputs: Sequence[Any]) -> list[Actual]:
    try:
        return [Actual(*target.read(output)) for output in outputs]
    except TypeError as error:
        raise TypeMismatch(str(error)) from error


def _cotangent(target: Target, upstream: Upstream, number: int, output: Any) -> Any:
    values, format = target.read(output)
    return _native(target, upstream.cotangent(number, values.shape, format), format, upstream.layout)


def _leaves(argument: Any) -> tuple[Any, ...]:
    return argument if isinstance(argument, tuple) else (argument,)


def _native(target: Target, argument: Any, format: str, layout: str) -> Any:
    if argument is None:
        return None
    if isinstance(argument, Sequence):
        return tuple(_native(target, array, format, layout) for array in argument)
    array = target.array(argument, format)
    return array if layout == PLAIN else target.arranged(array, layout)

"""Put a case to a target and read its answer.

What the layer function raises, or its derivative, fails the case. What the rest of the target raises passes through:
there is no answer to judge.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from conformance.case import Case, Upstream
from conformance.layouts import PLAIN
from conformance.target import Died, Target, Unsupported, one_line, said
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
) -> tuple[list[Actual], list[Actual]] | Verdict:
    """The outputs, and the derivatives towards the wanted tensors; or the verdict that settles the case.

    ``constants`` are the numbers of the outputs through which no derivative is taken. Where a target has none, the
    outputs do not depend on the tensor: it is zero.
    """
    upstream = case.upstream
    assert upstream is not None, "the case asks for no derivatives"

    def call(function: Callable[..., Any], tensors: list[Any]) -> tuple[list[Actual], list[Actual]]:
        names, given = case.names, list(case.arrays().values())
        places = [names.index(name) for name in upstream.wanted]
        leaves = [leaf for place in places for leaf in _leaves(tensors[place])]
        shapes = [leaf.shape for place in places for leaf in _leaves(given[place])]

        def of_leaves(*leaves: Any) -> Any:
            rest = iter(leaves)
            found = list(tensors)
            for place in places:
                whole = found[place]
                found[place] = tuple(next(rest) for _ in whole) if isinstance(whole, tuple) else next(rest)
            return _outputs(function(*found, **case.parameters))

        def cotangents(outputs: Sequence[Any]) -> list[Any]:
            try:
                return [None if k in constants else _cotangent(target, upstream, k, y) for k, y in enumerate(outputs)]
            except (Unsupported, _Settled):
                raise
            except Exception as error:
                raise _Aside(error) from error

        outputs, gradients = _timed(target.vjp, of_leaves, leaves, cotangents)
        if len(gradients) != len(leaves):
            raise _Settled(_failed(f"returned {len(gradients)} derivatives, expected {len(leaves)}"))
        nothing = [Actual(np.zeros(shape), case.format) for shape in shapes]
        found = [zero if g is None else _read(target, [g])[0] for g, zero in zip(gradients, nothing, strict=True)]
        return _read(target, outputs), found

    return _asked(target, case, call)


def _asked(target: Target, case: Case, call: Callable[[Callable[..., Any], list[Any]], Answer]) -> Answer | Verdict:
    function = target.layer(case.layer)
    if function is None:
        return Verdict(Status.UNSUPPORTED, reason=f"{target.name} has no {case.layer}")
    try:
        tensors = _tensors(target, case)
        target.seed(zlib.crc32(repr(case).encode()))
        return call(function, tensors)
    except Unsupported as reason:
        return Verdict(Status.UNSUPPORTED, reason=one_line(reason))
    except _Settled as settled:
        return settled.verdict
    except _Aside as aside:
        raise aside.error from None


def _tensors(target: Target, case: Case) -> list[Any]:
    """The library's own arrays. One array that is several tensors, as in self-attention, is one there too.

    But not where derivatives are taken, which would be those towards all of them.
    """
    found: list[Any] = []
    made: dict[tuple[int, str], Any] = {}
    for name, array in case.arrays().items():
        known = id(array), case.layout(name)
        if known not in made or case.upstream is not None:
            made[known] = _native(target, array, case.format, case.layout(name))
        found.append(made[known])
    return found


class _Settled(Exception):
    """There is nothing more to ask: the verdict is known."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class _Aside(Exception):
    """Keeps apart, on its way through ``vjp``, what the layer function did not raise."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _failed(reason: str, error: BaseException | None = None) -> Verdict:
    return Verdict(Status.FAIL, math.inf, reason, error=error, fault=reason)


def _timed(function: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    begin = time.perf_counter()
    try:
        return function(*arguments, **parameters)
    except (Unsupported, KeyboardInterrupt, Died, _Settled, _Aside):
        raise
    except BaseException as error:  # sys.exit and the outcomes of pytest are no way out either
        raise _Settled(_failed(f"raised {said(error)}", error)) from error
    finally:
        spent["target"] += time.perf_counter() - begin


def _outputs(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _read(target: Target, outputs: Sequence[Any]) -> list[Actual]:
    try:
        return [Actual(*target.read(output)) for output in outputs]
    except TypeError as error:
        raise _Settled(_failed(one_line(error))) from error


def _cotangent(target: Target, upstream: Upstream, number: int, output: Any) -> Any:
    (actual,) = _read(target, [output])
    cotangent = upstream.cotangent(number, actual.values.shape, actual.format)
    return _native(target, cotangent, actual.format, upstream.layout)


def _leaves(argument: Any) -> tuple[Any, ...]:
    return argument if isinstance(argument, tuple) else (argument,)


def _native(target: Target, argument: Any, format: str, layout: str) -> Any:
    if argument is None:
        return None
    if isinstance(argument, Sequence):
        return tuple(_native(target, array, format, layout) for array in argument)
    array = target.array(argument, format)
    return array if layout == PLAIN else target.arranged(array, layout)

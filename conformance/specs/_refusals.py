"""Slips that can be made in any call: a tensor or a parameter that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.strategies import Shape
from conformance.values import TensorArgument, Values


def with_parameters(call: Arguments, **parameters: Any) -> Arguments:
    """The call with other parameters."""
    return Arguments(call.tensors, {**call.parameters, **parameters})


def with_tensors(call: Arguments, **tensors: TensorArgument) -> Arguments:
    """The call with other tensors, in the same order."""
    return Arguments({**call.tensors, **tensors}, call.parameters)


def completed(call: Arguments, **shapes: Shape) -> Arguments:
    """The call with tensors of these shapes where it leaves them out."""
    absent = {name: Values(shape) for name, shape in shapes.items() if call.tensors[name] is None}
    return with_tensors(call, **absent)


def shape_of(call: Arguments, name: str) -> Shape:
    """The shape of one of its tensors."""
    found = call.tensors[name]
    assert found is not None
    assert not isinstance(found, tuple)
    return found.shape


def slip(call: Arguments, sentence: str, **parameters: Any) -> Refusal:
    """The call with parameters that must be refused."""
    return Refusal(sentence, with_parameters(call, **parameters), call)


def mis_sized(call: Arguments, name: str, axis: int = 0, *, broadcast: bool = False) -> Iterator[Refusal]:
    """One of its tensors one too long along an axis, one too short, and of a single element where there are more.

    ``broadcast``: a single element repeats itself, which is then no mistake.
    """
    side = shape_of(call, name)[axis]
    for how, size in {"one too long": side + 1, "one too short": side - 1, "a single one": 1}.items():
        known = how == "one too short" and size == 1  # as a single one
        if size >= 0 and size != side and not known and not (broadcast and 1 in (side, size)):
            yield Refusal(f"{name} is {how} along axis {axis}", _reshaped(call, name, axis, size), call)


def without_axes(call: Arguments, name: str, kept: int) -> Refusal:
    """One of its tensors with no more than its last axes."""
    found = call.tensors[name]
    assert isinstance(found, Values)
    shape = shape_of(call, name)
    wrong = with_tensors(call, **{name: replace(found, shape=shape[len(shape) - kept :])})
    return Refusal(f"{name} has too few dimensions", wrong, call)


def _reshaped(call: Arguments, name: str, axis: int, size: int) -> Arguments:
    found = call.tensors[name]
    assert isinstance(found, Values), f"{name} has no shape of its own"
    shape = list(found.shape)
    shape[axis] = size
    return with_tensors(call, **{name: replace(found, shape=tuple(shape))})

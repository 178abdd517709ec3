"""The golden fixtures: worked numbers of the document, corrected.

They are read from ``fixtures/``, which travels inside the wheel.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from conformance.case import Arguments
from conformance.values import Literal, TensorArgument

_HERE = Path(__file__).parent
DIRECTORY = _HERE / "fixtures" if (_HERE / "fixtures").is_dir() else _HERE.parent / "fixtures"


@dataclass(frozen=True)
class Reading:
    """One sensible reading of a worked number: a call of a layer, one of its outputs, and its exact elements."""

    example: str
    name: str
    layer: str
    arguments: Arguments
    output: str
    expected: tuple[str, ...]
    shape: tuple[int, ...]


@cache
def names() -> tuple[str, ...]:
    """The layers that have a fixture, in alphabetical order."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.toml")))


@cache
def fixture(layer: str) -> Mapping[str, Any]:
    """A layer's fixture as plain data. Raises ``KeyError`` for an unknown layer."""
    if layer not in names():
        raise KeyError(f"no fixture for {layer!r}; known: {', '.join(names())}")
    return tomllib.loads((DIRECTORY / f"{layer}.toml").read_text(encoding="utf-8"))


@cache
def readings(layer: str) -> tuple[Reading, ...]:
    """The readings in a layer's fixture that a layer computes, in the document's order."""
    return tuple(_read(layer))


def _read(layer: str) -> Iterator[Reading]:
    for example in fixture(layer).get("example", ()):
        for reading in example["reading"]:
            if "layer" not in reading or "inputs" not in reading:
                continue
            tensors = {name: _tensor(reading["layer"], name, value) for name, value in reading["inputs"].items()}
            parameters = {name: _parameter(value) for name, value in reading.get("parameters", {}).items()}
            expected = literal(reading["expected"])
            yield Reading(
                example["id"],
                reading["name"],
                reading["layer"],
                Arguments(tensors, parameters),
                reading["output"],
                tuple(map(str, expected.values)),
                expected.shape,
            )


def literal(nested: Any) -> Literal:
    """Nested lists as a tensor written out. Raises ``ValueError`` where they are ragged."""
    if not isinstance(nested, list):
        return Literal((), (nested,))
    parts = [literal(part) for part in nested]
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"ragged nested lists: rows of shapes {sorted({part.shape for part in parts})}")
    inner = parts[0].shape if parts else ()
    return Literal((len(parts), *inner), tuple(value for part in parts for value in part.values))


def _tensor(layer: str, name: str, value: Any) -> TensorArgument:
    if name == "weights":
        return tuple(_floating(literal(part)) for part in value)
    found = literal(value)
    stays = (layer, name) in _INTEGERS or any(isinstance(v, bool) for v in found.values)
    return found if stays else _floating(found)


# The tensors that hold indices: their numbers stay integers.
_INTEGERS = (("embedding", "input"),)


def _floating(tensor: Literal) -> Literal:
    return Literal(tensor.shape, tuple(str(value) for value in tensor.values))


def _parameter(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(_parameter, value))
    if isinstance(value, str):
        try:
            return float(Fraction(value))
        except ValueError:
            return value
    return value

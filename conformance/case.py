"""A case: one question to one layer. Frozen, prints as runnable Python, goes to JSON and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from conformance.layouts import PLAIN, readable
from conformance.values import Array, Indices, Literal, Recipe, Special, TensorArgument, Values, leaves

_RECIPES: dict[str, type[Recipe]] = {kind.__name__: kind for kind in (Values, Indices, Literal, Special)}


@dataclass(frozen=True)
class Arguments:
    """What a layer is called with: tensors in the formula's order, and keyword parameters."""

    tensors: Mapping[str, TensorArgument]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Upstream:
    """The vector of a vector–Jacobian product: an array for each output.

    ``wanted`` names the tensors whose derivatives are asked for.
    """

    wanted: tuple[str, ...]
    regime: str = "ramp"
    seed: int = 0
    layout: str = PLAIN

    def cotangent(self, output: int, shape: tuple[int, ...], format: str) -> Array:
        """The derivatives of some loss towards the output of this number."""
        return readable(Values(shape, self.regime, self.seed + output).array(format), self.layout)


@dataclass(frozen=True)
class Related:
    """The relation that computations with a layer must satisfy, by name, and a number on which they depend."""

    name: str
    number: int = 0


@dataclass(frozen=True)
class Case:
    """A layer, the storage format of its tensors, and its arguments.

    ``layouts`` names the tensors that do not lie contiguously in memory (a row of ``conformance.layouts``);
    ``upstream`` asks for derivatives; ``steps`` are the calls that follow this one;
    ``refusal`` says what is wrong with a call that must be refused; ``relation`` asks for more than one computation.
    """

    layer: str
    format: str
    tensors: Mapping[str, TensorArgument]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    layouts: Mapping[str, str] = field(default_factory=dict)
    upstream: Upstream | None = None
    steps: tuple[Case, ...] = ()
    refusal: str | None = None
    relation: Related | None = None

    def arrays(self) -> dict[str, Array | None | Sequence[Array]]:
        """The tensors as numpy arrays: binary64 numbers of the format, int64 indices, bool masks."""
        return {name: self._array(name, argument) for name, argument in self.tensors.items()}

    @property
    def names(self) -> list[str]:
        """The tensors, in the formula's order."""
        return list(self.tensors)

    @property
    def elements(self) -> int:
        """How many there are in the tensors."""
        return sum(math.prod(leaf.shape) for argument in self.tensors.values() for leaf in leaves(argument))

    def sides(self, name: str) -> tuple[int, ...]:
        """The shape of one of the tensors, () for one that is absent, or more than one array."""
        return tuple(getattr(self.tensors.get(name), "shape", ()))

    def layout(self, name: str) -> str:
        """The layout of a tensor."""
        return self.layouts.get(name, PLAIN)

    def slips(self, *sentences: str) -> bool:
        """Whether it must be refused because of one of these; the beginning of a sentence is enough."""
        return self.refusal is not None and self.refusal.startswith(sentences)

    def relates(self, name: str) -> bool:
        """Whether this relation is asked for."""
        return self.relation is not None and self.relation.name == name

    def is_finite(self, name: str) -> bool:
        """Whether neither infinities nor NaN are among the numbers of a tensor."""
        array: Any = self.arrays()[name]
        return bool(np.isfinite(array).all())

    def _array(self, name: str, argument: TensorArgument) -> Array | None | Sequence[Array]:
        if argument is None:
            return None
        if isinstance(argument, tuple):
            return tuple(readable(recipe.array(self.format), self.layout(name)) for recipe in argument)
        return readable(argument.array(self.format), self.layout(name))

    def to_json(self) -> dict[str, Any]:
        """Plain data that JSON can hold: infinities and NaN among the parameters as strings."""
        return {
            "layer": self.layer,
            "format": self.format,
            "tensors": {name: _packed(argument) for name, argument in self.tensors.items()},
            "parameters": {name: json_number(value) for name, value in self.parameters.items()},
            "layouts": dict(self.layouts),
            "upstream": self.upstream and asdict(self.upstream),
            "steps": [step.to_json() for step in self.steps],
            "refusal": self.refusal,
            "relation": self.relation and asdict(self.relation),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        """The case that ``to_json`` packed. Raises ``KeyError`` where a field is missing or a recipe unknown."""
        return cls(
            data["layer"],
            data["format"],
            {name: _unpacked(packed) for name, packed in data["tensors"].items()},
            {name: _parameter(_frozen(value)) for name, value in data["parameters"].items()},
            dict(data["layouts"]),
            data["upstream"] and Upstream(**{name: _frozen(value) for name, value in data["upstream"].items()}),
            tuple(map(cls.from_json, data["steps"])),
            data["refusal"],
            data["relation"] and Related(**data["relation"]),
        )


def _packed(argument: TensorArgument) -> Any:
    if argument is None:
        return None
    if isinstance(argument, tuple):
        return [_packed(recipe) for recipe in argument]
    found = {entry.name: getattr(argument, entry.name) for entry in fields(argument)}
    packed = {name: _packed(value) if isinstance(value, Recipe) else value for name, value in found.items()}
    return {"recipe": type(argument).__name__, **packed}


def _unpacked(packed: Any) -> Any:
    if packed is None:
        return None
    if isinstance(packed, list):
        return tuple(map(_unpacked, packed))
    found = {
        name: _unpacked(value) if isinstance(value, dict) else _frozen(value)
        for name, value in packed.items()
        if name != "recipe"
    }
    return _RECIPES[packed["recipe"]](**found)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


_SPECIAL = ("inf", "-inf", "nan")


def json_number(value: Any) -> Any:
    """A parameter as JSON can hold it: infinities and NaN as strings."""
    if isinstance(value, (tuple, list)):
        return list(map(json_number, value))
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _parameter(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_parameter, value))
    return float(value) if value in _SPECIAL else value

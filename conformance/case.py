"""A case: one question to one layer. Frozen, prints as runnable Python, goes to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.values import Array, Indices, Literal, Recipe, TensorArgument, Values, arrays_of

_RECIPES: dict[str, type[Recipe]] = {kind.__name__: kind for kind in (Values, Indices, Literal)}


@dataclass(frozen=True)
class Arguments:
    """What a layer is called with: tensors in the formula's order, and keyword parameters."""

    tensors: Mapping[str, TensorArgument]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A layer, the storage format of its tensors, and its arguments."""

    layer: str
    format: str
    tensors: Mapping[str, TensorArgument]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def arrays(self) -> dict[str, Array | None | Sequence[Array]]:
        """The tensors as numpy arrays: binary64 numbers of the format, int64 indices, bool masks."""
        return {name: arrays_of(argument, self.format) for name, argument in self.tensors.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``json`` can write."""
        return {
            "layer": self.layer,
            "format": self.format,
            "tensors": {name: _packed(argument) for name, argument in self.tensors.items()},
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        """The case that ``to_json`` packed. Raises ``KeyError`` where a field is missing or a recipe unknown."""
        return cls(
            data["layer"],
            data["format"],
            {name: _unpacked(packed) for name, packed in data["tensors"].items()},
            {name: _frozen(value) for name, value in data["parameters"].items()},
        )


def _packed(argument: TensorArgument) -> Any:
    if argument is None:
        return None
    if isinstance(argument, tuple):
        return [_packed(recipe) for recipe in argument]
    return {"recipe": type(argument).__name__, **asdict(argument)}


def _unpacked(packed: Any) -> Any:
    if packed is None:
        return None
    if isinstance(packed, list):
        return tuple(map(_unpacked, packed))
    fields = {name: _frozen(value) for name, value in packed.items() if name != "recipe"}
    return _RECIPES[packed["recipe"]](**fields)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

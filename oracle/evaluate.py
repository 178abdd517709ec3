"""Evaluate a formula on arrays, in the arithmetic in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from oracle.formulas import formula
from oracle.scalar import current
from oracle.tensor import Tensor, given


class Array(Protocol):
    """What an argument must offer; numpy arrays do."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def ravel(self) -> Any: ...


Argument = Array | None | Sequence[Array]


def lifted(array: Array) -> Tensor:
    """The array as a tensor of scalars; integers and booleans (indices, masks) stay what they are."""
    values: list[Any] = array.ravel().tolist()
    if values and isinstance(values[0], float):
        lift = current().lift
        values = [lift(value) for value in values]
    return given(array.shape, values)


def evaluate(
    layer: str, tensors: Mapping[str, Argument], parameters: Mapping[str, Any], algorithm: str | None = None
) -> dict[str, Tensor]:
    """The outputs of a layer by name, lazily: elements are computed when they are read, with the arithmetic still in force.

    ``tensors`` maps the formula's arguments to arrays, None, or sequences of arrays; ``algorithm`` names another order of
    operations that the formula's file offers. Raises ``KeyError`` for an unknown layer or algorithm.
    """
    arguments: dict[str, Any] = {}
    for name, argument in tensors.items():
        if argument is None:
            arguments[name] = None
        elif isinstance(argument, (tuple, list)):
            arguments[name] = tuple(map(lifted, argument))
        else:
            arguments[name] = lifted(argument)  # type: ignore[arg-type]
    result = formula(layer, algorithm)(**arguments, **parameters)
    return result if isinstance(result, dict) and not isinstance(result, Tensor) else {"output": result}

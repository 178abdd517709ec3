"""Evaluate a formula on arrays, in the arithmetic in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from oracle.formulas import formula
from oracle.reverse import Reverse
from oracle.scalar import Differentiable, current
from oracle.tensor import Tensor, given, key


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
    """The outputs of a layer by name, lazily: elements are computed when read, with the arithmetic still in force.

    ``tensors`` maps the formula's arguments to arrays, None, or sequences of arrays; ``algorithm`` names another order
    of operations that the formula's file offers. Raises ``KeyError`` for an unknown layer or algorithm.
    """
    return _applied(layer, _arguments(tensors), parameters, algorithm)


def gradients(
    layer: str,
    tensors: Mapping[str, Argument],
    parameters: Mapping[str, Any],
    wanted: Sequence[str],
    cotangent: Callable[[int, tuple[int, ...]], Array | None],
    algorithm: str | None = None,
) -> dict[str, Tensor]:
    """The derivatives of Σ output · cotangent towards the tensors ``wanted``, by name, with the arithmetic in force.

    ``cotangent(k, shape)`` gives the cotangent of the output number k, or None for an output that does not count. The
    derivatives towards a tuple of tensors are named ``name[0]``, ``name[1]``, … Otherwise as ``evaluate``.
    """
    base = current()
    assert isinstance(base, Differentiable), f"{base.name} takes no derivatives"
    with Reverse(base) as reverse:
        arguments = _arguments(tensors)
        seeds = []
        for number, output in enumerate(_applied(layer, arguments, parameters, algorithm).values()):
            factors = cotangent(number, output.shape)
            if factors is not None:
                pairs = zip(output.indices(), factors.ravel().tolist(), strict=True)
                seeds += [(output[key(index)], base.lift(factor)) for index, factor in pairs]
        leaves = _leaves(wanted, arguments)
        nodes = [node for leaf in leaves.values() for node in leaf.elements()]
        adjoints = iter(reverse.gradient(seeds, nodes))
        return {
            name: given(leaf.shape, [base.stored(next(adjoints)) for _ in leaf.indices()])
            for name, leaf in leaves.items()
        }


def _leaves(wanted: Sequence[str], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    leaves: dict[str, Tensor] = {}
    for name in wanted:
        argument = arguments[name]
        if isinstance(argument, tuple):
            leaves |= {f"{name}[{k}]": part for k, part in enumerate(argument)}
        else:
            leaves[name] = argument
    return leaves


def _arguments(tensors: Mapping[str, Argument]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, argument in tensors.items():
        if argument is None:
            arguments[name] = None
        elif isinstance(argument, (tuple, list)):
            arguments[name] = tuple(map(lifted, argument))
        else:
            arguments[name] = lifted(argument)  # type: ignore[arg-type]
    return arguments


def _applied(
    layer: str, arguments: Mapping[str, Any], parameters: Mapping[str, Any], algorithm: str | None
) -> dict[str, Tensor]:
    result = formula(layer, algorithm)(**arguments, **parameters)
    return result if isinstance(result, dict) and not isinstance(result, Tensor) else {"output": result}

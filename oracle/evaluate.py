"""Evaluate a formula on arrays, in the arithmetic in force."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod
from typing import Any, Protocol

from oracle.formulas import formula
from oracle.reverse import Reverse
from oracle.scalar import Differentiable, Scalar, current
from oracle.tensor import Tensor, given, indices, key


class Array(Protocol):
    """What an argument must offer; numpy arrays do."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def ravel(self) -> Any: ...

    def nonzero(self) -> Any: ...

    def __getitem__(self, place: Any) -> Any: ...


Argument = Array | None | Sequence[Array]
Algorithm = str | Callable[..., Any] | None

# Elements of an array from which on only those are looked at that are needed.
_MANY = 4096


class _Lifted(Tensor):
    """The elements of an array, each lifted when it is read, rows at once."""

    __slots__ = ("_array", "_lift")

    def __init__(self, array: Array, lift: Callable[[Any], Scalar]) -> None:
        numbers = memoryview(array)  # type: ignore[arg-type] # whose elements are Python's numbers
        super().__init__(array.shape, lambda *index: lift(numbers[index]))
        self._array = array
        self._lift = lift

    def _row(self, begin: tuple[int, ...]) -> list[Scalar]:
        rest = itertools.product(*map(range, self.shape[len(begin) :]))
        values = map(self._lift, self._array[begin].ravel().tolist())
        # a row holds the very scalars that are read one by one: derivatives go to them
        return [self.setdefault(key((*begin, *end)), value) for end, value in zip(rest, values, strict=True)]


def lifted(array: Array) -> Tensor:
    """The array as a tensor of scalars; integers and booleans (indices, masks) stay what they are."""
    if prod(array.shape) > _MANY:
        numeric = isinstance(array.ravel()[0].item(), float)
        return _Lifted(array, current().lift if numeric else lambda value: value)
    values: list[Any] = array.ravel().tolist()
    if values and isinstance(values[0], float):
        lift = current().lift
        values = [lift(value) for value in values]
    return given(array.shape, values)


def evaluate(
    layer: str, tensors: Mapping[str, Argument], parameters: Mapping[str, Any], algorithm: Algorithm = None
) -> dict[str, Tensor]:
    """The outputs of a layer by name, lazily: elements are computed when read, with the arithmetic still in force.

    ``tensors`` maps the formula's arguments to arrays, None, or sequences of arrays; ``algorithm`` names another order
    of operations that the formula's file offers, or is a formula itself. Raises ``KeyError`` for an unknown layer or
    algorithm.
    """
    return _applied(layer, _arguments(tensors), parameters, algorithm)


def gradients(
    layer: str,
    tensors: Mapping[str, Argument],
    parameters: Mapping[str, Any],
    wanted: Sequence[str],
    cotangent: Callable[[int, tuple[int, ...]], Array | None],
    algorithm: Algorithm = None,
    scattered: Collection[str] = (),
    sparse: bool = False,
) -> dict[str, Tensor]:
    """The derivatives of Σ output · cotangent towards the tensors ``wanted``, by name, with the arithmetic in force.

    ``cotangent(k, shape)`` gives the cotangent of the output number k, or None for an output that does not count. The
    derivatives towards a tuple of tensors are named ``name[0]``, ``name[1]``, … Contributions to the derivatives
    towards ``scattered`` tensors are added up in the storage format. ``sparse``: outputs whose cotangent is zero do not
    count, even where they are not finite. Otherwise as ``evaluate``.
    """
    base = current()
    assert isinstance(base, Differentiable), f"{base.name} takes no derivatives"
    with Reverse(base) as reverse:
        arguments = _arguments(tensors)
        seeds = []
        for number, output in enumerate(_applied(layer, arguments, parameters, algorithm).values()):
            factors = cotangent(number, output.shape)
            if factors is not None:
                seeds += [(output[key(index)], base.lift(factor)) for index, factor in _counting(factors, sparse)]
        leaves = _leaves(wanted, arguments)
        places = [(name, place) for name, leaf in leaves.items() for place in _read(leaf)]
        nodes = [leaves[name][place] for name, place in places]
        apart = [leaf[place] for leaf in _leaves(scattered, arguments).values() if leaf for place in _read(leaf)]
        adjoints = dict(zip(places, reverse.gradient(seeds, nodes, apart), strict=True))
    zero = base.lift(0.0)  # towards an element that was not read

    def derivatives(name: str) -> Tensor:
        return Tensor(leaves[name].shape, lambda *index: base.stored(adjoints.get((name, key(index)), zero)))

    return {name: derivatives(name) for name in leaves}


def _counting(factors: Array, sparse: bool) -> Iterator[tuple[tuple[int, ...], float]]:
    """The factors with their indices; if ``sparse``, those that are not zero."""
    if not sparse or not factors.shape:
        return zip(indices(factors.shape), factors.ravel().tolist(), strict=True)
    places = zip(*(axis.tolist() for axis in factors.nonzero()), strict=True)
    return ((place, factors[place].item()) for place in places)


def _read(leaf: Tensor) -> list[Any]:
    """The indices of the elements that have been read."""
    return [place for place, value in leaf.items() if not isinstance(value, list)]


def _leaves(wanted: Collection[str], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
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
    layer: str, arguments: Mapping[str, Any], parameters: Mapping[str, Any], algorithm: Algorithm
) -> dict[str, Tensor]:
    used = algorithm if callable(algorithm) else formula(layer, algorithm)
    return named(used(**arguments, **parameters))


def named(result: Any) -> dict[str, Tensor]:
    """What a formula returns, by name: a single tensor is the output."""
    return result if isinstance(result, dict) and not isinstance(result, Tensor) else {"output": result}

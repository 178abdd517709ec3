"""Tensors as functions of an index, evaluated lazily and remembered.

``tensor(shape, at)`` is the tensor whose element at ``(i, j, …)`` is ``at(i, j, …)``. ``x[i, j]`` reads one element and
``x[i, ...]`` the list of all elements whose index begins with ``i``, in row-major order; both are computed once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oracle.scalar import Scalar, stored

Index = int | tuple[int, ...]


class Tensor(dict[object, Scalar]):
    """A lazy tensor. The dictionary underneath holds what has been evaluated so far."""

    __slots__ = ("_at", "shape")

    def __init__(self, shape: Sequence[int], at: Callable[..., Scalar]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self._at = at

    def __missing__(self, index: Any) -> Scalar:
        place = index if type(index) is tuple else (index,)
        value: Scalar
        if place and place[-1] is ...:
            value = self._row(place[:-1])
        else:
            if len(place) != len(self.shape):
                raise IndexError(f"index {place} of a tensor of shape {self.shape}")
            for i, side in zip(place, self.shape):  # noqa: B905 - as many, and every element comes by here
                if not 0 <= i < side:
                    raise IndexError(f"index {place} of a tensor of shape {self.shape}")
            value = self._at(*place)
        self[index] = value
        return value

    def _row(self, begin: tuple[int, ...]) -> list[Scalar]:
        """All elements whose index begins so."""
        rest = itertools.product(*map(range, self.shape[len(begin) :]))
        return [self[key((*begin, *end))] for end in rest]

    @property
    def rank(self) -> int:
        return len(self.shape)

    def indices(self) -> Iterator[tuple[int, ...]]:
        """All indices in row-major order."""
        return indices(self.shape)

    def elements(self) -> list[Scalar]:
        """All elements in row-major order."""
        found: list[Scalar] = self[...]
        return found

    def part(self, i: int) -> Tensor:
        """The tensor of all elements whose index begins so."""
        return Tensor(self.shape[1:], lambda *rest: self[key((i, *rest))])

    def transposed(self, *axes: int) -> Tensor:
        """The tensor whose axis ``k`` is this one's axis ``axes[k]``."""

        def at(*index: int) -> Scalar:
            place = [0] * len(axes)
            for axis, i in zip(axes, index, strict=True):
                place[axis] = i
            return self[key(tuple(place))]

        return Tensor([self.shape[axis] for axis in axes], at)

    def swapped(self, first: int, second: int) -> Tensor:
        """The tensor with two axes exchanged."""
        axes = list(range(self.rank))
        axes[first], axes[second] = axes[second], axes[first]
        return self.transposed(*axes)


class Choices(Tensor):
    """A tensor of integers: each element is the set of those that are right."""

    __slots__ = ()


def key(index: tuple[int, ...]) -> Index:
    """An index as a tensor takes it: a tensor of one dimension by a plain integer."""
    return index[0] if len(index) == 1 else index


def tensor(shape: Sequence[int], at: Callable[..., Scalar]) -> Tensor:
    """The tensor of this shape whose element at an index is ``at(*index)``."""
    return Tensor(shape, at)


def given(shape: Sequence[int], values: Sequence[Scalar]) -> Tensor:
    """The tensor of this shape with these elements in row-major order."""
    found = Tensor(shape, _absent)
    found.update(zip(map(key, indices(shape)), values, strict=True))
    return found


def _absent(*index: int) -> Scalar:
    raise AssertionError(f"a given tensor lacks its element at {index}")


def indices(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All indices of a shape in row-major order."""
    return itertools.product(*map(range, shape))


def rounded(x: Tensor) -> Tensor:
    """Every element where an implementation step by step may store it; a fused one does not."""
    return tensor(x.shape, lambda *index: stored(x[key(index)]))

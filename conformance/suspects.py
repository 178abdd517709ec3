"""Which elements of a large output to judge. Pure functions of arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.random import RandomState

from conformance.values import Array

Index = tuple[int, ...]

MOST = 48
_DEVIATING = 8  # elements by each way of comparing
_ODD = 2  # elements for each way of looking stale or unwritten
# Tiles of kernels, and 2^16, where short indices and grids of blocks end.
_TILES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 2**16)


def suspects(actual: Array, reference: Array | None, seed: int) -> list[Index]:
    """Elements that are likely to be wrong, the likeliest first: all of a small output, else up to ``MOST``.

    They deviate most from the ``reference`` (another answer to the same question, None for none), lie in corners and at
    borders of tiles, look stale or unwritten, or are chosen at random.
    """
    shape = actual.shape
    if actual.size <= MOST:
        return list(np.ndindex(shape))
    random = RandomState(seed)
    kinds = [_deviating(actual, reference), _bordering(shape, random), _odd(actual, random), _anywhere(shape, random)]
    found: dict[Index, None] = {}
    for turn in itertools.zip_longest(*kinds):
        found |= dict.fromkeys(place for place in turn if place is not None)
        if len(found) >= MOST:
            break
    return list(found)[:MOST]


def _deviating(actual: Array, reference: Array | None) -> Iterator[Index]:
    """The largest deviations, and the largest in proportion; the largest values, which may be wrong in any format."""
    measures = [np.abs(actual.ravel().astype(np.float64))]
    if reference is not None and reference.shape == actual.shape:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            error = np.where(actual == reference, 0.0, np.abs(actual - reference)).ravel().astype(np.float64)
            error[np.isnan(actual.ravel()) & np.isnan(reference.ravel())] = 0.0
            error[np.isnan(error)] = np.inf
            relative = error / np.abs(reference.ravel())
        measures = [error, np.where(error == 0.0, 0.0, relative), *measures]
    for found in itertools.zip_longest(*(_largest(measure) for measure in measures)):
        for place in found:
            if place is not None:
                yield _index(place, actual.shape)


def _largest(measure: Array) -> Iterator[int]:
    top = np.argpartition(-measure, _DEVIATING)[:_DEVIATING]
    return (int(place) for place in top[np.argsort(-measure[top], kind="stable")] if measure[place] > 0.0)


def _bordering(shape: Index, random: RandomState) -> Iterator[Index]:
    """The ends of every axis, each with other places anywhere, then places near borders of tiles."""
    yield tuple(side - 1 for side in shape)
    for axis in np.argsort(shape)[::-1]:
        for end in (shape[axis] - 1, 0):
            place = [int(random.randint(side)) for side in shape]
            place[axis] = end
            yield tuple(place)
    borders = [_borders(side) for side in shape]
    while True:
        sides = zip(borders, shape, strict=True)
        yield tuple(int(random.choice(near)) if random.randint(4) else int(random.randint(s)) for near, s in sides)


def _borders(side: int) -> list[int]:
    near = {0, side - 1}
    for tile in _TILES:
        last = (side - 1) // tile * tile  # where the last tile begins, whole or not
        near |= {place for border in (tile, last) for place in (border - 1, border, border + 1) if 0 <= place < side}
    return sorted(near)


def _odd(actual: Array, random: RandomState) -> Iterator[Index]:
    """Elements that are zero or NaN, or are not zero, or are a copy of their neighbour or of an earlier tile."""
    masks = [actual == 0, actual != 0, np.isnan(actual)]
    for axis, side in enumerate(actual.shape):
        masks += [_repeated(actual, axis, step) for step in (1, 64, 2**16) if step < side]
    for mask in masks:
        places = np.flatnonzero(mask)
        for _ in range(min(_ODD, places.size)):
            yield _index(int(places[random.randint(places.size)]), actual.shape)


def _repeated(actual: Array, axis: int, step: int) -> Array:
    found = np.zeros(actual.shape, dtype=bool)
    along = np.moveaxis(found, axis, 0)
    values = np.moveaxis(actual, axis, 0)
    along[step:] = values[step:] == values[:-step]
    return found


def _anywhere(shape: Index, random: RandomState) -> Iterator[Index]:
    while True:
        yield tuple(int(random.randint(side)) for side in shape)


def _index(place: int, shape: Index) -> Index:
    return tuple(int(i) for i in np.unravel_index(place, shape))

"""Calls whose results are long sums, on Gaussian data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.case import Arguments
from conformance.strategies import Shape, call
from conformance.values import Values

# Terms of all sums of a call, where they are read one by one.
_MOST_TERMS = 2**17


def affordable(length: int, samples: int) -> int:
    """Fewer samples where sums over windows would take too long to look at."""
    return min(samples, _MOST_TERMS // length)


def gaussian(shapes: Mapping[str, Shape | None], seed: int, **parameters: Any) -> Arguments:
    """Independent Gaussian tensors of these shapes, None for those left out."""
    # the cotangents of a case use the seed itself and those after it
    tensors = {
        name: None if shape is None else Values(shape, "gaussian", 1000 + 100 * seed + k)
        for k, (name, shape) in enumerate(shapes.items())
    }
    return call(tensors, **parameters)

"""Calls that reduce over any number of elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conformance.case import Arguments
from conformance.strategies import Shape, call
from conformance.values import Values

Widths = Callable[[int, int], Arguments]

# Rows, or samples, of which a kernel may serve the first alone.
ROWS = 2


def over(shapes: Callable[[int], Mapping[str, Shape | None]], *hard: str, **parameters: Any) -> Widths:
    """Calls with tensors of the shapes for a width: Gaussian, or small integers, where a sum must be exact.

    A third of all are in the regime ``hard`` of the layer, if it has one.
    """
    return reduced(shapes, lambda width: parameters, *hard)


def reduced(
    shapes: Callable[[int], Mapping[str, Shape | None]], parameters: Callable[[int], Mapping[str, Any]], *hard: str
) -> Widths:
    """The same where the parameters depend on the width."""

    def arguments(width: int, seed: int) -> Arguments:
        regime = ("integers", "gaussian", *(hard or ("gaussian",)))[seed % 3]
        tensors = {
            name: None if shape is None else Values(shape, regime, 100 * seed + k)
            for k, (name, shape) in enumerate(shapes(width).items())
        }
        return call(tensors, **parameters(width))

    return arguments

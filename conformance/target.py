"""The protocol of a target: an implementation under test.

A target is a ``Target`` subclass, or a plain module with functions named like the layers. A layer function takes its tensors
positionally, in the order of the formula, as the library's own arrays, and its parameters by keyword; it returns an array,
or a tuple of arrays where the layer has several outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from conformance.case import Case


class Unsupported(Exception):
    """Raised by a layer function for parameters that the library does not offer; the message says which."""


class Unavailable(Exception):
    """Raised when a target cannot run here; the message says what is missing and how to get it."""


@dataclass(frozen=True)
class Declared:
    """The arithmetic that a target promises for one layer and format.

    ``compute`` names the format in which it computes; ``operands`` the format to which factors of products are rounded first;
    ``units`` the accuracy of elementary functions, in units of u, where it differs from the standard table; ``flush`` says that
    subnormal results may become zero; ``algorithm`` names an alternative order of operations that the formula's file offers.
    """

    compute: str
    operands: str | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    flush: bool = False
    algorithm: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Deviation:
    """A known failure: the cases it concerns, why it happens, and where to read about it or reproduce it."""

    layer: str
    reason: str
    reproducer: str
    concerns: Callable[[Case], bool] = lambda case: True
    link: str = ""


class Target:
    """The defaults: numpy arrays in float64 and float32, computed in their own format."""

    name = "target"
    description = ""
    formats: tuple[str, ...] = ("float64", "float32")
    policies: Mapping[str, Any] = {}
    known: tuple[Deviation, ...] = ()

    def array(self, values: NDArray[Any], format: str) -> Any:
        """The library's own array. ``values`` are binary64 numbers of ``format``, or int64, or bool, which keep their kind."""
        return values.astype(format) if values.dtype == np.float64 else values.copy()

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        """The array's values (binary64, int64 or bool) and the name of its format. Raises ``TypeError`` for another type."""
        if not isinstance(array, (np.ndarray, np.generic)):
            raise TypeError(f"returned {type(array).__name__}, expected a numpy array")
        values = np.asarray(array)
        return (values.astype(np.float64) if values.dtype.kind == "f" else values), values.dtype.name

    def layer(self, name: str) -> Callable[..., Any] | None:
        """The function for a layer, or None where the library has none."""
        found: Callable[..., Any] | None = getattr(self, name, None)
        return found

    def declared(self, layer: str, format: str) -> Declared:
        """The promised arithmetic: by default the storage format itself, and float32 for narrower ones."""
        return Declared(compute=format if format in ("float64", "float32") else "float32")

    def seed(self, seed: int) -> None:
        """Make what is random in the next call depend on ``seed`` alone."""

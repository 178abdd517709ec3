"""The formulas.

The directory is the registry: the file ``NAME.py`` holds the function ``NAME``, the formula of the layer NAME.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def names() -> tuple[str, ...]:
    """The layers that have a formula, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


@cache
def formula(layer: str, algorithm: str | None = None) -> Callable[..., Any]:
    """The formula of a layer, or another order of its operations by name, equal in exact arithmetic.

    Raises ``KeyError`` for an unknown name.
    """
    if layer not in names():
        raise KeyError(f"unknown layer {layer!r}; known: {', '.join(names())}")
    file = importlib.import_module(f"{__name__}.{layer}")
    found: Callable[..., Any] | None = getattr(file, algorithm or layer, None)
    if found is None:
        raise KeyError(f"the formula {layer!r} has no algorithm {algorithm!r}")
    return found

"""The orders of operations that formulas offer beside the documented one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from types import FunctionType

from oracle.formulas import formula


def orders(layer: str) -> Iterator[str]:
    """The functions of a formula's file, by name, that take all that the formula takes."""
    file = import_module(f"oracle.formulas.{layer}")
    for name, found in vars(file).items():
        own = isinstance(found, partial) or (isinstance(found, FunctionType) and found.__module__ == file.__name__)
        other = own and name not in (layer, "written") and not name.startswith("_") and "mutmut" not in name
        if other and _takes(found, inspect.signature(formula(layer)).parameters):
            yield name


def _takes(function: Callable[..., object], wanted: Iterable[str]) -> bool:
    taken = inspect.signature(function).parameters
    return set(wanted) <= set(taken) or any(x.kind is inspect.Parameter.VAR_KEYWORD for x in taken.values())

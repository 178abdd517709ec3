"""Implementations of layers to measure by: honest ones, which every suite should accept, and broken ones.

The directory is the registry: every file offers the implementations of one family. Honest are different ways to compute
what the formula says. Each broken one has one defect that some library has had, under the same circumstances, and
links to the report of it. None of them is made from the formulas or the mistakes of the suite.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Implementation:
    """A function that stands for a layer, with the signature that the torch target's has.

    ``sentence`` says what it does, or under which circumstances it does what instead; ``link`` where the defect has
    been reported; ``formats`` those in which it can be asked. What is ``declared`` are fields of
    ``conformance.target.Declared``, as any target declares them: where it is empty, the formula's own operations.
    """

    layer: str
    name: str
    sentence: str
    link: str
    function: Function
    formats: tuple[str, ...]
    honest: bool
    declared: Mapping[str, Any] = field(default_factory=dict)


_REGISTRY: list[Implementation] = []


def broken(
    layer: str, sentence: str, link: str, formats: Sequence[str] = ("float32", "float64")
) -> Callable[[Function], Function]:
    """Registers a function as an implementation of the layer that has this defect, where nothing else is known of it in
    the formats that libraries have everywhere.
    """
    return _registered(layer, sentence, link, formats, honest=False)


def honest(
    layer: str, sentence: str, formats: Sequence[str] = ("float32",), **declared: Any
) -> Callable[[Function], Function]:
    """Registers a function as an implementation of the layer that is right, in the arithmetic that it declares."""
    return _registered(layer, sentence, "", formats, honest=True, declared=declared)


def _registered(
    layer: str, sentence: str, link: str, formats: Sequence[str], **kind: Any
) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        name = function.__name__
        _REGISTRY.append(Implementation(layer, name, sentence, link, function, tuple(formats), **kind))
        return function

    return register


def collect() -> list[Implementation]:
    """All implementations, by layer and name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(_REGISTRY, key=lambda each: (each.layer, not each.honest, each.name))

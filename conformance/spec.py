"""Specs: what may be asked of a layer.

The directory ``specs`` is the registry: the file ``NAME.py`` holds the spec of the layer NAME.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments, Case
from conformance.law import Law
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Actual


@dataclass(frozen=True)
class Spec:
    """What may be asked of one layer.

    ``source`` says where the layer is specified; ``arguments`` draws calls; ``observed`` finds in the outputs of a
    random layer the tensors that it has drawn itself, such as a dropout mask. ``law`` gives for a call the laws of
    random outputs by name, and ``samples`` draws calls large enough to test them, where those of ``arguments`` are not.
    Derivatives are taken towards all floating-point tensors but the ``constants``, and through all outputs but the
    ``byproducts``, by number, for calls that ``differentiable`` draws, where that is not every call.
    """

    source: str
    arguments: SearchStrategy[Arguments]
    observed: Callable[[Case, list[Actual]], Mapping[str, Array]] | None = None
    law: Callable[[Case, Declared], Mapping[str, Law]] | None = None
    samples: SearchStrategy[Arguments] | None = None
    constants: frozenset[str] = frozenset()
    byproducts: frozenset[int] = frozenset()
    differentiable: SearchStrategy[Arguments] | None = None


@cache
def names() -> tuple[str, ...]:
    """The layers that have a spec, in alphabetical order."""
    import conformance.specs as directory

    return tuple(sorted(module.name for module in pkgutil.iter_modules(directory.__path__) if module.name[0] != "_"))


@cache
def spec(layer: str) -> Spec:
    """The spec of a layer. Raises ``KeyError`` for an unknown name."""
    if layer not in names():
        raise KeyError(f"unknown layer {layer!r}; known: {', '.join(names())}")
    found: Spec = importlib.import_module(f"conformance.specs.{layer}").SPEC
    return found

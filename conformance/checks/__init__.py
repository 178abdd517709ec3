"""The checks. The directory is the registry: the file ``NAME.py`` is the check NAME, with three functions.

``applies(layer)`` says whether the check has a meaning for the layer; ``cases(layer, format, target, examples)`` gives
what to ask, a strategy that draws cases or a list of them, the longer the more ``examples`` of a strategy would be
drawn; ``examine(target, case)`` asks the target and judges the answer.
Where one case costs as much as several examples, or a part of one, ``COST`` says how many: that many times fewer, or
more, are drawn.
A check may also have ``kernel(layer, format, target)``: what to ask in the kernel profile.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Protocol, cast

from hypothesis.strategies import SearchStrategy

from conformance.case import Case
from conformance.target import Target
from conformance.verdict import Verdict


class Check(Protocol):
    """A kind of question."""

    def applies(self, layer: str) -> bool: ...

    def cases(self, layer: str, format: str, target: Target, examples: int) -> list[Case] | SearchStrategy[Case]: ...

    def examine(self, target: Target, case: Case) -> Verdict: ...


@cache
def names() -> tuple[str, ...]:
    """All checks, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def asked(layer: str) -> list[str]:
    """The checks that have a meaning for the layer, in alphabetical order."""
    return [name for name in names() if check(name).applies(layer)]


def check(name: str) -> Check:
    """The check of this name. Raises ``KeyError`` for an unknown one."""
    if name not in names():
        raise KeyError(f"unknown check {name!r}; known: {', '.join(names())}")
    return cast("Check", importlib.import_module(f"{__name__}.{name}"))

"""What a case is an example of: the values of its parameters, the sizes, layouts and regimes of its tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.case import Case
from conformance.values import Indices, Literal, Recipe, Special, leaves

# What was drawn of which kind of trait: the number of cases by its value.
Coverage = dict[str, dict[str, int]]

# Numbers up to here stand for themselves; a larger one for those up to the next power of two.
_SMALL = 4


def size_class(number: int) -> str:
    """Which sizes count as alike: ``5-8``, ``9-16`` and so on; the smallest stand for themselves."""
    if number <= _SMALL:
        return str(number)
    bits = (number - 1).bit_length()
    return f"{2 ** (bits - 1) + 1}-{2**bits}"


def count(coverage: Coverage, case: Case) -> None:
    """Add one case: each of its traits once."""
    for kind, value in set(traits(case)):
        values = coverage.setdefault(kind, {})
        values[value] = values.get(value, 0) + 1


def traits(case: Case) -> Iterator[tuple[str, str]]:
    """Kinds of traits and their values, those of the calls that follow included."""
    for name, value in case.parameters.items():
        yield f"parameter {name}", _value(value)
    for name, argument in case.tensors.items():
        if argument is None:
            yield f"sides of {name}", "absent"
            continue
        yield "layout", case.layout(name)
        for recipe in leaves(argument):
            for side in recipe.shape:
                yield f"sides of {name}", size_class(side)
            yield from _numbers(recipe)
    if case.upstream is not None:
        yield from (("derivative towards", name) for name in case.upstream.wanted)
        yield "layout", case.upstream.layout
        yield "regime", case.upstream.regime
    if case.relation is not None:
        yield "relation", case.relation.name
    if case.refusal is not None:
        yield "refusal", case.refusal
    for step in case.steps:
        yield from traits(step)


def _value(value: Any) -> str:
    """A parameter in words; numbers that are sizes by their class."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_value, value))})"
    if isinstance(value, int) and not isinstance(value, bool):
        return size_class(value)
    return str(value)


def _numbers(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if isinstance(recipe, Special):
        yield "special value", recipe.value
        yield from _numbers(recipe.base)
    elif isinstance(recipe, (Indices, Literal)):
        yield "regime", type(recipe).__name__.lower()
    else:
        yield "regime", recipe.regime


def merged(parts: Iterator[Mapping[str, Mapping[str, int]]]) -> Coverage:
    """The sum of several coverages."""
    found: Coverage = {}
    for part in parts:
        for kind, values in part.items():
            sums = found.setdefault(kind, {})
            for value, cases in values.items():
                sums[value] = sums.get(value, 0) + cases
    return found

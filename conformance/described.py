"""A case in words: its calls, each with its tensors and parameters. Seeds are left to the data."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.case import Case
from conformance.layouts import PLAIN
from conformance.values import Indices, Literal, Recipe, Special, TensorArgument


def calls(case: Case) -> Iterator[str]:
    """A line for each call, the first one's asking what is asked of the case."""
    parts = [_tensor(case, name, argument) for name, argument in case.tensors.items()]
    parts += [f"{name} = {value}" for name, value in case.parameters.items()]
    if case.upstream is not None:
        layout = _layout(case.upstream.layout)
        parts.append(f"derivatives towards {', '.join(case.upstream.wanted)} from {case.upstream.regime}{layout}")
    if case.relation is not None:
        parts.append(f"relation: {case.relation.name}")
    if case.refusal is not None:
        parts.append(f"to be refused: {case.refusal}")
    yield f"{case.layer}: {'; '.join(parts)}"
    for step in case.steps:
        yield from calls(step)


def _tensor(case: Case, name: str, argument: TensorArgument) -> str:
    if argument is None:
        return f"no {name}"
    numbers = f"({', '.join(map(_numbers, argument))})" if isinstance(argument, tuple) else _numbers(argument)
    return f"{name} {numbers}{_layout(case.layout(name))}"


def _numbers(recipe: Recipe) -> str:
    """Shape and regime."""
    shape = "×".join(map(str, recipe.shape)) or "scalar"
    if isinstance(recipe, Special):
        return f"{_numbers(recipe.base)} with {recipe.value}"
    if isinstance(recipe, Indices):
        return f"{shape} indices below {recipe.limit}"
    return f"{shape} {'literal' if isinstance(recipe, Literal) else recipe.regime}"


def _layout(layout: str) -> str:
    return "" if layout == PLAIN else f" in {layout}"

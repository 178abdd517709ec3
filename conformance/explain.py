"""A layer explained: how it is called, what it computes, where rounding may happen, what goes wrong, its bound."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType

from conformance.case import Case
from conformance.drawing import listed
from conformance.expectation import expect
from conformance.spec import names, spec
from conformance.target import Target
from conformance.values import LATTICE, Values, leaves
from oracle import initialisation
from oracle.formulas import formula
from oracle.formulas import names as with_formula

# How many calls show all that a layer may be called with.
_CALLS = 50

# The most outputs of an example, and the format of examples and calls.
_SHOWN = 12
_FORMAT = "float32"

_COLUMNS = 80


def signature(layer: str) -> str:
    """The function of a layer as a target offers it: the tensors and parameters of its calls."""
    tensors = {name for call in calls(layer) for name in call.tensors}
    parameters = {name for call in calls(layer) for name in call.parameters}
    written = inspect.signature(specified(layer)).parameters
    defaults = {name: each.default for name, each in written.items() if each.default is not each.empty}
    order = [*written, *sorted(tensors | parameters)]

    def named(found: Iterable[str]) -> list[str]:
        return [f"{name}={defaults[name]!r}" if name in defaults else name for name in sorted(found, key=order.index)]

    keywords = ["*", *named(parameters)] if parameters else []
    return f"{layer}({', '.join([*named(tensors), *keywords])})"


@cache
def calls(layer: str) -> list[Case]:
    """Calls of a layer that show all that it may be called with."""
    source = spec(layer).arguments.map(lambda call: Case(layer, _FORMAT, call.tensors, call.parameters))
    return listed(source, _CALLS, f"calls of {layer}")


def specified(layer: str) -> Callable[..., object]:
    """The formula of a layer, or its law. Raises ``KeyError`` for an unknown layer."""
    if layer not in names():
        raise KeyError(f"unknown layer {layer!r}; known: {', '.join(names())}")
    found: Callable[..., object] = formula(layer) if layer in with_formula() else getattr(initialisation, layer)
    return found


def explained(layer: str) -> str:
    """The whole explanation. Raises ``KeyError`` for an unknown layer."""
    found = specified(layer)
    parts = [
        signature(layer),
        f"specified in: {spec(layer).source}",
        inspect.getdoc(found) or "",
        "The formula; stored(x) marks where x may be rounded to the format of the tensors:",
        textwrap.indent(_code(found), "    "),
        *_mistakes(layer),
        *_example(layer),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _code(function: Callable[..., object]) -> str:
    """Its source without the docstring, which is shown already, and that of what it refers to in its own file."""
    source, doc = inspect.getsource(function), function.__doc__
    own = source if doc is None else source.replace(f'    """{doc}"""\n', "", 1)
    rest = sorted(_referred(function, {function}) - {function}, key=lambda each: inspect.getsourcelines(each)[1])
    return "\n\n".join([own, *map(inspect.getsource, rest)])


def _referred(function: Callable[..., object], known: set[Callable[..., object]]) -> set[Callable[..., object]]:
    """The functions of the same file that it refers to, those that they refer to, and the known ones."""
    assert isinstance(function, FunctionType)
    defaults = (function.__kwdefaults__ or {}).values()
    for found in (*map(function.__globals__.get, _names(function.__code__)), *defaults):
        if isinstance(found, FunctionType) and found.__module__ == function.__module__ and found not in known:
            known = _referred(found, {*known, found})
    return known


def _names(code: CodeType) -> Iterator[str]:
    """What the code refers to, and the functions that are defined in it."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


def _mistakes(layer: str) -> Iterator[str]:
    """The classic mistakes that a diagnosis knows."""
    if known := spec(layer).mistakes:
        lines = [textwrap.wrap(mistake.named(), _COLUMNS - 4, break_on_hyphens=False) for mistake in known.values()]
        yield "Mistakes that are known by name:\n\n" + "\n".join("  - " + "\n    ".join(words) for words in lines)


def _example(layer: str) -> Iterator[str]:
    """The truth and the permitted error of a drawn call, where a layer draws nothing itself."""
    asked = spec(layer)
    if layer not in with_formula() or asked.observed is not None:
        return
    source = asked.arguments.map(lambda call: Case(layer, _FORMAT, call.tensors, call.parameters))
    cases = sorted(filter(_is_rounded, listed(source, _CALLS, f"calls of {layer}")), key=lambda case: case.elements)
    for case in cases:
        outputs = expect(case, Target().declared(layer, _FORMAT))
        if outputs and outputs[0].choices is None and 0 < outputs[0].high.size <= _SHOWN and outputs[0].bound.any():
            rows = zip(outputs[0].high.ravel().tolist(), outputs[0].bound.ravel().tolist(), strict=True)
            lines = [f"    {true:15.8g}  {bound:.3g}" for true, bound in rows]
            tensors = ", ".join(f"{name} = {argument}" for name, argument in case.tensors.items() if argument)
            call = f"{tensors}; {dict(case.parameters)}" if case.parameters else tensors
            yield f"A call in {_FORMAT}, the truth and the error that rounding may cause: {call}\n\n" + "\n".join(lines)
            return


def _is_rounded(case: Case) -> bool:
    """Whether its numbers are no small integers, of which sums are exact."""
    recipes = [leaf for argument in case.tensors.values() for leaf in leaves(argument) if isinstance(leaf, Values)]
    return bool(recipes) and recipes[0].regime not in LATTICE

"""A failure as a program of its own: the target's own interface, numbers inline, nothing of this package."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from conformance.bundle import Bundle, Unbundled
from conformance.case import Case
from conformance.expectation import affordable
from conformance.layouts import PLAIN
from conformance.spec import spec
from conformance.tally import Nonconforming
from conformance.target import PRELUDE, Target
from conformance.values import Array

# With more numbers than this, 20 characters each, a program is longer than what people open in an editor or paste.
_MOST = 2**12

_OF = "gradient of "


def reproducer(target: Target, failure: Nonconforming) -> str:
    """A program that makes the failing call and prints what it gave, the truth, and the permitted error.

    Nothing where the question is more than one call, where the target's function cannot stand alone, or where there are
    too many numbers to write down.
    """
    case, gradient = failure.case, failure.case is not None and failure.case.upstream is not None
    if case is None or case.steps or case.relation or spec(case.layer).observed or case.elements > _MOST:
        return ""
    if not _has_arrays(target) or (gradient and "def derivatives" not in target.prelude):
        return ""
    bundle = Bundle()
    try:
        names = [*_definition(bundle, target, case), *_layouts(bundle, target, case)]
    except Unbundled:
        return ""
    verdict = failure.verdict
    head = f"{case.layer} in {case.format} ({failure.kind}), {target.description or target.name}: {verdict.reason}"
    tensors = [f"{name} = {_tensor(case, name, array)}" for name, array in case.arrays().items()]
    body = [*tensors, *(_gradients(case, target) if gradient else _call(case)), *_shown(case, failure, target)]
    comment = textwrap.fill(head, 118, initial_indent="# ", subsequent_indent="# ")
    future = "from __future__ import annotations"
    lines = [comment, "", future, "", "from math import inf, nan", "", target.prelude, bundle.text(), "", *names, *body]
    return "\n".join(lines) + "\n"


def _has_arrays(target: Target) -> bool:
    """Whether the program's arrays are the target's own: those of numpy are not where it makes others."""
    return target.prelude != PRELUDE or getattr(target.array, "__func__", None) is Target.array


def _definition(bundle: Bundle, target: Target, case: Case) -> Iterator[str]:
    """Makes the layer function known by its name: copied into the bundle, or imported. Raises ``Unbundled``."""
    where = target.definition(case.layer)
    if where is None:
        raise Unbundled(f"the function of {case.layer} has no definition")
    module, name = where
    if module.__name__.partition(".")[0] == __package__:
        bundle.add(module, name)
        if name != case.layer:
            yield f"{case.layer} = {name}"
    elif module.__name__.startswith("target_"):  # a file, loaded by its path
        yield from ("import runpy", "", f"{case.layer} = runpy.run_path({str(module.__file__)!r})[{name!r}]")
    else:
        yield f"from {module.__name__} import {name} as {case.layer}"


def _layouts(bundle: Bundle, target: Target, case: Case) -> Iterator[str]:
    """Makes the functions that lay out tensors known by the names of their layouts. Raises ``Unbundled``."""
    names = {*case.layouts.values(), *([case.upstream.layout] if case.upstream else [])}
    for name in sorted(names - {PLAIN}):
        function: Any = target.arrangements[name]
        bundle.add(sys.modules[function.__module__], function.__name__)
        yield f"{name} = {function.__name__}"


def _tensor(case: Case, name: str, array: Array | None | Sequence[Array]) -> str:
    if array is None:
        return "None"
    if isinstance(array, tuple):
        return f"({', '.join(_array(each, case.format, case.layout(name)) for each in array)},)"
    return _array(np.asarray(array), case.format, case.layout(name))


def _array(values: Array, format: str, layout: str) -> str:
    """An array in Python; one without numbers, or without axes, by its shape."""
    kind = format if values.dtype == np.float64 else values.dtype.name
    made = f"array({values.tolist()!r}, {kind!r})"
    made = made if values.size else f"array([], {kind!r}).reshape({values.shape!r})"
    return made if layout == PLAIN else f"{layout}({made})"


def _arguments(case: Case) -> str:
    return ", ".join([*case.tensors, *(f"{name}={value!r}" for name, value in case.parameters.items())])


def _call(case: Case) -> Iterator[str]:
    yield f"found = {case.layer}({_arguments(case)})"
    yield "found = found if isinstance(found, (tuple, list)) else (found,)"


def _gradients(case: Case, target: Target) -> Iterator[str]:
    upstream = case.upstream
    assert upstream is not None, "the case asks for no derivatives"
    shapes, _ = affordable(_forward(case), (), target.policies.get(case.layer))
    byproducts = spec(case.layer).byproducts
    cotangents = [
        "None" if k in byproducts else _array(upstream.cotangent(k, shape, case.format), case.format, upstream.layout)
        for k, shape in enumerate(shapes.values())
    ]
    yield f"cotangents = [{', '.join(cotangents)}]"
    options = ", ".join(f"{name}={value!r}" for name, value in case.parameters.items())
    wanted = [case.names.index(name) for name in upstream.wanted]
    call = f"lambda *tensors: {case.layer}(*tensors{', ' if options else ''}{options})"
    yield f"found = derivatives({call}, [{', '.join(case.tensors)}], {wanted}, cotangents)"


def _forward(case: Case) -> Case:
    return Case(case.layer, case.format, case.tensors, case.parameters, case.layouts)


def _shown(case: Case, failure: Nonconforming, target: Target) -> Iterator[str]:
    """What the call gave beside what it should have given."""
    verdict = failure.verdict
    if case.refusal is not None or not verdict.output or (verdict.got is None and not verdict.index):
        yield 'print("got      ", [tuple(each.shape) for each in found], *found)'
        yield f'print("expected ", {_wanted(case, failure)!r})'
        return
    shapes, _ = affordable(case, spec(case.layer).byproducts, target.policies.get(case.layer))
    names = [name.removeprefix(_OF) for name in shapes]
    place = names.index(verdict.output.removeprefix(_OF))
    yield f'print("got      ", float(found[{place}][{tuple(verdict.index)}]))'
    yield f'print("expected ", {(_wanted(case, failure) if verdict.true is None else verdict.true)!r})'
    if verdict.permitted is not None and math.isfinite(verdict.permitted):
        yield f'print("permitted", {verdict.permitted!r})'


def _wanted(case: Case, failure: Nonconforming) -> str:
    return f"an error: {case.refusal}" if case.refusal is not None else f"otherwise: {failure.verdict.reason}"

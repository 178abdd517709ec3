"""A function held to a layer inside any test: one call of ``check``, or with ``conforms`` a pytest item for every
format and check.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from conformance import checks as questions
from conformance import spec as specs
from conformance.report import failures_text
from conformance.run import PROFILES, run
from conformance.tally import Tally
from conformance.target import Target, Unavailable
from conformance.targets import OFFERS, load, offering
from conformance.verdict import Status
from oracle.formats import FORMATS

_QUICK = PROFILES["quick"]


def check(
    function: Callable[..., Any],
    *,
    layer: str,
    formats: Sequence[str] | None = None,
    checks: Sequence[str] | None = None,
    examples: int = _QUICK,
    **given: Any,
) -> None:
    """Raise ``AssertionError`` unless ``function`` conforms to the layer, in the words of the pytest plugin.

    Every check that applies is asked, or those named, with so many examples for each format; the first that fails ends
    it.
    ``formats`` and all that is ``given`` are what a target's file may define: ``array``, ``read``, ``vjp``,
    ``layouts``, ``declared``, ``policies``, ``known`` …, or ``extends="torch-cpu"`` for the arrays of another target.
    A function that refused all that it was asked fails too. Raises ``ValueError`` for an unknown layer, format or
    check, and ``TypeError`` for anything else that a file does not define.
    """
    __tracebackhide__ = True
    target = target_of(function, layer=layer, formats=formats, **given)
    reasons: list[str] = []
    judged = False
    for format, kind in _items(target, layer, checks):
        tally = _judged(target, layer, format, kind, examples)
        if tally.failures:
            raise AssertionError(_text(tally, layer, format, kind, _expression(function, layer, given)))
        judged |= tally.cases > tally.counts[Status.UNSUPPORTED]
        reasons += [reason for reason in tally.reasons if reason not in reasons]
    if not judged:
        raise AssertionError(f"{layer}: nothing was judged: {'; '.join(reasons) or 'no check applies'}")


def conforms(
    *,
    layer: str,
    formats: Sequence[str] | None = None,
    checks: Sequence[str] | None = None,
    examples: int = _QUICK,
    **given: Any,
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """A decorator that makes of a function a pytest test with an item for every format and check.

    Arguments and errors are those of ``check``. The test takes the function's place; one that stays:
    ``test_layer_norm = conforms(layer="layer_norm")(my_layer_norm)``.
    """
    import pytest  # needed by those alone who write tests

    def decorated(function: Callable[..., Any]) -> Callable[..., None]:
        target = target_of(function, layer=layer, formats=formats, **given)
        items = _items(target, layer, checks)

        @pytest.mark.parametrize(("format", "kind"), items, ids=map("-".join, items))
        def test(format: str, kind: str) -> None:
            tally = _judged(target, layer, format, kind, examples)
            if tally.failures:
                pytest.fail(_text(tally, layer, format, kind, _expression(function, layer, given)), pytrace=False)
            if tally.cases == tally.counts[Status.UNSUPPORTED]:
                pytest.skip("; ".join(tally.reasons))

        test.__doc__ = function.__doc__
        test.under_test = function  # type: ignore[attr-defined]
        return test

    return decorated


def target_of(
    function: Callable[..., Any], *, layer: str, formats: Sequence[str] | None = None, **given: Any
) -> Target:
    """The target whose only layer is this function, or the one that became a test by ``conforms``.

    Arguments and errors are those of ``check``.
    """
    if layer not in specs.names():
        raise ValueError(f"unknown layer {layer!r}; known: {', '.join(specs.names())}")
    if strange := sorted(given.keys() - OFFERS):
        raise TypeError(f"a target has no {', '.join(map(repr, strange))}; it may have: {', '.join(sorted(OFFERS))}")
    function = getattr(function, "under_test", function)
    extended = given.get("extends")
    able = tuple(FORMATS) if extended is None or "array" in given else load(extended).formats
    for format in formats or ():
        if format not in able:
            of = "" if able == tuple(FORMATS) else f"; the target {extended} has"
            raise ValueError(f"unknown format {format!r}{of or '; known'}: {', '.join(able)}")
    offers = {**given, layer: function} if formats is None else {**given, layer: function, "formats": tuple(formats)}
    try:
        return offering(_name(function), offers)
    except Unavailable as unavailable:
        raise ValueError(str(unavailable)) from unavailable


def _items(target: Target, layer: str, checks: Sequence[str] | None) -> list[tuple[str, str]]:
    """The formats and checks in which the layer is asked."""
    for kind in checks or ():
        if kind not in questions.names():
            raise ValueError(f"unknown check {kind!r}; known: {', '.join(questions.names())}")
    applying = questions.asked(layer)
    chosen = [kind for kind in dict.fromkeys(checks or applying) if kind in applying]
    return [(format, kind) for format in target.formats for kind in chosen]


def _judged(target: Target, layer: str, format: str, kind: str, examples: int) -> Tally:
    with lenient():
        return run(target, layer, format, kind, examples)


@contextmanager
def lenient() -> Iterator[None]:
    """What a target warns of is no failure, whatever filters hold for other tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


def _text(tally: Tally, layer: str, format: str, kind: str, target: str) -> str:
    return failures_text(tally.failures, f"{layer} in {format} ({kind})", target)


def _expression(function: Callable[..., Any], layer: str, given: Mapping[str, Any]) -> str:
    """Python that makes the target where the function and what was given with it are known by their names."""
    offers = {"layer": layer, **given}.items()
    named = [f"{name}={_name(value) if callable(value) else repr(value)}" for name, value in offers]
    return f"target_of({', '.join([_name(function), *named])})"


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))

"""What a target does not support is drawn again, so that one of few parameters is asked as much as others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance import Status, Unsupported
from conformance.checks import check
from conformance.drawing import listed, number, turn
from conformance.run import run
from conformance.tally import Tally
from conformance.targets import load, offering


def of(function: Any, count: int, kind: str = "forward", layer: str = "relu") -> Tally:
    """What comes of so many cases of a layer in float32."""
    return run(offering("mine", {layer: function, "formats": ("float32",)}), layer, "float32", kind, count)


def seldom(input: Any) -> Any:
    """A relu of matrices alone."""
    if input.ndim != 2:
        raise Unsupported("no matrix")
    return np.maximum(input, 0)


def never(input: Any) -> Any:
    raise Unsupported("not here")


def at_times(input: Any) -> Any:
    """A relu of few sizes, of which there are not enough."""
    if input.size != 15:
        raise Unsupported("not 15")
    return np.maximum(input, 0)


def test_cases_are_drawn_until_so_many_are_supported() -> None:
    found = of(seldom, 40)
    assert found.counts[Status.PASS] == 40
    assert found.counts[Status.UNSUPPORTED] > 40
    assert found.supported == 40


def test_what_is_never_supported_is_not_drawn_again() -> None:
    assert of(never, 20).counts == {**dict.fromkeys(Status, 0), Status.UNSUPPORTED: 20}


def test_what_is_hardly_ever_supported_is_drawn_eight_times() -> None:
    found = of(at_times, 100)
    assert 0 < found.counts[Status.PASS] < 100
    assert found.cases == 8 * 100 - 7, "each turn begins with the smallest case, which is asked once"


def test_a_target_that_supports_all_is_asked_no_more() -> None:
    target = load("torch-cpu")
    for kind in ("forward", "special", "relation"):
        first = check(kind).cases("relu", "float32", target, 20)
        tally = run(target, "relu", "float32", kind, 20)
        assert tally.cases == (len(first) if isinstance(first, list) else 20)
        assert not tally.counts[Status.UNSUPPORTED]


@pytest.mark.parametrize(("layer", "kind"), [("relu", "relation"), ("relu", "large"), ("softmax", "refusal")])
def test_lists_are_made_again_too_and_no_case_is_asked_twice(
    layer: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Tally, "asks", lambda self, case: asked.append(repr(case)))
    target = offering("mine", {layer: lambda input, **options: seldom(input), "formats": ("float32",)})
    first = check(kind).cases(layer, "float32", target, 20)
    assert isinstance(first, list)
    tally = run(target, layer, "float32", kind, 20)
    assert tally.cases > len(first)
    assert tally.supported <= len(first)
    assert len(asked) == len({*asked}) == tally.cases


def test_a_list_that_is_always_the_same_is_asked_once() -> None:
    target = offering("mine", {"linear": lambda *given, **options: seldom(given[0]), "formats": ("float32",)})
    first = check("worked").cases("linear", "float32", target, 20)
    assert isinstance(first, list)
    assert run(target, "linear", "float32", "worked", 20).cases == len(first)


def test_turns_draw_other_cases_and_each_the_same_ones_always() -> None:
    target = load("torch-cpu")
    source = check("forward").cases("relu", "float32", target, 20)
    assert not isinstance(source, list)

    def drawn(in_turn: int) -> list[str]:
        with turn(in_turn):
            return [repr(case) for case in listed(source, 20, "relu")]

    assert drawn(0) == [repr(case) for case in listed(source, 20, "relu")]
    assert drawn(1) == drawn(1) != drawn(0)
    with turn(1):
        inside = number("relu")
    assert inside != number("relu")

"""What is permitted does not change unnoticed: a bound that is too wide is one that no conforming target leaves.

``permitted.jsonl`` holds drawn calls of every layer, and what every order of operations permits in them.

    python tests/test_permitted.py

writes the present numbers into it: the difference is to be read, and explained in the message of the commit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observing import observed
from orders import orders

from conformance.case import Case
from conformance.expectation import expect, expect_gradients, expect_outcomes
from conformance.spec import spec
from conformance.target import Declared
from conformance.verdict import Expected
from oracle.formats import FORMATS
from oracle.outcomes import Outcome

FILE = Path(__file__).with_name("permitted.jsonl")
CALLS: list[dict[str, Any]] = list(map(json.loads, FILE.read_text("utf-8").splitlines()))
# What most calls have not, and the file leaves out.
ABSENT: dict[str, Any] = {"layouts": {}, "upstream": None, "steps": [], "refusal": None, "relation": None}


def permitted(call: dict[str, Any]) -> dict[str, str]:
    """By the order of operations: what it permits in all, in words of a few digits."""
    case, policies = Case.from_json(ABSENT | call["case"]), call["policies"]
    seen, found = observed(case), {}
    for order in (None, *orders(case.layer)):
        declared = Declared("float32", algorithm=order)
        if call["kind"] == "special":
            outputs = expect_outcomes(case, declared, policies, seen).values()
            words = sets([element for output in outputs for element in output.elements()])
        elif call["kind"] == "gradient":
            words = bounds(case, expect_gradients(case, declared, spec(case.layer).byproducts, policies, seen))
        else:
            words = bounds(case, expect(case, declared, policies, seen))
        found[order or "documented"] = words
    return found


def bounds(case: Case, outputs: Iterable[Expected]) -> str:
    """The sum of the bounds in units of the format, and how many are infinite."""
    every = np.concatenate([np.ravel(output.bound) for output in outputs])
    finite = every[np.isfinite(every)]
    return f"{finite.sum() / FORMATS[case.format].unit:.4g} units, {every.size - finite.size} boundless"


def sets(elements: list[Any]) -> str:
    """The extents of the sets together, and how many hold an infinity, or NaN, or several places."""
    found = [element for element in elements if isinstance(element, Outcome)]
    ends = [(outcome.low, outcome.high) for outcome in found]
    extent = sum(high - low for low, high in ends if math.isfinite(low) and math.isfinite(high) and low <= high)
    infinite = sum(math.isinf(low) + math.isinf(high) for low, high in ends if low <= high)
    places = sum(len(element) for element in elements if isinstance(element, frozenset))
    return f"{extent:.4g} wide, {infinite} infinities, {sum(o.nan for o in found)} NaN, {places} places"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call['case']['layer']}-{call['kind']}")
def test_what_is_permitted_has_not_changed(call: dict[str, Any]) -> None:
    assert permitted(call) == call["permitted"]


if __name__ == "__main__":
    FILE.write_text("".join(json.dumps(call | {"permitted": permitted(call)}) + "\n" for call in CALLS), "utf-8")

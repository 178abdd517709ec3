"""The orders of operations that a formula's file offers: the same numbers, and the same derivatives, as documented."""

from __future__ import annotations

from functools import cache
from typing import Any

import flint
import pytest
from observing import tensors
from orders import orders

from conformance.case import Case
from conformance.drawing import listed
from conformance.spec import spec
from conformance.values import Values
from oracle import formulas
from oracle.evaluate import evaluate, gradients
from oracle.exact import Exact
from oracle.tensor import Tensor

CALLS = 10
ORDERS = [(layer, order) for layer in formulas.names() for order in orders(layer)]


@cache
def drawn(layer: str) -> list[Case]:
    calls = listed(spec(layer).arguments, CALLS, f"{layer} in other orders")
    return [Case(layer, "float64", call.tensors, call.parameters) for call in calls]


def agree(one: Tensor, other: Tensor) -> bool:
    """Whether they have one shape, and each element may be the same number."""
    pairs = zip(one.elements(), other.elements(), strict=True)
    return one.shape == other.shape and all(
        (x.overlaps(y) or (x.is_nan() and y.is_nan())) if isinstance(x, flint.arb) else x == y for x, y in pairs
    )


@pytest.mark.parametrize(("layer", "order"), ORDERS)
def test_another_order_of_operations_has_the_same_values(layer: str, order: str) -> None:
    for case in drawn(layer):
        with Exact(256):
            documented, other = (evaluate(layer, tensors(case), case.parameters, way) for way in (None, order))
            assert list(documented) == list(other)
            for name, output in documented.items():
                assert agree(output, other[name]), (case, name)


@pytest.mark.parametrize(("layer", "order"), ORDERS)
def test_another_order_of_operations_has_the_same_derivatives(layer: str, order: str) -> None:
    for case in drawn(layer):
        wanted = [name for name, recipe in case.tensors.items() if isinstance(recipe, Values)]

        def cotangent(number: int, shape: tuple[int, ...]) -> Any:
            return None if number else Values(shape, seed=1).array("float64")

        with Exact(256):
            documented, other = (
                gradients(layer, tensors(case), case.parameters, wanted, cotangent, way) for way in (None, order)
            )
            for name, derivative in documented.items():
                assert agree(derivative, other[name]), (case, name)

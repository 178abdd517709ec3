"""A formula on arrays: what is read of large ones, and derivatives towards every argument, from every output."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, gradients, lifted
from oracle.fast import Fast
from oracle.formats import float16, float32
from oracle.reverse import Reverse
from oracle.scalar import Scalar, constant, current, once, total
from oracle.tensor import Tensor, tensor

MANY = 5000  # more elements than are lifted before they are read

Cotangent = Callable[[int, tuple[int, ...]], Any]


def ones(output: int, shape: tuple[int, ...]) -> Any:
    return np.ones(shape)


def slopes(
    formula: Callable[..., Any], tensors: Any, cotangent: Cotangent = ones, **how: Any
) -> dict[str, list[float]]:
    """The derivatives of a formula towards its arguments, or those ``wanted``."""
    wanted = how.pop("wanted", list(tensors))
    with Fast():
        found = gradients("relu", tensors, {}, wanted, cotangent, formula, **how)
        return {name: list(map(float, slope.elements())) for name, slope in found.items()}


def first(x: Tensor) -> Tensor:
    return tensor((1,), lambda i: x[0] * 2.0)


def test_of_a_large_array_only_what_is_read_is_lifted() -> None:
    with Fast():
        x = lifted(np.arange(float(MANY)))
        assert x[MANY - 1] == MANY - 1
    assert len(x) == 1


def test_rows_of_a_large_array_are_its_elements_in_order() -> None:
    with Fast():
        x = lifted(np.arange(float(MANY)).reshape(2, 5, MANY // 10))
        assert x[1, 3, ...] == [*range(4000, 4500)]
        assert x[1, ...] == [*range(2500, 5000)]
        assert x[0, 4, 499] == 2499


def test_an_element_of_a_large_array_is_the_same_number_read_by_itself_and_in_a_row() -> None:
    with Reverse(Fast()):
        x = lifted(np.zeros((MANY, 1)))
        alone = x[7, 0]
        assert x[7, ...][0] is alone
        assert x[8, ...][0] is x[8, 0]


@pytest.mark.parametrize("size", [3, MANY])
@pytest.mark.parametrize("value", [3, True])
def test_indices_and_masks_stay_what_they_are(size: int, value: int) -> None:
    with Fast():
        x = lifted(np.full(size, value))
        assert type(x[2]) is type(value)
        assert x[2] == value


def test_an_array_of_nothing_has_no_elements() -> None:
    with Fast():
        assert lifted(np.zeros((0, 2))).elements() == []


def test_derivatives_come_from_all_outputs_that_count() -> None:
    def outputs(x: Tensor) -> dict[str, Tensor]:
        return {"one": tensor((2,), lambda i: x[i] * 3.0), "other": tensor((2,), lambda i: x[i] * 5.0)}

    given = {"x": np.array([1.0, 2.0])}
    assert slopes(outputs, given) == {"x": [8.0, 8.0]}
    assert slopes(outputs, given, lambda k, shape: None if k else np.ones(shape)) == {"x": [3.0, 3.0]}


@pytest.mark.parametrize("size", [2, MANY])
def test_an_element_that_is_not_read_has_the_derivative_zero(size: int) -> None:
    assert slopes(first, {"x": np.ones(size)}) == {"x": [2.0] + [0.0] * (size - 1)}


def test_every_tensor_of_several_has_derivatives_of_its_own() -> None:
    def added(x: tuple[Tensor, ...], y: Tensor) -> Tensor:
        return tensor((1,), lambda i: x[0][0] * 2.0 + x[1][0] * 3.0 + y[0] * 4.0)

    one = np.ones(1)
    assert slopes(added, {"y": one, "x": (one, one)}) == {"x[0]": [2.0], "x[1]": [3.0], "y": [4.0]}
    assert slopes(added, {"x": (one, one), "y": one}, wanted=["y"]) == {"y": [4.0]}


def test_sparsely_outputs_whose_cotangent_is_zero_do_not_count() -> None:
    def unbounded(x: Tensor) -> Tensor:
        return tensor(x.shape, lambda *index: x[index] * (1.0 if index == (1, 0) else math.inf))

    def single(k: int, shape: tuple[int, ...]) -> Any:
        cotangent = np.zeros(shape)
        cotangent[1, 0] = 7.0
        return cotangent

    x = {"x": np.ones((2, 2))}
    assert slopes(unbounded, x, single, sparse=True) == {"x": [0.0, 0.0, 7.0, 0.0]}
    assert [math.isnan(slope) for slope in slopes(unbounded, x, single)["x"]] == [True, True, False, True]


def test_a_single_number_counts_whatever_its_cotangent() -> None:
    def squared(x: Tensor) -> Tensor:
        return tensor((), lambda: x[0] * 3.0)

    assert slopes(squared, {"x": np.ones(1)}, sparse=True) == {"x": [3.0]}


def test_what_is_scattered_is_added_up_in_storage() -> None:
    def thrice(x: Tensor) -> Tensor:
        return tensor((3,), lambda i: x[0] * (1.0 + i / 1024))

    def bound(*scattered: str) -> float:
        with EnvelopeArithmetic(float32, float16):
            found = gradients("relu", {"x": np.ones(1)}, {}, ["x"], ones, thrice, scattered)
            return float(found["x"][0].bound)

    assert bound("x") > bound() > 0.0


def test_an_arithmetic_makes_the_constants_of_a_number_once() -> None:
    asked: list[tuple[str, int]] = []

    def counts(name: str) -> Callable[[int], list[Scalar]]:
        @once
        def made(number: int) -> list[Scalar]:
            asked.append((name, number))
            return [constant(float(number))]

        return made

    one, other = counts("one"), counts("other")
    for arithmetic in (Fast(), Fast()):
        with arithmetic:
            assert [one(2), one(3), other(2), one(2)] == [[2.0], [3.0], [2.0], [2.0]]
    assert asked == [("one", 2), ("one", 3), ("other", 2)] * 2


def test_constants_are_made_without_a_trace_of_how() -> None:
    @once
    def made(number: int) -> list[Scalar]:
        assert type(current()) is Fast
        return [total([constant(1.0)] * number)]

    with Reverse(Fast()) as reverse:
        (found,) = made(3)
        assert (found.value, found.parents, found.rules) == (3.0, (), reverse)


def test_a_layer_or_an_order_of_operations_that_is_not_there_is_an_error() -> None:
    with Fast():
        with pytest.raises(KeyError, match="relux"):
            evaluate("relux", {}, {})
        with pytest.raises(KeyError, match="backwards"):
            evaluate("relu", {"input": np.ones(1)}, {}, "backwards")


def test_the_derivatives_of_a_layer_depend_on_its_parameters() -> None:
    def towards(dim: int) -> list[float]:
        with Fast():
            found = gradients("softmax", {"input": np.zeros((2, 1))}, {"dim": dim}, ["input"], first_of_all)
            return [float(slope) for slope in found["input"].elements()]

    def first_of_all(output: int, shape: tuple[int, ...]) -> Any:
        return np.array([[1.0], [0.0]])

    assert towards(0) == [0.25, -0.25]  # each of two shares is 1/2
    assert towards(1) == [0.0, 0.0]  # each is alone


def test_a_tensor_that_is_not_given_is_none() -> None:
    def alone(x: Tensor, y: Tensor | None) -> Tensor:
        assert y is None
        return tensor((1,), lambda i: x[0] * 3.0)

    assert slopes(alone, {"x": np.ones(1), "y": None}, wanted=["x"]) == {"x": [3.0]}

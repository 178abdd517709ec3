"""Tensors as functions of an index."""

import pytest

from oracle.tensor import given, tensor


@pytest.mark.parametrize("index", [(2, 0), (-1, 0), (0, 3), (0,), (0, 0, 0)])
def test_an_index_beside_the_tensor_is_an_error_that_names_both(index: tuple[int, ...]) -> None:
    with pytest.raises(IndexError) as raised:
        tensor((2, 3), lambda i, j: i + j)[index]
    assert str(raised.value) == f"index {index} of a tensor of shape (2, 3)"


def test_indices_and_elements_are_in_row_major_order() -> None:
    x = tensor((2, 2), lambda i, j: 10 * i + j)
    assert list(x.indices()) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert x.elements() == [0, 1, 10, 11]


def test_an_element_is_computed_once() -> None:
    asked: list[int] = []
    x = tensor((2,), lambda i: asked.append(i) or i)  # type: ignore[func-returns-value]
    assert [x[1], x[1], x[...], x[...]] == [1, 1, [0, 1], [0, 1]]
    assert asked == [1, 0]


def test_axes_may_change_places() -> None:
    x = tensor((2, 1, 3), lambda i, j, k: 100 * i + 10 * j + k)
    moved = x.transposed(2, 0, 1)
    assert moved.shape == (3, 2, 1)
    assert moved[2, 1, 0] == x[1, 0, 2]
    assert x.swapped(0, -1)[1, 0, 0] == x[0, 0, 1]
    assert x.part(1)[0, 2] == x[1, 0, 2]


def test_a_given_tensor_has_all_its_elements_and_no_others() -> None:
    x = given((2, 1), [5.0, 6.0])
    assert x.elements() == [5.0, 6.0]
    with pytest.raises(ValueError, match="zip"):
        given((2,), [5.0])
    x.clear()
    with pytest.raises(AssertionError, match=r"^a given tensor lacks its element at \(1, 0\)$"):
        x[1, 0]

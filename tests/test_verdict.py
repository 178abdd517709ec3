"""The judgement is a pure function of what came and what was expected."""

import numpy as np
import pytest

from conformance.verdict import Actual, Expected, Status, judge


def expected(high: list[float], bound: list[float], low: list[float] | None = None) -> Expected:
    shape = (len(high),)
    return Expected("output", shape, "float32", np.array(high), np.array(low or [0.0] * len(high)), np.array(bound))


def actual(*values: float, format: str = "float32") -> Actual:
    return Actual(np.array(values), format)


def test_a_result_within_its_bound_passes_with_its_worst_ratio() -> None:
    verdict = judge([actual(1.0, 2.25)], [expected([1.0, 2.0], [0.5, 0.5])])
    assert (verdict.status, verdict.ratio, verdict.index) == (Status.PASS, 0.5, (1,))


def test_a_result_outside_its_bound_fails_at_the_worst_element() -> None:
    verdict = judge([actual(1.0, 4.0, 2.75)], [expected([1.0, 2.0, 2.0], [0.5, 0.5, 0.5])])
    assert (verdict.status, verdict.ratio, verdict.index) == (Status.FAIL, 4.0, (1,))
    assert (verdict.got, verdict.true, verdict.permitted) == (4.0, 2.0, 0.5)


def test_where_nothing_may_be_rounded_the_result_must_be_right_to_the_bit() -> None:
    assert judge([actual(1.0)], [expected([1.0], [0.0])]).status is Status.PASS
    verdict = judge([actual(np.nextafter(1.0, 2.0))], [expected([1.0], [0.0])])
    assert (verdict.status, verdict.ratio) == (Status.FAIL, np.inf)


def test_the_low_part_of_the_truth_counts() -> None:
    verdict = judge([actual(1.0)], [expected([1.0], [2.0**-60], low=[2.0**-59])])
    assert (verdict.status, verdict.ratio) == (Status.FAIL, 2.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_special_value_where_a_number_belongs_fails(value: float) -> None:
    assert judge([actual(value)], [expected([1.0], [0.5])]).status is Status.FAIL


def test_nan_where_nan_belongs_passes_and_a_number_there_fails() -> None:
    assert judge([actual(np.nan, 1.0)], [expected([np.nan, 1.0], [np.inf, 0.5])]).status is Status.PASS
    assert judge([actual(0.0, 1.0)], [expected([np.nan, 1.0], [np.inf, 0.5])]).status is Status.FAIL


def test_an_infinity_where_it_belongs_passes() -> None:
    assert judge([actual(np.inf)], [expected([np.inf], [np.inf])]).status is Status.PASS
    assert judge([actual(1.0)], [expected([np.inf], [0.0])]).status is Status.FAIL


def test_a_bound_above_the_signal_leaves_the_case_undecided() -> None:
    assert judge([actual(1.5)], [expected([1.0], [2.0])]).status is Status.UNDECIDED
    assert judge([actual(5.0)], [expected([1.0], [2.0])]).status is Status.FAIL


def test_a_wrong_shape_fails() -> None:
    verdict = judge([actual(1.0, 2.0)], [expected([1.0], [0.5])])
    assert verdict.status is Status.FAIL
    assert verdict.reason == "shape (2,), expected (1,)"


def test_a_wrong_format_fails() -> None:
    verdict = judge([actual(1.0, format="float64")], [expected([1.0], [0.5])])
    assert verdict.reason == "format float64, expected float32"


def test_a_missing_output_fails() -> None:
    verdict = judge([actual(1.0)], [expected([1.0], [0.5])] * 2)
    assert verdict.reason == "returned 1 outputs, expected 2: output, output"


def test_an_index_must_be_an_admissible_one() -> None:
    nothing = np.zeros(2)
    choices = Expected("indices", (2,), "int64", nothing, nothing, nothing, (frozenset({0, 3}), frozenset({1})))
    assert judge([Actual(np.array([3, 1]), "int64")], [choices]).status is Status.PASS
    verdict = judge([Actual(np.array([3, 2]), "int64")], [choices])
    assert (verdict.status, verdict.index, verdict.reason) == (Status.FAIL, (1,), "index 2, admissible: 1")


def test_an_empty_output_of_the_right_shape_passes() -> None:
    assert judge([Actual(np.zeros((0,)), "float32")], [expected([], [])]).status is Status.PASS

"""The judgement is a pure function of what came and what was expected."""

import numpy as np
import pytest

from conformance.verdict import Actual, Expected, Status, judge, misfit


def expected(high: list[float], bound: list[float], low: list[float] | None = None) -> Expected:
    shape = (len(high),)
    return Expected("output", shape, "float32", np.array(high), np.array(low or [0.0] * len(high)), np.array(bound))


def actual(*values: float, format: str = "float32") -> Actual:
    return Actual(np.array(values), format)


def test_a_result_within_its_bound_passes_with_its_worst_ratio() -> None:
    verdict = judge([actual(1.0, 2.25)], [expected([1.0, 2.0], [0.5, 0.5])])
    assert (verdict.status, verdict.ratio, verdict.index) == (Status.PASS, 0.5, (1,))


def test_an_error_as_large_as_the_permitted_one_passes() -> None:
    verdict = judge([actual(2.5)], [expected([2.0], [0.5])])
    assert (verdict.status, verdict.ratio) == (Status.PASS, 1.0)


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


def test_admissible_indices_that_are_not_those_of_the_output_are_refused() -> None:
    nothing = np.zeros(2)
    for choices in ((frozenset({3}),), (frozenset({3}),) * 3):
        with pytest.raises(ValueError, match="zip"):
            judge(
                [Actual(np.array([3, 3]), "int64")], [Expected("i", (2,), "int64", nothing, nothing, nothing, choices)]
            )


def test_an_empty_output_of_the_right_shape_passes() -> None:
    assert judge([Actual(np.zeros((0,)), "float32")], [expected([], [])]).status is Status.PASS


def test_an_error_beside_the_low_part_of_the_truth_is_taken_with_its_sign() -> None:
    truth = expected([1.0], [2.0**-52], low=[2.0**-54])
    assert judge([actual(1.0 + 2.0**-52)], [truth]).ratio == 0.75
    assert judge([actual(1.0 - 2.0**-53)], [truth]).ratio == 0.75


def test_an_error_beyond_all_numbers_fails_and_warns_of_nothing() -> None:
    verdict = judge([actual(-1.7e308)], [expected([1.7e308], [1e300])])
    assert (verdict.status, verdict.ratio) == (Status.FAIL, np.inf)


def test_an_answer_that_cannot_be_judged_is_infinitely_wrong_and_says_why() -> None:
    wanted = expected([1.0], [0.5])
    unfit = {
        "number of outputs": [],
        "shape": [actual(1.0, 2.0)],
        "format": [actual(1.0, format="float64")],
    }
    for fault, answer in unfit.items():
        verdict = judge(answer, [wanted])
        assert (verdict.status, verdict.ratio, verdict.fault) == (Status.FAIL, np.inf, fault)
        assert verdict.output == ("" if fault == "number of outputs" else "output")
    unnamed = misfit(actual(1.0), (2,), "float32")
    assert unnamed is not None
    assert unnamed.output == ""


def test_a_verdict_names_its_output_and_its_reason() -> None:
    passed = judge([actual(1.0)], [expected([1.0], [0.5])])
    assert (passed.output, passed.reason, passed.got, passed.true, passed.permitted) == ("output", "", 1.0, 1.0, 0.5)
    failed = judge([actual(2.0)], [expected([1.0], [0.5])])
    assert (failed.output, failed.reason) == (
        "output",
        "the result is further from the truth than rounding can explain",
    )
    undecided = judge([actual(1.0, 2.0)], [expected([1.0, 2.0], [3.0, 3.0])])
    assert undecided.reason == "the permitted error exceeds the signal at 2 of 2 elements"
    assert judge([Actual(np.zeros((0,)), "float32")], [expected([], [])]).output == "output"


def test_a_wrong_index_is_infinitely_wrong_and_shown_with_all_that_were_right() -> None:
    nothing = np.zeros(2)
    choices = Expected("indices", (2,), "int64", nothing, nothing, nothing, (frozenset({3, 0}), frozenset({1})))
    verdict = judge([Actual(np.array([2, 1]), "int64")], [choices])
    assert (verdict.ratio, verdict.reason) == (np.inf, "index 2, admissible: 0, 3")
    assert (verdict.output, verdict.index, verdict.got, verdict.true, verdict.permitted) == (
        "indices",
        (0,),
        2.0,
        None,
        0.0,
    )
    assert judge([Actual(np.array([0, 1]), "int64")], [choices]).output == "indices"


def test_the_first_failure_counts_and_else_the_worst_ratio_of_all_outputs() -> None:
    outputs = [expected([1.0], [0.5])] * 3
    assert judge([actual(1.25), actual(1.375), actual(1.0)], outputs).ratio == 0.75
    assert judge([actual(1.0), actual(3.0), actual(9.0)], outputs).ratio == 4.0


def test_a_case_is_undecided_where_more_than_half_of_its_elements_are() -> None:
    half = expected([1.0, 4.0], [8.0, 0.5])
    assert judge([actual(1.0, 4.0)], [half]).status is Status.PASS
    most = expected([1.0, 4.0, 4.0], [8.0, 8.0, 0.5])
    assert judge([actual(1.0, 4.0, 4.0)], [most]).status is Status.UNDECIDED
    assert judge([actual(1.0, 4.0, 4.0), actual(1.0)], [most, expected([1.0], [0.5])]).status is Status.PASS


def test_a_bound_as_large_as_the_largest_signal_still_says_something() -> None:
    assert judge([actual(1.0, 2.0)], [expected([1.0, -2.0], [2.0, 4.0])]).status is Status.PASS
    assert judge([actual(1.0)], [expected([1.0], [1.0])]).status is Status.PASS
    assert judge([actual(1.0)], [expected([1.0], [1.0000001])]).status is Status.UNDECIDED


def test_what_underflow_leaves_hides_nothing() -> None:
    middle = 2.0**-63  # of 1 and 2^-126, the smallest normal number of float32
    assert judge([actual(0.0)], [expected([0.0], [middle])]).status is Status.PASS
    assert judge([actual(0.0)], [expected([0.0], [2.0 * middle])]).status is Status.UNDECIDED


def test_a_true_nan_and_indices_are_never_undecided() -> None:
    assert judge([actual(np.nan, 1.0)], [expected([np.nan, 1.0], [np.nan, np.nan])]).status is not Status.UNDECIDED
    assert judge([actual(np.nan)], [expected([np.nan], [np.inf])]).status is Status.PASS
    nothing = np.zeros(1)
    index = Expected("indices", (1,), "int64", nothing, nothing, nothing, (frozenset({1}),))
    assert judge([Actual(np.array([1]), "int64")], [index]).status is Status.PASS


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_infinity_is_right_from_where_the_permitted_error_reaches_it(sign: float) -> None:
    largest, half = float(np.finfo(np.float32).max), 2.0**103  # a step above it is 2^104
    assert judge([actual(sign * np.inf)], [expected([sign * largest], [half])]).status is Status.PASS
    assert judge([actual(sign * np.inf)], [expected([sign * largest], [0.9 * half])]).status is Status.FAIL
    assert judge([actual(-sign * np.inf)], [expected([sign * largest], [half])]).status is Status.FAIL


def test_where_anything_is_permitted_everything_passes_but_a_number_for_nan() -> None:
    some = [1.0, 4.0, 4.0]
    bound = [np.inf, 0.5, 0.5]
    for got in (np.nan, np.inf, -np.inf, 7.0):
        verdict = judge([actual(got, 4.0, 4.0)], [expected(some, bound)])
        assert (verdict.status, verdict.ratio) == (Status.PASS, 0.0)
    assert judge([actual(7.0, 4.0, 4.0)], [expected([np.nan, 4.0, 4.0], bound)]).status is Status.FAIL


def test_the_worst_element_of_many_axes_is_found_at_its_index() -> None:
    high = np.ones((2, 3))
    got = high.copy()
    got[1, 2] = 1.25
    wanted = Expected("output", (2, 3), "float32", high, np.zeros((2, 3)), np.full((2, 3), 0.5))
    verdict = judge([Actual(got, "float32")], [wanted])
    assert (verdict.index, verdict.got, verdict.true, verdict.permitted) == ((1, 2), 1.25, 1.0, 0.5)

"""A case is a value: it prints as Python, goes to JSON and back, and always means the same numbers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import conformance
from conformance import Case, Indices, Literal, Values
from conformance.values import CLOSE, REGIMES, rounded
from oracle.formats import FORMATS

CASE = Case(
    "conv2d",
    "float32",
    {"input": Values((1, 2, 3), "gaussian", 7), "weight": Literal((2,), ("1/3", "inf")), "bias": None},
    {"stride": (1, 2), "weights": ((1, 2), (3,))},
)


def test_a_case_prints_as_the_python_that_makes_it() -> None:
    assert eval(repr(CASE), vars(conformance)) == CASE


def test_a_case_survives_json() -> None:
    assert Case.from_json(json.loads(json.dumps(CASE.to_json()))) == CASE


def test_tuples_of_tensors_survive_json() -> None:
    case = Case("lstm", "float64", {"weights": (Values((2,)), Indices((3,), 4, 1))})
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case


@given(
    st.sampled_from(sorted({*REGIMES, *CLOSE})),
    st.integers(0, 2**16),
    st.sampled_from(["float64", "float32", "bfloat16", "float16"]),
)
def test_every_regime_gives_numbers_of_the_format(regime: str, seed: int, format: str) -> None:
    values = Values((3, 5), regime, seed).array(format)
    assert values.shape == (3, 5)
    if values.dtype != bool:
        assert all(FORMATS[format].represents(x) for x in values.ravel().tolist())


def test_the_same_recipe_gives_the_same_numbers() -> None:
    # numpy's RandomState is frozen: these numbers may never change, or old reports could not be replayed
    assert Values((4,), "integers", 5).array("float64").tolist() == [-1.0, 2.0, 2.0, -4.0]


@given(st.floats(allow_nan=False, width=64), st.sampled_from(sorted(FORMATS)))
def test_arrays_round_like_scalars(x: float, format: str) -> None:
    np.testing.assert_equal(rounded(np.array([x]), format)[0], FORMATS[format].round(x))


def test_literals_are_rounded_to_the_format() -> None:
    assert Literal((2,), ("1/3", "0.5")).array("bfloat16").tolist() == [0.333984375, 0.5]


def test_indices_stay_below_their_limit() -> None:
    found = Indices((100,), 7, 3).array("float32")
    assert found.dtype == np.int64
    assert set(found.tolist()) == set(range(7))


def test_an_unknown_regime_is_refused() -> None:
    with pytest.raises(KeyError):
        Values((1,), "nonsense").array("float32")

"""Formats round as numpy and torch do, and as IEEE 754 says."""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import nearest

from conformance.values import rounded
from oracle.formats import FORMATS, Format, bfloat16, float16, float32, float64, tf32

NARROW = (float32, tf32, bfloat16, float16)
many = settings(max_examples=120, deadline=None)


def bits(values: list[float]) -> list[int]:
    """Their encodings, NaNs made equal: unlike ``==`` these tell the zeros apart."""
    return np.where(np.isnan(values), np.nan, values).view(np.int64).tolist()


def near(kind: Format) -> st.SearchStrategy[float]:
    """Binary64 numbers throughout and beyond the range of the format, many of them halfway between two of its own."""
    anywhere = st.floats(allow_nan=False)
    halfway = st.builds(
        lambda numerator, exponent: math.ldexp(numerator, exponent),
        st.integers(-(2 ** (kind.precision + 1)), 2 ** (kind.precision + 1)),
        st.integers(kind.emin - 2 * kind.precision, kind.emax - kind.precision + 1),
    )
    return anywhere | halfway | st.builds(math.nextafter, halfway, anywhere)


def by_torch(value: float, type: torch.dtype) -> float:
    return float(torch.tensor(value, dtype=torch.float64).to(type).double())


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(float64, torch.float64), (float32, torch.float32), (bfloat16, torch.bfloat16), (float16, torch.float16)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_precision_and_range_are_those_of_torch(kind: Format, dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    assert (kind.largest, kind.smallest_normal, 2.0 * kind.unit) == (info.max, info.smallest_normal, info.eps)
    assert kind.smallest == kind.smallest_normal * info.eps


def test_tf32_is_float32_with_the_precision_of_float16() -> None:
    assert tf32.precision == float16.precision
    assert (tf32.emin, tf32.emax) == (float32.emin, float32.emax)


@many
@given(near(float32))
def test_float32_is_rounded_to_as_numpy_does(value: float) -> None:
    with np.errstate(over="ignore"):
        assert bits([float32.round(value)]) == bits([float(np.float32(value))])


@many
@given(near(float16))
def test_float16_is_rounded_to_as_numpy_does(value: float) -> None:
    with np.errstate(over="ignore"):
        assert bits([float16.round(value)]) == bits([float(np.float16(value))])


@many
@given(near(bfloat16).map(float32.round))
def test_bfloat16_is_rounded_to_as_torch_does(value: float) -> None:
    assert bits([bfloat16.round(value)]) == bits([by_torch(value, torch.bfloat16)])


@pytest.mark.parametrize("kind", NARROW, ids=lambda kind: kind.name)
@many
@given(data=st.data())
def test_the_nearest_number_is_found_in_exact_arithmetic_as_well(kind: Format, data: st.DataObject) -> None:
    value = data.draw(near(kind).filter(math.isfinite))
    assert kind.round(value) == nearest(Fraction(value), kind)


@pytest.mark.parametrize("kind", NARROW, ids=lambda kind: kind.name)
@many
@given(data=st.data())
def test_arrays_are_rounded_like_numbers(kind: Format, data: st.DataObject) -> None:
    values = data.draw(st.lists(near(kind), max_size=5))
    found: Any = rounded(np.array(values, dtype=np.float64), kind.name)
    assert bits(found.tolist()) == bits([kind.round(value) for value in values])


@pytest.mark.parametrize("kind", NARROW, ids=lambda kind: kind.name)
@many
@given(data=st.data())
def test_a_number_is_represented_if_rounding_keeps_it(kind: Format, data: st.DataObject) -> None:
    value = data.draw(near(kind))
    assert kind.represents(value) == (kind.round(value) == value)
    assert kind.represents(kind.round(value))


@pytest.mark.parametrize(("kind", "dtype"), [(float16, torch.float16), (bfloat16, torch.bfloat16)])
def test_all_numbers_of_16_bits_are_represented_and_ties_go_to_the_even_one(kind: Format, dtype: torch.dtype) -> None:
    codes = torch.arange(0, 2**15, dtype=torch.int16)
    numbers = codes.view(dtype).double()
    finite = numbers[torch.isfinite(numbers)].tolist()
    assert len(finite) == 2 ** (kind.precision - 1) * (kind.emax - kind.emin + 2)
    assert all(map(kind.represents, finite))
    for code, (below, above) in enumerate(pairwise(finite)):
        middle = (below + above) / 2
        assert kind.round(middle) == (above if code % 2 else below)
        assert kind.round(-middle) == -kind.round(middle)
        assert not kind.represents(middle)


@pytest.mark.parametrize("kind", NARROW, ids=lambda kind: kind.name)
def test_a_result_overflows_from_half_a_step_above_the_largest_number_on(kind: Format) -> None:
    assert kind.overflow - kind.largest == math.ldexp(kind.unit, kind.emax)
    assert kind.round(math.nextafter(kind.overflow, 0.0)) == kind.largest
    assert kind.round(kind.overflow) == math.inf
    assert kind.round(-kind.overflow) == -math.inf


@pytest.mark.parametrize("kind", FORMATS.values(), ids=lambda kind: kind.name)
def test_special_values_and_zeros_stay(kind: Format) -> None:
    special = [math.inf, -math.inf, math.nan, 0.0, -0.0]
    assert bits([kind.round(value) for value in special]) == bits(special)
    assert [kind.represents(value) for value in special] == [True, True, False, True, True]


@pytest.mark.parametrize("kind", FORMATS.values(), ids=lambda kind: kind.name)
def test_the_unit_roundoff_is_the_largest_relative_error_of_a_rounding(kind: Format) -> None:
    midpoint = Fraction(1) + Fraction(kind.unit)
    assert nearest(midpoint, kind) == 1.0
    assert nearest(midpoint + Fraction(1, 2**80), kind) == 1.0 + 2.0 * kind.unit

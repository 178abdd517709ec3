"""The oracle reproduces every corrected number of the document, and every erratum is one."""

from fractions import Fraction
from itertools import chain
from typing import Any

import flint
import pytest

from conformance import golden, spec
from conformance.golden import Reading
from conformance.values import Literal
from oracle.evaluate import evaluate
from oracle.exact import Exact
from oracle.formulas import names

READINGS = [reading for layer in golden.names() for reading in golden.readings(layer)]


def exact_arguments(reading: Reading) -> dict[str, Any]:
    """The inputs as exact rationals: 0.1 is one tenth here, not the nearest binary number."""
    return {name: exact_argument(argument) for name, argument in reading.arguments.tensors.items()}


class Exactly:
    """An array whose elements are rationals in ball arithmetic."""

    def __init__(self, literal: Literal) -> None:
        self.shape = literal.shape
        self._values = [_ball(value) if isinstance(value, str) else value for value in literal.values]

    def ravel(self) -> "Exactly":
        return self

    def tolist(self) -> list[object]:
        return self._values


def _ball(value: str) -> flint.arb:
    if value in ("inf", "-inf", "nan"):
        return flint.arb(value)
    rational = Fraction(value)
    return flint.arb(flint.fmpq(rational.numerator, rational.denominator))


def exact_argument(argument: object) -> Any:
    if argument is None:
        return None
    if isinstance(argument, tuple):
        return tuple(map(exact_argument, argument))
    assert isinstance(argument, Literal)
    return Exactly(argument)


def half_unit(number: str) -> Fraction:
    """Half a unit of the last digit of a decimal; 0 for a fraction or an integer, which are exact."""
    if "/" in number or "." not in number:
        return Fraction(0)
    digits = number.partition("e")[0].partition(".")[2]
    exponent = int(number.partition("e")[2] or 0)
    return Fraction(10) ** (exponent - len(digits)) / 2


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: f"{r.example}: {r.name}")
def test_the_exact_oracle_reproduces_the_corrected_number(reading: Reading) -> None:
    with Exact(256):
        outputs = evaluate(reading.layer, exact_arguments(reading), reading.arguments.parameters)
        output = outputs[reading.output]
        assert output.shape == reading.shape
        for element, expected in zip(output.elements(), reading.expected, strict=True):
            if isinstance(element, frozenset):
                assert int(expected) in element
            elif expected == "nan":
                assert element.is_nan()
            else:
                error = abs(element - _ball(expected))
                slack = half_unit(expected)
                assert error.lower() <= flint.arb(flint.fmpq(slack.numerator, slack.denominator)), (element, expected)


ERRATA = [
    pytest.param(example, id=example["id"])
    for layer in golden.names()
    for example in golden.fixture(layer).get("example", ())
    if any("printed" in reading for reading in example["reading"])
]


@pytest.mark.parametrize("example", ERRATA)
def test_a_printed_number_is_called_wrong_exactly_where_it_differs(example: dict[str, Any]) -> None:
    intended = next(reading for reading in example["reading"] if "printed" in reading)
    wrong = any(
        differs(str(expected), str(printed))
        for expected, printed in zip(
            golden.literal(intended["expected"]).values, golden.literal(intended["printed"]).values, strict=True
        )
    )
    if "arithmetic" in example["kinds"]:
        assert wrong
    elif not example["kinds"]:
        assert not wrong


def differs(expected: str, printed: str) -> bool:
    """Whether the right number is further than half a unit of the last printed digit from the printed one."""
    if printed == "" or expected == "nan":
        return False
    unit = half_unit(printed) or (Fraction(0) if "/" in printed else Fraction(1, 2))
    return abs(Fraction(expected) - Fraction(printed)) > unit


def test_every_layer_of_the_suite_has_a_fixture() -> None:
    assert set(chain(spec.names(), names())) - {"default_initialisation"} <= set(golden.names())

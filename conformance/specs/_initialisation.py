"""What the initialisations share: tensors to fill, and the laws of what they are filled with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

from hypothesis import strategies as st

from conformance import law
from conformance.case import Arguments, Case
from conformance.expectation import arithmetic
from conformance.spec import Refusal
from conformance.specs._refusals import without_axes
from conformance.strategies import Shape, call, sides
from conformance.target import Declared
from conformance.values import Values
from oracle import initialisation
from oracle.envelope import EnvelopeArithmetic
from oracle.formats import FORMATS
from oracle.initialisation import GAINS, Distribution

# Of so many elements the root mean square has a deviation of 1 %. A scale wrong by 10 % is then rejected but for one
# time in a hundred, as 7.7 deviations are improbable. So is a normal distribution cut off at twice its deviation.
_ENOUGH = 5000

kaiming: dict[str, st.SearchStrategy[Any]] = {
    "a": st.sampled_from((0.0, 0.2, 1.0, 5.0**0.5)),
    "mode": st.sampled_from(("fan_in", "fan_out")),
    "nonlinearity": st.sampled_from(tuple(GAINS)),
}


@st.composite
def weights(draw: st.DrawFn, /, **parameters: st.SearchStrategy[Any]) -> Arguments:
    """A weight of a linear or convolutional layer, (out, in, *kernel), its two fans mostly far apart."""
    kernel = draw(sides(draw(st.integers(0, 3)), 30, most=4))
    ins = draw(st.integers(1, 300 // prod(kernel)))
    outs = -(-_ENOUGH // (ins * prod(kernel)))
    options = {name: draw(values) for name, values in parameters.items()}
    return call({"tensor": Values((outs, ins, *kernel))}, **options)


def filled_by(distribution: Callable[..., Distribution]) -> Callable[[Case, Declared], dict[str, law.Law]]:
    """The law of a tensor filled from a distribution, which depends on its shape and the parameters."""

    def laws(case: Case, declared: Declared) -> dict[str, law.Law]:
        tensor = case.tensors["tensor"]
        assert isinstance(tensor, Values)
        (found,) = drawn(lambda: [distribution(tensor.shape, **case.parameters)], [tensor.shape], case.format, declared)
        return {"tensor": found}

    return laws


def drawn(
    distributions: Callable[[], Sequence[Distribution]], shapes: Sequence[Shape], format: str, declared: Declared
) -> list[law.Law]:
    """The laws of tensors of these shapes, drawn from distributions whose scales are computed as declared."""
    with arithmetic(declared, format) as rules:
        return [_law(found, shape, format, rules) for found, shape in zip(distributions(), shapes, strict=True)]


def _law(distribution: Distribution, shape: Shape, format: str, rules: EnvelopeArithmetic) -> law.Law:
    # a draw of scale 1, random in all bits that a significand of the format has behind the point
    standard = rules.make(1.0, 2.0 * FORMATS[format].unit)
    match distribution:
        case initialisation.Constant(value):
            return law.Constant(shape, format, value)
        case initialisation.Padded(rows, padding):
            others = _law(rows, shape, format, rules)
            assert isinstance(others, law.Normal)
            return law.Padded(others, padding)
        # the scale that a draw is compared with is itself no more exact than the one it was made with
        case initialisation.Normal(deviation):
            error = rules.stored(standard * deviation).bound
            return law.Normal(shape, format, float(deviation), error + deviation.bound)
        case initialisation.Uniform(bound):
            error = rules.stored(standard * (bound + bound) - bound).bound
            return law.Uniform(shape, format, float(bound), error + bound.bound)


def refusals(call: Arguments) -> Iterator[Refusal]:
    """Tensors that have no two fans."""
    for rank in (0, 1):
        yield without_axes(call, "tensor", rank)

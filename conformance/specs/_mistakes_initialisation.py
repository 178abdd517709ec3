"""Classic mistakes of initialisations: other distributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from conformance.case import Case
from conformance.law import Law
from conformance.mistake import Mistake
from conformance.specs._initialisation import drawn, filled_by
from conformance.target import Declared
from conformance.values import Values
from oracle import initialisation as right
from oracle.initialisation import GAINS, Constant, Distribution, Normal, Padded, Uniform, fans
from oracle.scalar import Scalar, constant, sqrt

Shape = Sequence[int]
Change = Callable[[Distribution], Distribution]


def _filled(sentence: str, distribution: Callable[..., Distribution]) -> Mistake:
    """A tensor filled from another distribution."""
    return Mistake(sentence, law=filled_by(distribution))


def _rescaled(distribution: Distribution, of: Callable[[Scalar], Scalar]) -> Distribution:
    """The distribution with another scale."""
    match distribution:
        case Uniform(bound):
            return Uniform(of(bound))
        case Normal(deviation):
            return Normal(of(deviation))
        case Padded(rows, padding):
            return Padded(Normal(of(rows.deviation)), padding)
    return distribution


def _other_kind(distribution: Distribution) -> Distribution:
    """Uniform for normal and normal for uniform, of the same variance."""
    match distribution:
        case Uniform(bound):
            return Normal(bound / sqrt(constant(3)))
        case Normal(deviation):
            return Uniform(deviation * sqrt(constant(3)))
    return distribution


def _of_both(formula: Callable[..., Distribution]) -> dict[str, Mistake]:
    """What can be wrong in any distribution of a weight."""

    def changed(sentence: str, change: Change) -> Mistake:
        return _filled(sentence, lambda shape, **options: change(formula(shape, **options)))

    def scaled(sentence: str, of: Callable[[Scalar], Scalar]) -> Mistake:
        return changed(sentence, lambda found: _rescaled(found, of))

    return {
        "other_kind": changed("it is uniform for normal, or normal for uniform, of the same variance", _other_kind),
        "variance": scaled("the variance is taken for the scale", lambda scale: scale * scale),
        "root_three": scaled("deviation and bound are confused: √3 too small", lambda scale: scale / sqrt(constant(3))),
        "kernel_ignored": _filled(
            "fans are numbers of channels, without the places of the kernel",
            lambda shape, **options: formula(shape[:2], **options),
        ),
    }


def _without(formula: Callable[..., Distribution], **options: Any) -> Callable[..., Distribution]:
    """The distribution with these options, whatever is asked for."""
    return lambda shape, **given: formula(shape, **{**given, **options})


def of_xavier(formula: Callable[..., Distribution]) -> dict[str, Mistake]:
    """The mistakes of a Xavier initialisation."""

    def one_fan(shape: Shape, *, gain: float = 1.0) -> Distribution:
        into, out = fans(shape)
        return _rescaled(
            formula(shape, gain=gain), lambda scale: scale * sqrt(constant(Fraction(into + out, 2 * into)))
        )

    return {
        **_of_both(formula),
        "gain_ignored": _filled("the gain is ignored", _without(formula, gain=1.0)),
        "gain_squared": _filled("the gain is squared", lambda shape, *, gain: formula(shape, gain=gain * gain)),
        "fan_in": _filled("the fan is fan_in, not the mean of both", one_fan),
        "fans_added": _filled(
            "the sum of the fans is taken for their mean",
            lambda shape, **options: _rescaled(formula(shape, **options), lambda scale: scale / sqrt(constant(2))),
        ),
    }


def of_kaiming(formula: Callable[..., Distribution]) -> dict[str, Mistake]:
    """The mistakes of a Kaiming initialisation."""

    def gain_of(of: Callable[[Scalar], Scalar]) -> Callable[..., Distribution]:
        def distribution(shape: Shape, *, a: float, mode: str, nonlinearity: str) -> Distribution:
            gain = GAINS[nonlinearity](a)
            found = formula(shape, a=a, mode=mode, nonlinearity=nonlinearity)
            return _rescaled(found, lambda scale: scale * (of(gain) / gain))

        return distribution

    def mean_fan(shape: Shape, *, a: float, mode: str, nonlinearity: str) -> Distribution:
        into, out = fans(shape)
        used = {"fan_in": into, "fan_out": out}[mode]
        found = formula(shape, a=a, mode=mode, nonlinearity=nonlinearity)
        return _rescaled(found, lambda scale: scale * sqrt(constant(Fraction(2 * used, into + out))))

    return {
        **_of_both(formula),
        "axes_exchanged": _filled(
            "the weight is taken for (in, out, *kernel)",
            lambda shape, **options: formula((shape[1], shape[0], *shape[2:]), **options),
        ),
        "mode_ignored": _filled("mode is ignored: it is fan_in", _without(formula, mode="fan_in")),
        "gain_missing": _filled("the gain is left out", gain_of(lambda gain: constant(1))),
        "gain_squared": _filled("the gain is taken without its root", gain_of(lambda gain: gain * gain)),
        "slope_ignored": _filled("the slope a is ignored", _without(formula, a=0.0)),
        "always_relu": _filled("the gain is always that of relu", _without(formula, nonlinearity="relu")),
        "fan_mean": _filled("the fan is the mean of both, as in Xavier's", mean_fan),
    }


ZEROS_INIT = {
    "ones": _filled("the tensor is filled with ones", lambda shape: Constant(1)),
    "small_normal": _filled("small normal numbers are drawn", lambda shape: Normal(constant(Fraction(1, 100)))),
    "normal": _filled("standard normal numbers are drawn", lambda shape: Normal(constant(1))),
    "uniform": _filled("uniform numbers are drawn", lambda shape: Uniform(constant(1))),
    "small_uniform": _filled("small uniform numbers are drawn", lambda shape: Uniform(constant(Fraction(1, 20)))),
    "by_elements": _filled(
        "uniform numbers are drawn, the fewer elements the larger",
        lambda shape: Uniform(1 / sqrt(constant(max(prod(shape), 1)))),
    ),
}


# Parameters of a layer as it is made


def _default(sentence: str, of: Callable[..., Sequence[Distribution]]) -> Mistake:
    """Other distributions of the parameters: ``of(distributions, shapes, module)``."""

    def law(case: Case, declared: Declared) -> dict[str, Law]:
        weights = case.tensors["weights"]
        assert isinstance(weights, tuple)
        shapes = [weight.shape for weight in weights if isinstance(weight, Values)]
        module, padding = case.parameters["module"], case.parameters.get("padding_idx")

        def distributions() -> Sequence[Distribution]:
            found = right.default_initialisation(shapes, module=module, padding_idx=padding)
            return of(found, shapes, module)

        laws = drawn(distributions, shapes, case.format, declared)
        return {f"parameter {number}": each for number, each in enumerate(laws)}

    return Mistake(sentence, law=law)


def _each(change: Change) -> Callable[..., Sequence[Distribution]]:
    return lambda found, shapes, module: [change(each) for each in found]


def _zero_biases(found: Sequence[Distribution], shapes: Sequence[Shape], module: str) -> Sequence[Distribution]:
    return [
        Constant(0) if len(shape) == 1 and isinstance(each, Uniform) else each
        for each, shape in zip(found, shapes, strict=True)
    ]


def _own_fans(found: Sequence[Distribution], shapes: Sequence[Shape], module: str) -> Sequence[Distribution]:
    """Every weight by its own fan_in."""

    def own(each: Distribution, shape: Shape) -> Distribution:
        recurrent = module in ("rnn", "lstm", "gru") and len(shape) == 2
        return Uniform(1 / sqrt(constant(shape[1]))) if recurrent else each

    return [own(each, shape) for each, shape in zip(found, shapes, strict=True)]


def _fan_out(found: Sequence[Distribution], shapes: Sequence[Shape], module: str) -> Sequence[Distribution]:
    if module not in ("linear", "conv2d", "conv_transpose2d"):
        return found
    return [Uniform(1 / sqrt(constant(fans(shapes[0])[1])))] * len(found)


def _stacked_rows(found: Sequence[Distribution], shapes: Sequence[Shape], module: str) -> Sequence[Distribution]:
    """b = 1 / √(gates · hidden_size)."""
    if module not in ("lstm", "gru"):
        return found
    return [Uniform(1 / sqrt(constant(shapes[0][0])))] * len(found)


def _unstacked(found: Sequence[Distribution], shapes: Sequence[Shape], module: str) -> Sequence[Distribution]:
    if module != "multi_head_attention":
        return found
    width = shapes[0][1]
    return [right.xavier_uniform((width, width)), *found[1:]]


def _not_padded(distribution: Distribution) -> Distribution:
    return distribution.rows if isinstance(distribution, Padded) else distribution


def _exchanged(distribution: Distribution) -> Distribution:
    return Constant(1 - distribution.value) if isinstance(distribution, Constant) else distribution


def _larger(distribution: Distribution) -> Distribution:
    return _rescaled(distribution, lambda scale: scale * sqrt(constant(3)))


DEFAULT_INITIALISATION = {
    "other_kind": _default("uniform distributions are normal, of the same variance", _each(_other_kind)),
    "root_three": _default("bounds are √3 / √fan_in, those of the variance 1 / fan_in", _each(_larger)),
    "biases_zero": _default("biases are zero", _zero_biases),
    "recurrent_fans": _default("weights of recurrent layers go by their own fan_in, not by the hidden size", _own_fans),
    "recurrent_rows": _default("bounds of recurrent layers go by the rows of all gates", _stacked_rows),
    "fan_out": _default("bounds go by fan_out", _fan_out),
    "not_stacked": _default("in_proj_weight is drawn as three weights of their own", _unstacked),
    "padding_drawn": _default("the row padding_idx is drawn like the others", _each(_not_padded)),
    "exchanged": _default("zeros and ones are exchanged", _each(_exchanged)),
}

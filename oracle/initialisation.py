"""The laws of fresh parameters: the distribution that each element is drawn from, independently of all others.

Scales are written in the vocabulary of formulas, so every arithmetic can evaluate them. The document names the laws,
Model Initialization, lines 1296-1311; they are those of Glorot and Bengio 2010 (Xavier) and of He et al. 2015 (Kaiming)
as torch.nn.init documents them, and for the layers of torch.nn those of their documentation (section Variables) or,
where that is silent, of their method reset_parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from oracle.counts import STACKED
from oracle.scalar import Scalar, constant, sqrt


@dataclass(frozen=True)
class Constant:
    """Always ``value``."""

    value: int


@dataclass(frozen=True)
class Uniform:
    """Uniform between -``bound`` and ``bound``."""

    bound: Scalar


@dataclass(frozen=True)
class Normal:
    """Normal of mean 0 and standard deviation ``deviation``."""

    deviation: Scalar


@dataclass(frozen=True)
class Padded:
    """A matrix whose row ``padding`` is zero and whose other elements follow ``rows``."""

    rows: Normal
    padding: int


Distribution = Constant | Uniform | Normal | Padded
Shape = Sequence[int]


def fans(shape: Shape) -> tuple[int, int]:
    """fan_in = shape[1] K and fan_out = shape[0] K, K the number of positions of the kernel shape[2:].

    A weight is (out, in, *kernel), of a convolution with groups (out, in / groups, *kernel), of a transposed one
    (in, out / groups, *kernel): a fan counts one group of the second axis and all of the first, whichever they are.
    Source: torch.nn.init. Raises ``ValueError`` below two dimensions.
    """
    if len(shape) < 2:
        raise ValueError(f"fans need a weight of two dimensions or more, (out, in, *kernel), not the shape {shape}")
    outs, ins, *kernel = shape
    return ins * prod(kernel), outs * prod(kernel)


def _leaky(a: float) -> Scalar:
    slope = constant(a)
    return sqrt(2 / (1 + slope * slope))


# What the deviation is multiplied by to make up for the nonlinearity that follows; below 0 a leaky one has the slope a.
# Source: torch.nn.init.calculate_gain; for relu He et al. 2015, eq. 10, for leaky_relu eq. 15.
GAINS: dict[str, Callable[[float], Scalar]] = {
    "leaky_relu": _leaky,
    "relu": lambda a: sqrt(constant(2)),
    "tanh": lambda a: constant(Fraction(5, 3)),
    "selu": lambda a: constant(Fraction(3, 4)),
    "sigmoid": lambda a: constant(1),
    "linear": lambda a: constant(1),
    "conv1d": lambda a: constant(1),
    "conv2d": lambda a: constant(1),
    "conv3d": lambda a: constant(1),
    "conv_transpose1d": lambda a: constant(1),
    "conv_transpose2d": lambda a: constant(1),
    "conv_transpose3d": lambda a: constant(1),
}


def zeros_init(shape: Shape) -> Constant:
    """0. Source: the document, line 1311."""
    return Constant(0)


def xavier_uniform(shape: Shape, *, gain: float = 1.0) -> Uniform:
    """U(−b, b), b = gain √(6 / (fan_in + fan_out)). Source: the document, line 1310; Glorot and Bengio 2010, eq. 16."""
    return _uniform(_xavier(shape, gain))


def xavier_normal(shape: Shape, *, gain: float = 1.0) -> Normal:
    """N(0, s²), s = gain √(2 / (fan_in + fan_out)). Source: Glorot and Bengio 2010, eq. 12."""
    return Normal(_xavier(shape, gain))


def kaiming_uniform(shape: Shape, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Uniform:
    """U(−b, b), b = gain √(3 / fan), which has the variance of ``kaiming_normal``. Source and refusals: as there."""
    return _uniform(_kaiming(shape, a, mode, nonlinearity))


def kaiming_normal(shape: Shape, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Normal:
    """N(0, s²), s = gain / √fan, the fan that ``mode`` names.

    Source: the document, line 1296; He et al. 2015, eq. 10 for fan_in and eq. 14 for fan_out. Raises ``ValueError`` for
    another mode or an unknown nonlinearity.
    """
    return Normal(_kaiming(shape, a, mode, nonlinearity))


def default_initialisation(
    weights: Sequence[Shape], *, module: str, padding_idx: int | None = None
) -> Sequence[Distribution]:
    """The laws of the parameters of a layer of torch.nn as it is made, given their shapes in the layer's own order.

    All of a linear or convolutional layer: U(−b, b), b = 1 / √fan_in of its weight. All of a recurrent one:
    b = 1 / √hidden_size. An embedding: N(0, 1), its padding row 0. A normalisation: weight 1, bias 0. Multi-head
    attention (in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias): Xavier for the (3 E, E) of queries, keys
    and values stacked, as a linear layer for the output, biases 0. Raises ``ValueError`` for an unknown module.
    """
    first = weights[0]
    match module:
        case "linear" | "conv2d" | "conv_transpose2d":
            return [Uniform(1 / sqrt(constant(fans(first)[0])))] * len(weights)
        case "rnn" | "lstm" | "gru":
            return [Uniform(1 / sqrt(constant(first[0] // STACKED[module])))] * len(weights)
        case "embedding":
            rows = Normal(constant(1))
            return [rows if padding_idx is None else Padded(rows, padding_idx)]
        case "batch_norm" | "layer_norm" | "instance_norm" | "group_norm":
            return (Constant(1), Constant(0))[: len(weights)]
        case "multi_head_attention":
            output = Uniform(1 / sqrt(constant(first[1])))
            biased = (xavier_uniform(first), Constant(0), output, Constant(0))
            return biased if len(weights) == 4 else biased[::2]
    raise ValueError(f"no default initialisation is known for the module {module!r}")


def _uniform(deviation: Scalar) -> Uniform:
    """A uniform distribution reaches √3 times as far as its deviation."""
    return Uniform(sqrt(constant(3)) * deviation)


def _xavier(shape: Shape, gain: float) -> Scalar:
    return constant(gain) * sqrt(constant(2) / sum(fans(shape)))


def _kaiming(shape: Shape, a: float, mode: str, nonlinearity: str) -> Scalar:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode {mode!r} is neither 'fan_in' nor 'fan_out'")
    if nonlinearity not in GAINS:
        raise ValueError(f"no gain is known for the nonlinearity {nonlinearity!r}, only for {', '.join(GAINS)}")
    return GAINS[nonlinearity](a) / sqrt(constant(fans(shape)[mode == "fan_out"]))

"""Arrays made from a recipe: a shape, a regime and a seed.

A recipe is small, prints as Python and gives the same numbers everywhere: the generator is numpy's ``RandomState``,
whose streams are frozen (NEP 19). Every number is rounded to the format it is meant for, so inputs are exact in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from oracle.formats import FORMATS, Format

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


def rounded(values: Array, format: str) -> Array:
    """The nearest numbers of the format, ties to even, as binary64."""
    kind = FORMATS[format]
    if kind.precision == 53:
        return np.asarray(values, dtype=np.float64)
    step = np.maximum(np.frexp(values)[1], kind.emin + 1) - kind.precision
    with np.errstate(over="ignore"):
        nearest = np.ldexp(np.rint(np.ldexp(values, -step)), step)
    return np.asarray(np.where(np.abs(nearest) > kind.largest, np.copysign(np.inf, nearest), nearest))


def _ramp(random: RandomState, size: int) -> Array:
    return (np.arange(size) + random.randint(7)) % 7 - 3.0


def _integers(random: RandomState, size: int) -> Array:
    return np.asarray(random.randint(-4, 5, size), dtype=np.float64)


def _quarters(random: RandomState, size: int) -> Array:
    return random.randint(-16, 17, size) / 4.0


def _one_hot(random: RandomState, size: int) -> Array:
    return np.asarray(np.arange(size) == random.randint(max(size, 1)), dtype=np.float64)


def _gaussian(random: RandomState, size: int) -> Array:
    return random.standard_normal(size)


def _offset(random: RandomState, size: int, kind: Format) -> Array:
    mean = 10.0 ** random.randint(0, 4) * random.choice([-1.0, 1.0])
    spread = 10.0 ** random.randint(-3, 1)
    return np.asarray(mean + random.standard_normal(size) * max(spread, 4.0 * kind.unit * abs(mean)))


def _wide(random: RandomState, size: int) -> Array:
    return random.standard_normal(size) * 2.0 ** random.randint(-12, 5, size)


def _sparse(random: RandomState, size: int) -> Array:
    return random.standard_normal(size) * (random.random_sample(size) < 0.2)


def _near_ties(random: RandomState, size: int, kind: Format) -> Array:
    return 1.0 + random.randint(-2, 3, size) * max(2.0**-20, 4.0 * kind.unit)


def _positive(random: RandomState, size: int) -> Array:
    return np.asarray(2.0 ** random.randint(-3, 4, size))


def _spread(random: RandomState, size: int) -> Array:
    return np.asarray(np.exp(random.standard_normal(size)))


def _small(random: RandomState, size: int) -> Array:
    return random.standard_normal(size) / 4.0


def _steep(random: RandomState, size: int) -> Array:
    return (2.0 * random.random_sample(size) - 1.0) * 10.0 ** random.randint(0, 4)


def _constant(random: RandomState, size: int) -> Array:
    return np.full(size, float(random.choice([0, 1, -3, 10, 100, 1000])))


def _mask(random: RandomState, size: int) -> Array:
    return np.asarray(random.random_sample(size) < 0.7)


def _ignored(random: RandomState, size: int) -> Array:
    return np.asarray(random.random_sample(size) < 0.3)


def _additive_mask(random: RandomState, size: int) -> Array:
    return np.where(random.random_sample(size) < 0.7, random.standard_normal(size), -np.inf)


def _few(random: RandomState, size: int) -> Array:
    found = np.zeros(size)
    if size:
        places = [0, size - 1, *random.randint(size, size=4)]
        found[places] = random.randint(1, 5, len(places))
    return found


def _ends(random: RandomState, size: int) -> Array:
    found = np.zeros(size)
    found[[0, size - 1] if size else []] = random.randint(1, 5)
    return found


# Regimes whose small integers make every sum exact, the plainest first: Hypothesis shrinks towards the beginning.
LATTICE = ("ramp", "integers", "one_hot", "quarters")
REGIMES: dict[str, Callable[[RandomState, int], Array]] = {
    "ramp": _ramp,
    "integers": _integers,
    "one_hot": _one_hot,
    "quarters": _quarters,
    "gaussian": _gaussian,
    "wide": _wide,
    "sparse": _sparse,
    "positive": _positive,
    "spread": _spread,
    "small": _small,
    "steep": _steep,
    "constant": _constant,
    "mask": _mask,
    "ignored": _ignored,
    "additive_mask": _additive_mask,
    "few": _few,
    "ends": _ends,
}

# Those whose numbers lie so close to each other that a narrow format could not tell them apart.
CLOSE: dict[str, Callable[[RandomState, int, Format], Array]] = {"offset": _offset, "near_ties": _near_ties}


@dataclass(frozen=True)
class Values:
    """Floating-point numbers or booleans: ``regime`` names a row of ``REGIMES`` or ``CLOSE``."""

    shape: Shape
    regime: str = "ramp"
    seed: int = 0

    def array(self, format: str) -> Array:
        """The numbers, rounded to the format (binary64, or bool for a mask)."""
        size = int(np.prod(self.shape))
        random = RandomState(self.seed)
        if self.regime in CLOSE:
            values = CLOSE[self.regime](random, size, FORMATS[format])
        else:
            values = REGIMES[self.regime](random, size)
        values = values if values.dtype == bool else rounded(values, format)
        return values.reshape(self.shape)


@dataclass(frozen=True)
class Indices:
    """Integers from 0 to ``limit`` - 1."""

    shape: Shape
    limit: int
    seed: int = 0

    def array(self, format: str) -> Array:
        """The integers (int64); the format does not matter."""
        return RandomState(self.seed).randint(0, self.limit, self.shape).astype(np.int64)


@dataclass(frozen=True)
class Literal:
    """Numbers written out, in row-major order.

    Decimals or fractions as strings, or plain numbers; booleans; integers.
    """

    shape: Shape
    values: tuple[str | float | int | bool, ...]

    def array(self, format: str) -> Array:
        """The numbers rounded to the format; integers and booleans where all values are."""
        if self.values and all(type(value) in (bool, int) for value in self.values):
            return np.array(self.values).reshape(self.shape)
        return rounded(np.array(list(map(_binary64, self.values)), dtype=np.float64), format).reshape(self.shape)


_SPECIAL = ("inf", "-inf", "nan")


def _binary64(value: str | float) -> float:
    """The nearest number; a zero keeps its sign."""
    return float(value) if isinstance(value, float) or value in _SPECIAL else float(Fraction(value))


@dataclass(frozen=True)
class Special:
    """The numbers of ``base``, but for a box of them, which hold one value: a row of ``SPECIALS``.

    The box begins at ``corner`` and has these ``sides``.
    """

    base: Values | Special
    corner: Shape
    sides: Shape
    value: str

    @property
    def shape(self) -> Shape:
        return self.base.shape

    @property
    def regime(self) -> str:
        return self.base.regime

    def array(self, format: str) -> Array:
        """As the base's; its kind, number or boolean, stays."""
        values = self.base.array(format).copy()
        values[self.box] = SPECIALS[self.value](FORMATS[format])
        return values

    @property
    def box(self) -> tuple[slice, ...]:
        """Where the special values are."""
        return tuple(slice(begin, begin + side) for begin, side in zip(self.corner, self.sides, strict=True))


SPECIALS: dict[str, Callable[[Format], float]] = {
    "nan": lambda kind: math.nan,
    "inf": lambda kind: math.inf,
    "-inf": lambda kind: -math.inf,
    "0": lambda kind: 0.0,
    "-0": lambda kind: -0.0,
    "largest": lambda kind: kind.largest,
    "-largest": lambda kind: -kind.largest,
    "smallest_normal": lambda kind: kind.smallest_normal,
    "-smallest_normal": lambda kind: -kind.smallest_normal,
    "smallest": lambda kind: kind.smallest,
    "-smallest": lambda kind: -kind.smallest,
    "true": lambda kind: True,
    "false": lambda kind: False,
}

Recipe: TypeAlias = Values | Indices | Literal | Special
TensorArgument: TypeAlias = Recipe | None | tuple[Recipe, ...]


def leaves(argument: TensorArgument) -> tuple[Recipe, ...]:
    """The tensors that an argument is made of."""
    if argument is None:
        return ()
    return argument if isinstance(argument, tuple) else (argument,)

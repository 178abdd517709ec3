"""Laws of random outputs: what is certain about them, and what chance does not explain. Pure functions.

A test rejects where a conforming implementation would be as far off with a probability below ``IMPROBABLE``, so k tests
accuse it falsely with a probability of at most k * 1e-14. One output is put to at most four tests and one more for each
of its axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from scipy import stats
from scipy.special import bdtr, bdtrc, ndtr

from conformance.values import Array
from conformance.verdict import Actual, Status, Verdict, miscounted, misfit

IMPROBABLE = 1e-14


class Law(Protocol):
    """What one output may be."""

    def judge(self, actual: Actual) -> Verdict:
        """The verdict on the output; its ratio is 1 where chance, or rounding, reaches its limit."""
        ...


def judge(actual: Sequence[Actual], laws: Mapping[str, Law]) -> Verdict:
    """The verdict on all outputs of one call: that on the least probable."""
    if len(actual) != len(laws):
        return miscounted(actual, laws.keys())
    verdicts = [
        replace(law.judge(output), output=name) for output, (name, law) in zip(actual, laws.items(), strict=True)
    ]
    worst = _worst(verdicts)
    # to those who read a verdict a finite ratio is the error of one element
    return replace(worst, ratio=math.inf) if worst.status is Status.FAIL else worst


@dataclass(frozen=True)
class Mask:
    """Units kept independently, each with the same probability; ``find`` sees them in the output."""

    shape: tuple[int, ...]
    format: str
    probability: float
    find: Callable[[Array], Array]

    def judge(self, actual: Actual) -> Verdict:
        kept = (self.probability, self.probability)
        return _misfit(self, actual) or _independent(self.find(actual.values), *kept, "kept")


@dataclass(frozen=True)
class Constant:
    """Every element is exactly ``value``."""

    shape: tuple[int, ...]
    format: str
    value: float

    def judge(self, actual: Actual) -> Verdict:
        wrong = np.count_nonzero(actual.values != self.value)
        found = _failure(f"{wrong} elements are not {self.value:g}") if wrong else Verdict(Status.PASS)
        return _misfit(self, actual) or found


@dataclass(frozen=True)
class _Draws:
    """Independent draws from a continuous distribution symmetric about 0, of this ``scale``.

    A draw as large as the scale may be off by ``permitted``: the scale and the draw were rounded. Each test moves the
    draws to the most favourable place within their errors.
    """

    shape: tuple[int, ...]
    format: str
    scale: float
    permitted: float

    measure: ClassVar[str]  # what the scale is called

    def judge(self, actual: Actual) -> Verdict:
        found = _misfit(self, actual)
        if found or not actual.values.size:
            return found or Verdict(Status.PASS)
        if not np.all(np.isfinite(actual.values)):
            return _failure("an element is not finite")
        return _worst(self.tests(actual.values / self.scale, self.permitted / self.scale))

    def tests(self, values: Array, slack: float) -> list[Verdict]:
        """The tests of the values divided by the scale."""
        draws = np.sort(values, axis=None)
        doubt = float(self.share(np.array(slack))) - 0.5  # the probability of a draw too small for its sign to count
        return [
            self._largest(draws, slack),
            self._form(draws, slack),
            _independent(values > 0.0, 0.5 - doubt, 0.5 + doubt, "positive"),
        ]

    def share(self, x: Array) -> Array:
        """The distribution function of draws divided by the scale."""
        raise NotImplementedError

    def _largest(self, draws: Array, slack: float) -> Verdict:
        """Whether the largest magnitude is too small or too large. The number of larger ones is binomial."""
        largest = float(max(-draws[0], draws[-1]))
        error = slack * max(largest, 1.0)
        # the probability of a magnitude beyond the largest one, moved outwards and inwards
        outer, inner = 2.0 * self.share(np.array([-largest - error, min(error - largest, 0.0)]))
        return _tested(
            _twofold(bdtr(0, draws.size, outer), bdtrc(0, draws.size, inner)),
            f"{largest * self.scale:g} is the largest of {draws.size} elements, "
            f"{largest:.3g} times the {self.measure} of {self.scale:g}",
        )

    def _form(self, draws: Array, slack: float) -> Verdict:
        """Kolmogorov and Smirnov's test. Its exact distribution: Simard and L'Ecuyer, Journal of Statistical Software
        39 (2011).
        """
        error = slack * np.maximum(np.abs(draws), 1.0)
        ranks = np.arange(draws.size + 1) / draws.size
        distance = max(np.max(ranks[1:] - self.share(draws + error)), np.max(self.share(draws - error) - ranks[:-1]))
        chance = float(stats.kstwo.sf(distance, draws.size))
        return _tested(chance, f"the distribution function of {draws.size} elements is off by {distance:.2g}")


class Uniform(_Draws):
    """A uniform distribution between -``scale`` and ``scale``."""

    measure = "bound"

    def share(self, x: Array) -> Array:
        return np.asarray(np.clip((x + 1.0) / 2.0, 0.0, 1.0))


class Normal(_Draws):
    """A normal distribution of mean 0 and standard deviation ``scale``."""

    measure = "standard deviation"

    def tests(self, values: Array, slack: float) -> list[Verdict]:
        return [*super().tests(values, slack), self._spread(values, slack)]

    def share(self, x: Array) -> Array:
        return np.asarray(ndtr(x))

    def _spread(self, values: Array, slack: float) -> Verdict:
        """The sum of squares of n standard normal draws is distributed as chi squared with n degrees of freedom."""
        length = float(np.linalg.norm(values))
        error = slack * float(np.linalg.norm(np.maximum(np.abs(values), 1.0)))
        below = stats.chi2.cdf((length + error) ** 2, values.size)
        above = stats.chi2.sf(max(length - error, 0.0) ** 2, values.size)
        root = length / math.sqrt(values.size) * self.scale
        return _tested(
            _twofold(below, above),
            f"{root:g} is the root mean square of {values.size} elements, expected {self.scale:g}",
        )


@dataclass(frozen=True)
class Padded:
    """A matrix whose row ``padding`` is zero; all others follow the law ``rows`` of the whole matrix."""

    rows: Uniform | Normal
    padding: int

    def judge(self, actual: Actual) -> Verdict:
        if found := _misfit(self.rows, actual):
            return found
        row, others = actual.values[self.padding], np.delete(actual.values, self.padding, axis=0)
        zero = Constant(row.shape, self.rows.format, 0.0)
        rows = replace(self.rows, shape=others.shape)
        return _worst([zero.judge(replace(actual, values=row)), rows.judge(replace(actual, values=others))])


def _misfit(law: Mask | Constant | _Draws, actual: Actual) -> Verdict | None:
    return misfit(actual, law.shape, law.format)


def _independent(events: Array, low: float, high: float, name: str) -> Verdict:
    """Independent events of one probability, which lies between ``low`` and ``high``.

    Tested are their number, and the number of disjoint pairs in which both happen or neither does: of neighbours along
    each axis, and, for short counters, of those a power of two apart in memory. All are binomial.
    """
    verdicts = [_binomial(events, low, high, name)]
    alike = [p * p + (1.0 - p) * (1.0 - p) for p in (low, high, min(max(low, 0.5), high))]
    for axis, side in enumerate(events.shape):
        pairs = np.moveaxis(events, axis, 0)[: side - side % 2]
        what = f"pairs of neighbours along axis {axis} alike in being {name}"
        verdicts.append(_binomial(pairs[::2] == pairs[1::2], min(alike), max(alike), what))
    for exponent in range(1, events.size.bit_length() - 1):
        apart = 2**exponent
        first, second = np.swapaxes(
            events.ravel()[: events.size // (2 * apart) * 2 * apart].reshape(-1, 2, apart), 0, 1
        )
        what = f"pairs of elements {apart} apart alike in being {name}"
        verdicts.append(_binomial(first == second, min(alike), max(alike), what))
    return _worst(verdicts)


def _binomial(events: Array, low: float, high: float, name: str) -> Verdict:
    count, size = int(np.count_nonzero(events)), events.size
    chance = _twofold(bdtr(count, size, low), bdtrc(count - 1, size, high))
    return _tested(chance, f"{count} of {size} {name}, expected a share of {(low + high) / 2.0:g}")


def _twofold(below: float, above: float) -> float:
    """The probability of being as far off on either side, from those of at most as much and of at least as much."""
    return min(2.0 * float(min(below, above)), 1.0)


def _tested(chance: float, finding: str) -> Verdict:
    """The verdict on a finding when this is the probability of one at least as extreme."""
    ratio = math.log(chance) / math.log(IMPROBABLE) if chance > 0.0 else math.inf
    if ratio > 1.0:
        return Verdict(Status.FAIL, ratio, f"{finding}; the probability of that is {chance:.1e}")
    return Verdict(Status.PASS, ratio)


def _failure(reason: str) -> Verdict:
    return Verdict(Status.FAIL, math.inf, reason)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: verdict.ratio)

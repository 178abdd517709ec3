"""Errors of long sums against their typical size. Pure functions.

The permitted error of a sum of n products grows like n; the errors of an honest sum grow like √n, since roundings
are as often up as down. Here the errors of many independent sums are judged together, which sees what a bound for each
alone cannot: products rounded to a narrower format, partial sums kept in one, or roundings that all go one way.

**Assumptions.** For each sum: (1) the signs of its terms are fair coins, thrown independently of each other, of the
magnitudes, and of all other sums judged with it (at most one term, a bias, is exempt); (2) the order of the additions
does not depend on the signs; (3) the bits that a rounding to nearest discards are fair coins, a tie goes either way.
(1) holds of Gaussian data when every sum has inputs of its own, one for each term. (3) is how the model of Higham and
Mary comes about, by which roundings are of mean zero whatever those before were (A new approach to probabilistic
rounding error analysis, SIAM J. Sci. Comput. 41, 2019, model 2.1).

**Typical size.** A computed sum is off by exactly the sum of what its roundings did. By (3) they are uncorrelated, and
one that discards k bits of a result s in [2^e, 2^(e+1)) has the variance u² 4^e (1 + 2 / 4^k) / 3 <= u² s² / 2. By (1)
and (2) the mean square of a partial sum is Σ t² over its terms, times at most 1 + u²/2 for each rounding before. The
additions of n terms form a binary tree with n - 1 inner nodes, so they contribute Σ t² depth(t) u²/2. The depths of no
J leaves of any tree add up to more than (n - 1) + (n - 1) + (n - 2) + … + (n - J + 1): J - 1 nodes split them, and have
at most 2, …, J of them below; the other n - J nodes have at most all J. Hence the worst order is the sequential one
from the largest term on, and its variance holds for every order: sequential, pairwise, blocked, with fused
multiply-adds.

**Squares.** Let X be a squared error divided by that variance, so that its mean is at most 1. Then the product of
1 + λ (X - 1) over independent sums has a mean of at most 1 for each λ in [0, 1], and so has an average of such products
over several λ. It exceeds 10^14 with a probability of at most 10^-14 (Markov's inequality; Waudby-Smith and Ramdas,
Estimating means of bounded random variables by betting, J. R. Stat. Soc. B 86, 2024). No more is assumed of the errors
than their mean square.

**Signs.** By (3) an error is as likely to be towards zero as away from it: the number of either is binomial.

A last rounding to a storage format narrower than the compute format is taken out: an error counts by what is left
of it when the stored number is moved, within half a step, to the place nearest to the truth. So a half-precision result
tells of its sum only where that made it round the other way; float32 sums hardly ever do.

What is declared widens the variance: another compute format by its u; partial sums that are stored by the u of the
storage format; factors rounded to a narrower format by both relative errors at their largest. With such factors signs
are not judged, since one of them may be shared by all sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, logsumexp

from conformance.law import IMPROBABLE
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Status, Verdict
from oracle.formats import FORMATS, Format
from oracle.terms import Sum, depths

# The λ of the averaged products: from all sums a little off to one of some hundreds far off.
_STAKES = 2.0 ** -np.arange(1.0, 9.0)


def judge(values: Array, sums: Sequence[Sum], declared: Declared, format: str) -> Verdict:
    """The verdict on computed sums, a vector of numbers of the storage format; its ratio is 1 where chance reaches its
    limit. Falsely FAIL with a probability of at most 2e-14.
    """
    if not np.all(np.isfinite(values)):
        return Verdict(Status.FAIL, math.inf, "an element is not finite")
    errors = scaled(values, sums, declared, format)
    about = f"{len(sums)} sums of about {int(np.median([_terms(each).size for each in sums]))} terms"
    findings = [_squares(errors, about, declared)]
    if declared.operands is None:
        below = np.array([_error(0.0, each) for each in sums])  # zero is off towards zero
        findings.append(_signs(np.sign(errors * below), about))
    chance, finding = min(findings)
    ratio = max(chance / math.log(IMPROBABLE), 0.0) + 0.0  # a negative zero would be shown as such
    if ratio <= 1.0:
        return Verdict(Status.PASS, ratio)
    return Verdict(Status.FAIL, math.inf, f"{finding}; the probability of that is {_power_of_ten(chance)}")


def scaled(values: Array, sums: Sequence[Sum], declared: Declared, format: str) -> Array:
    """The errors of computed sums, each divided by its typical size."""
    compute, storage = FORMATS[declared.compute], FORMATS[format]
    errors = np.array([_error(value, each) for value, each in zip(values, sums, strict=True)])
    if storage != compute:
        errors = _unexplained(errors, values, storage)
    return np.asarray(errors / np.sqrt([variance(each, declared, format) for each in sums]))


def _error(value: float, exact: Sum) -> float:
    """How far a value is from the exact sum, rounded once."""
    parts = np.concatenate(_products(np.array(exact.xs, dtype=np.float64), np.array(exact.ys, dtype=np.float64)))
    return -math.fsum([-value, *parts[parts != 0.0].tolist()])


def _terms(exact: Sum) -> Array:
    """The products that are not zero."""
    terms = np.array(exact.xs, dtype=np.float64) * np.array(exact.ys, dtype=np.float64)
    return np.asarray(terms[terms != 0.0])


def _products(xs: Array, ys: Array) -> tuple[Array, Array]:
    """Each product as a number and its rounding error (Dekker, Numerische Mathematik 18, 1971)."""
    products = xs * ys
    (a, b), (c, d) = _halves(xs), _halves(ys)
    return products, b * d - (((products - a * c) - b * c) - a * d)


def _halves(xs: Array) -> tuple[Array, Array]:
    """Each number as a sum of two with at most 26 significant bits."""
    scaled = xs * (2.0**27 + 1.0)
    high = scaled - (scaled - xs)
    return high, xs - high


def variance(exact: Sum, declared: Declared, format: str) -> float:
    """The mean square of the error, over the signs of the terms, in the order that is worst."""
    compute, storage = FORMATS[declared.compute], FORMATS[format]
    squares = np.sort(_terms(exact) ** 2)
    count, square = squares.size, float(np.sum(squares))
    computed, stored = compute.unit**2 / 2, storage.unit**2 / 2 if exact.kept else 0.0
    factors = 0.0 if declared.operands is None else (1.0 + FORMATS[declared.operands].unit) ** 2 - 1.0
    grown = (1.0 + computed) ** count * (1.0 + stored) ** (count + 1) * (1.0 + factors) ** 2
    rounded = computed * (square + float(depths(count) @ squares)) + stored * exact.kept  # products, additions; stores
    tiny = [compute.smallest_normal if declared.flush else compute.smallest / 2, storage.smallest / 2 * bool(stored)]
    return factors**2 * square + grown * rounded + 2 * count * (tiny[0] ** 2 + tiny[1] ** 2)


def _unexplained(errors: Array, values: Array, storage: Format) -> Array:
    """What is left of the errors when each value is moved by up to half a step of the storage format."""
    exponents = np.maximum(np.frexp(values)[1], storage.emin + 1) - storage.precision
    return np.asarray(np.copysign(np.maximum(np.abs(errors) - np.ldexp(0.5, exponents), 0.0), errors))


def _squares(errors: Array, about: str, declared: Declared) -> tuple[float, str]:
    """The logarithm of a probability, and what is that improbable: errors, divided by their typical size, so large."""
    gains = [math.fsum(np.log1p(stake * (errors**2 - 1.0))) for stake in _STAKES]
    chance = min(math.log(_STAKES.size) - float(logsumexp(gains)), 0.0)
    root = math.sqrt(float(np.mean(errors**2)))
    declares = declared.compute if declared.operands is None else f"{declared.compute} with {declared.operands} factors"
    return chance, f"the errors of {about} are {root:.3g} times their typical size in {declares} (root mean square)"


def _signs(directions: Array, about: str) -> tuple[float, str]:
    """The same for the numbers of errors that are towards zero (1) and away from it (-1)."""
    towards, away = int(np.count_nonzero(directions > 0.0)), int(np.count_nonzero(directions < 0.0))
    chance = min(2.0 * float(bdtr(min(towards, away), towards + away, 0.5)), 1.0)
    return math.log(chance), f"of the errors of {about} {towards} are towards zero and {away} away from it"


def _power_of_ten(chance: float) -> str:
    return f"at most 1e{math.ceil(chance / math.log(10.0))}"

"""What a multiply-add costs in each arithmetic of the oracle, and in other ways to compute exactly.

    python -m benchmarks.arithmetics

prints microseconds of processor time per multiply-add of a dot product of float32 numbers. The derivatives are those
towards all factors, the dot product itself included.
"""

from __future__ import annotations

import importlib
import math
import random
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from operator import mul

from oracle.envelope import EnvelopeArithmetic
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import float32, float64, tf32
from oracle.reverse import Reverse
from oracle.scalar import Arithmetic

SIZES = (64, 1000)
_SECONDS = 0.05  # of each measurement, of which the best of five counts
Values = Sequence[float]
Contender = Callable[[Values, Values], Callable[[], object]]


def dot_in(arithmetic: Arithmetic, prepared: Callable[[float], float] = float) -> Contender:
    """The dot product of the arithmetic, of numbers as they are or as they are ``prepared``."""

    def prepare(xs: Values, ys: Values) -> Callable[[], object]:
        left, right = ([arithmetic.lift(prepared(v)) for v in values] for values in (xs, ys))
        return lambda: arithmetic.dot(left, right)

    return prepare


def with_errors(arithmetic: EnvelopeArithmetic) -> Contender:
    """The dot product of rounded numbers."""

    def prepare(xs: Values, ys: Values) -> Callable[[], object]:
        left, right = ([arithmetic.lift(v) / 3 for v in values] for values in (xs, ys))
        return lambda: arithmetic.dot(left, right)

    return prepare


def derivatives(reverse: Reverse) -> Contender:
    """The dot product, and its derivatives towards all factors."""

    def prepare(xs: Values, ys: Values) -> Callable[[], object]:
        left, right = ([reverse.lift(v) for v in values] for values in (xs, ys))
        one = reverse.base.lift(1.5)
        return lambda: reverse.gradient([(reverse.dot(left, right), one)], [*left, *right])

    return prepare


def by_operators(lift: Callable[[float], object]) -> Contender:
    """Σ x y of another library's numbers."""

    def prepare(xs: Values, ys: Values) -> Callable[[], object]:
        left, right = ([lift(v) for v in values] for values in (xs, ys))
        return lambda: sum(map(mul, left, right))

    return prepare


def contenders() -> Iterator[tuple[str, Arithmetic, Contender]]:
    """A name, an arithmetic to put in force, and a dot product."""
    fast, exact = Fast(), Exact(128)
    envelope, wide = EnvelopeArithmetic(float32), EnvelopeArithmetic(float64)
    narrowed = EnvelopeArithmetic(float32, operands=tf32)
    yield "fast", fast, dot_in(fast)
    yield "exact, 128 bits", exact, dot_in(exact)
    yield "envelope, float32", envelope, dot_in(envelope)
    yield "envelope, float32, small integers", envelope, dot_in(envelope, round)
    yield "envelope, float32, rounded factors", envelope, with_errors(envelope)
    yield "envelope, float32, tf32 operands", narrowed, dot_in(narrowed)
    yield "envelope, float64", wide, dot_in(wide)
    for base in (fast, exact, envelope):
        reverse = Reverse(base)
        yield f"derivatives, {base.name.partition(' computed')[0]}", reverse, derivatives(reverse)
    yield "fractions.Fraction", fast, by_operators(Fraction)
    try:
        mpmath = importlib.import_module("mpmath")
    except ImportError:
        return
    mpmath.mp.prec = 128
    yield "mpmath.mpf, 128 bits", fast, by_operators(mpmath.mpf)
    mpmath.iv.prec = 128
    yield "mpmath.iv.mpf, 128 bits", fast, by_operators(mpmath.iv.mpf)


def microseconds(call: Callable[[], object]) -> float:
    """Processor time of a call, the best of five measurements."""
    timer = timeit.Timer(call, timer=time.process_time)
    once = max(timer.timeit(1), 1e-7)
    number = math.ceil(_SECONDS / once)
    return min(timer.repeat(5, number)) / number * 1e6


def main() -> None:
    """Print the table."""
    print(f"{'µs per multiply-add, n =':36}" + "".join(f"{size:>10}" for size in SIZES))
    for name, arithmetic, prepare in contenders():
        costs = []
        for size in SIZES:
            numbers = random.Random(size)
            xs, ys = ([float32.round(numbers.gauss(0.0, 3.0)) for _ in range(size)] for _ in range(2))
            with arithmetic:
                costs.append(microseconds(prepare(xs, ys)) / size)
        print(f"{name:36}" + "".join(f"{cost:10.3f}" for cost in costs))


if __name__ == "__main__":
    main()

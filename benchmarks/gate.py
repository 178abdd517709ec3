"""Which ways of adding the two gates reject: the bound of each element, and the typical error of many.

    python -m benchmarks.gate

prints for honest and for broken float32 sums of 16 to 4096 products of Gaussian numbers the worst error divided by the
permitted one, and the root mean square error divided by its typical size; a star where a gate rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from conformance.case import Case
from conformance.checks.typical import asked, chosen
from conformance.expectation import expect
from conformance.target import Declared, Target
from conformance.typical import judge as typical_judge
from conformance.typical import scaled
from conformance.values import Array, rounded
from conformance.verdict import Actual, Status, Verdict, judge

Rounding = Callable[[Array], Array]
Adding = Callable[[Array, Rounding], Array]
# Sums of products along the last axis, of binary64 numbers; and so is the result.
Implementation = Callable[[Array, Array], Array]


def to(format: str) -> Rounding:
    """To nearest."""
    if format in ("float32", "float16"):  # the same as ``rounded``, and faster
        return lambda values: values.astype(format).astype(np.float64)
    return lambda values: rounded(values, format)


def truncated(values: Array) -> Array:
    """Towards zero in float32, from binary64."""
    nearest = values.astype(np.float32)
    inner = np.nextafter(nearest, np.float32(0.0))
    return np.where(np.abs(nearest) > np.abs(values), inner, nearest).astype(np.float64)


float32 = to("float32")


# Ways of adding terms along the last axis. The binary64 sum of two float32 numbers, rounded once more, is their
# correctly rounded sum (Figueroa, When is double rounding innocuous?, 1995).


def sequential(terms: Array, nearest: Rounding) -> Array:
    total = np.zeros(terms.shape[:-1])
    for k in range(terms.shape[-1]):
        total = nearest(total + terms[..., k])
    return total


def backwards(terms: Array, nearest: Rounding) -> Array:
    return sequential(terms[..., ::-1], nearest)


def largest_first(terms: Array, nearest: Rounding) -> Array:
    return sequential(np.take_along_axis(terms, np.argsort(-np.abs(terms), axis=-1), axis=-1), nearest)


def pairwise(terms: Array, nearest: Rounding) -> Array:
    count = terms.shape[-1]
    if count == 1:
        return terms[..., 0]
    half = count // 2
    return nearest(pairwise(terms[..., :half], nearest) + pairwise(terms[..., half:], nearest))


def interleaved(lanes: int) -> Adding:
    """As many accumulators, each taking every so manieth term, added up in the end."""

    def added(terms: Array, nearest: Rounding) -> Array:
        return sequential(sequential(np.swapaxes(_split(terms, lanes), -1, -2), nearest), nearest)

    return added


def blocked(size: int) -> Adding:
    """Blocks of so many neighbours, each added up, then the blocks."""

    def added(terms: Array, nearest: Rounding) -> Array:
        return sequential(sequential(_split(terms, size), nearest), nearest)

    return added


def _split(terms: Array, size: int) -> Array:
    missing = -terms.shape[-1] % size
    padded = np.concatenate([terms, np.zeros((*terms.shape[:-1], missing))], axis=-1)
    return padded.reshape(*terms.shape[:-1], -1, size)


def compensated(terms: Array, nearest: Rounding) -> Array:
    """Kahan's sum."""
    total, lost = np.zeros(terms.shape[:-1]), np.zeros(terms.shape[:-1])
    for k in range(terms.shape[-1]):
        corrected = nearest(terms[..., k] - lost)
        grown = nearest(total + corrected)
        total, lost = grown, nearest(nearest(grown - total) - corrected)
    return total


# Implementations.


def summed(add: Adding, *, sums: Rounding = float32, products: Rounding = float32) -> Implementation:
    return lambda xs, ys: float32(add(products(xs * ys), sums))


def fused(add: Adding) -> Implementation:
    """The product is not rounded (and the sum twice, of which the first, to binary64, is not seen)."""
    return lambda xs, ys: add(xs * ys, float32)


def in_float64(xs: Array, ys: Array) -> Array:
    return float32(np.sum(xs * ys, axis=-1))


def library(xs: Array, ys: Array) -> Array:
    return np.sum((xs * ys).astype(np.float32), axis=-1).astype(np.float64)


def narrowed(factors: Rounding, *, both: bool = True) -> Implementation:
    return lambda xs, ys: pairwise(float32(factors(xs) * (factors(ys) if both else ys)), float32)


def in_two_parts(xs: Array, ys: Array) -> Array:
    """Each factor as a sum of two bfloat16 numbers; the product of the smaller parts is left out."""
    narrow = to("bfloat16")
    (a, b), (c, d) = ((narrow(z), narrow(z - narrow(z))) for z in (xs, ys))
    return pairwise(float32(a * c + (a * d + b * c)), float32)


HONEST: dict[str, Implementation] = {
    "sequential": summed(sequential),
    "sequential, backwards": summed(backwards),
    "sequential, largest first": summed(largest_first),
    "pairwise": summed(pairwise),
    "numpy.sum": library,
    "8 accumulators": summed(interleaved(8)),
    "16 accumulators": summed(interleaved(16)),
    "32 accumulators": summed(interleaved(32)),
    "blocks of 8": summed(blocked(8)),
    "blocks of 32": summed(blocked(32)),
    "blocks of 256": summed(blocked(256)),
    "fused, sequential": fused(sequential),
    "fused, 16 accumulators": fused(interleaved(16)),
    "compensated": summed(compensated),
    "accumulated in float64": in_float64,
}
BROKEN: dict[str, Implementation] = {
    "tf32 factors": narrowed(to("tf32")),
    "one tf32 factor": narrowed(to("tf32"), both=False),
    "bfloat16 factors": narrowed(to("bfloat16")),
    "factors of two bfloat16 parts": in_two_parts,
    "bfloat16 products": summed(pairwise, products=to("bfloat16")),
    "float16 products": summed(pairwise, products=to("float16")),
    "float16 sums, sequential": summed(sequential, sums=to("float16")),
    "float16 sums, pairwise": summed(pairwise, sums=to("float16")),
    "float16 sums, blocks of 32": summed(blocked(32), sums=to("float16")),
    "bfloat16 sums, sequential": summed(sequential, sums=to("bfloat16")),
    "bfloat16 sums, pairwise": summed(pairwise, sums=to("bfloat16")),
    "truncated, sequential": summed(sequential, sums=truncated, products=truncated),
    "truncated, fused": summed(sequential, sums=truncated, products=lambda exact: exact),
    "truncated, 8 accumulators": summed(interleaved(8), sums=truncated, products=truncated),
    "truncated, pairwise": summed(pairwise, sums=truncated, products=truncated),
}


class Emulated(Target):
    """A linear layer that adds in one of these ways, its bias as one more term."""

    formats = ("float32",)

    def __init__(self, name: str, implementation: Implementation, declared: Declared | None = None) -> None:
        self.name = name
        self._implementation = implementation
        self._declared = declared or Declared("float32")

    def declared(self, layer: str, format: str) -> Declared:
        return self._declared

    def linear(self, input: Array, weight: Array, bias: Array | None = None) -> Array:
        xs, ys = np.broadcast_arrays(input[..., None, :].astype(np.float64), weight.astype(np.float64))
        if bias is not None:
            ones = np.ones((*xs.shape[:-1], 1))
            xs = np.concatenate([ones, xs], axis=-1)
            ys = np.concatenate([ones * bias[:, None].astype(np.float64), ys], axis=-1)
        return self._implementation(xs, ys).astype(input.dtype)


def questions(target: Target, seed: int = 0) -> Iterator[tuple[int, Case]]:
    """The numbers of products, and the case for each."""
    for case in asked("linear", "float32", target, seed):
        if case.upstream is None:
            yield case.tensors["weight"].shape[-1], case  # type: ignore[union-attr]


def main() -> None:
    targets = {name: Emulated(name, each) for name, each in {**HONEST, **BROKEN}.items()}
    rows: dict[str, list[str]] = {name: [] for name in targets}
    lengths = []
    for length, case in questions(Emulated("", library)):
        lengths.append(length)
        declared = Declared("float32")
        expected = expect(case, declared)
        _, sums = chosen(case, declared)
        arrays = [array.astype(np.float32) for array in case.arrays().values() if isinstance(array, np.ndarray)]
        for name, target in targets.items():
            output = target.linear(*arrays).astype(np.float64)
            bound = judge([Actual(output, "float32")], expected)
            values, exact = np.array([output[place] for place in sums]), list(sums.values())
            typical = typical_judge(values, exact, declared, "float32")
            root = float(np.sqrt(np.mean(scaled(values, exact, declared, "float32") ** 2)))
            rows[name].append(f"{_starred(bound.ratio, bound)} {_starred(root, typical)}")
    print("error / permitted, and root mean square error / typical size; * rejected\n")
    print(f"{'products':30}" + "".join(f"{length:>17}" for length in lengths))
    for name, row in rows.items():
        print(f"{name:30}" + "".join(f"{cell:>17}" for cell in row))


def _starred(number: float, verdict: Verdict) -> str:
    return f"{number:.2g}{'*' if verdict.status is Status.FAIL else ' '}"


if __name__ == "__main__":
    main()

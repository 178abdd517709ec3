"""The typical error of long sums: no honest order of adding is rejected, every hidden loss of precision is.

The bound of each element alone misses much of what is rejected here, on the very same sums of 16, 64, 255, 256, 1024
and 4096 products (``python -m benchmarks.gate`` prints by how much):

* factors or products rounded to tf32 or float16: from 1024 on; to bfloat16: from 4096 on;
* partial sums in float16, pairwise: at 4096; in any other order, or in bfloat16, it rejects them;
* factors of two bfloat16 parts: from 64 on;
* truncation instead of rounding to nearest: everywhere.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState
from scipy import stats

from benchmarks.gate import (
    BROKEN,
    HONEST,
    Emulated,
    blocked,
    float32,
    fused,
    in_float64,
    interleaved,
    largest_first,
    narrowed,
    pairwise,
    questions,
    sequential,
    summed,
    to,
)
from conformance import Case, Status, Target, Unsupported, load
from conformance.checks.typical import asked, cases, chosen, examine
from conformance.expectation import expect
from conformance.law import IMPROBABLE
from conformance.spec import OUTPUT, spec
from conformance.target import Declared
from conformance.typical import judge, scaled, variance
from conformance.values import Array, rounded
from conformance.verdict import Actual, Verdict
from conformance.verdict import judge as judge_elements
from oracle.terms import Sum, Terms

LENGTHS = (16, 64, 255, 256, 1024, 4096)
FLOAT32 = Declared("float32")


def drawn(seed: int, samples: int, length: int, format: str = "float32") -> tuple[Array, Array]:
    """Factors: one row for all sums, and one for each."""
    random = RandomState(seed)
    xs = rounded(random.standard_normal((samples, length)), format)
    return xs, np.broadcast_to(rounded(random.standard_normal(length), format), xs.shape)


def exactly(xs: Array, ys: Array) -> list[Sum]:
    return [Sum(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]


# No honest sum is rejected


@pytest.mark.parametrize("name", HONEST)
def test_no_honest_order_is_rejected_or_near_it_more_often_than_claimed(name: str) -> None:
    ratios = []
    for seed, length in itertools.product(range(12), (16, 64, 255, 256)):
        xs, ys = drawn(seed, 64, length)
        verdict = judge(HONEST[name](xs, ys), exactly(xs, ys), FLOAT32, "float32")
        assert verdict.status is Status.PASS
        ratios.append(verdict.ratio)
    near = sum(ratio > math.log(0.01) / math.log(IMPROBABLE) for ratio in ratios)
    assert near <= stats.binom.isf(IMPROBABLE, len(ratios), 2 * 0.01)


@pytest.mark.parametrize("length", [1024, 4096])
@pytest.mark.parametrize("name", HONEST)
def test_no_honest_order_is_rejected_in_long_sums(name: str, length: int) -> None:
    for seed in range(3):
        xs, ys = drawn(seed, 64, length)
        assert judge(HONEST[name](xs, ys), exactly(xs, ys), FLOAT32, "float32").status is Status.PASS


def trees(leaves: tuple[float, ...]) -> Iterator[float]:
    """Over all binary trees of these leaves, the sum of leaf times depth."""
    if len(leaves) == 1:
        yield 0.0
    first, *rest = leaves
    for size in range(len(rest)):
        for others in itertools.combinations(range(len(rest)), size):
            left = (first, *(rest[k] for k in others))
            right = tuple(rest[k] for k in range(len(rest)) if k not in others)
            yield from (sum(leaves) + a + b for a in trees(left) for b in trees(right))


@pytest.mark.parametrize("length", range(1, 7))
def test_the_variance_is_that_of_the_worst_of_all_trees(length: int) -> None:
    terms = RandomState(length).standard_normal(length)
    squares = tuple((terms**2).tolist())
    worst = sum(squares) + max(trees(squares))  # a rounding for each product, and one for each addition
    assert variance(Sum(terms.tolist(), [1.0] * length), FLOAT32, "float32") == pytest.approx(
        2.0**-49 * worst, rel=1e-12
    )


def test_the_mean_square_is_near_one_in_the_worst_order_and_smaller_in_others() -> None:
    """Below 1 by what the mantissas of partial sums are above 1: the mean of 1/m² is 0.54 where log m is uniform."""
    xs, ys = drawn(0, 2000, 64)
    sizes = {
        add.__name__: float(np.mean(scaled(summed(add)(xs, ys), exactly(xs, ys), FLOAT32, "float32") ** 2))
        for add in (largest_first, sequential, pairwise)
    }
    assert 1.0 > sizes["largest_first"] > sizes["sequential"] > sizes["pairwise"]
    assert sizes["largest_first"] > 1 / 4


# Whatever is broken is rejected


@pytest.mark.parametrize("name", BROKEN)
def test_every_loss_of_precision_is_rejected_at_every_length(name: str) -> None:
    target = Emulated(name, BROKEN[name])
    found = {length: examine(target, case).status for length, case in questions(target)}
    assert found == dict.fromkeys(LENGTHS, Status.FAIL)


@cache
def question(length: int) -> tuple[Case, list[Any]]:
    call = spec("linear").sums[OUTPUT](length, 32, 0)
    case = Case("linear", "float32", call.tensors, call.parameters)
    return case, expect(case, FLOAT32)


MISSED = {
    "tf32 factors": (1024, 4096),
    "float16 products": (1024, 4096),
    "bfloat16 factors": (4096,),
    "bfloat16 products": (4096,),
    "float16 sums, pairwise": (4096,),
    "factors of two bfloat16 parts": (64, 4096),
    "truncated, sequential": (16, 4096),
    "truncated, pairwise": (16, 4096),
}


@pytest.mark.parametrize("name", MISSED)
def test_the_bound_of_each_element_misses_what_the_typical_error_shows(name: str) -> None:
    for length in MISSED[name]:
        case, expected = question(length)
        arrays = [array.astype(np.float32) for array in case.arrays().values() if isinstance(array, np.ndarray)]
        output = Emulated(name, BROKEN[name]).linear(*arrays)
        assert judge_elements([Actual(output.astype(np.float64), "float32")], expected).status is Status.PASS


def test_the_reason_names_what_is_improbable() -> None:
    xs, ys = drawn(0, 256, 64)
    found = judge(BROKEN["tf32 factors"](xs, ys), exactly(xs, ys), FLOAT32, "float32")
    assert "errors of 256 sums of about 64 terms are" in found.reason
    assert (
        "times their typical size in float32 (root mean square); the probability of that is at most 1e-" in found.reason
    )
    found = judge(BROKEN["truncated, pairwise"](xs, ys), exactly(xs, ys), FLOAT32, "float32")
    assert "are towards zero and" in found.reason
    assert (found.status, found.ratio) == (Status.FAIL, math.inf)


def test_the_limit_of_the_signs_is_that_of_the_binomial_distribution() -> None:
    counts = np.arange(101)
    most = int(np.flatnonzero(2.0 * stats.binom.sf(counts - 1, 100, 0.5) >= IMPROBABLE)[-1])
    for away, status in {most: Status.PASS, most + 1: Status.FAIL}.items():
        for sign in (1.0, -1.0):
            values = sign + 2.0**-25 * sign * np.where(np.arange(100) < away, 1.0, -1.0)
            assert judge(values, [Sum([sign], [1.0])] * 100, FLOAT32, "float32").status is status


def test_squares_of_mean_one_are_rejected_as_rarely_as_claimed_however_heavy_their_tails() -> None:
    """Squares are 0, or with probability p 1/p: no law of mean 1 has a heavier tail."""
    unit = math.sqrt(variance(Sum([1.0], [1.0]), FLOAT32, "float32"))
    for p in (0.5, 0.1, 0.01):
        hits = RandomState(0).random_sample((60, 100)) < p
        signs = RandomState(1).choice([-1.0, 1.0], (60, 100))
        for row in 1.0 + signs * hits * unit / math.sqrt(p):
            assert judge(row, [Sum([1.0], [1.0])] * 100, FLOAT32, "float32").status is Status.PASS


def test_sums_that_are_exact_have_a_ratio_of_plain_zero() -> None:
    verdict = judge(np.ones(3), [Sum([1.0], [1.0])] * 3, FLOAT32, "float32")
    assert (verdict.status, math.copysign(1.0, verdict.ratio)) == (Status.PASS, 1.0)
    assert verdict.ratio == 0.0


# Other formats, and what is declared


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("format", ["bfloat16", "float16"])
def test_half_precision_results_of_float32_sums_pass(format: str, name: str) -> None:
    for seed, length in itertools.product(range(3), (16, 256, 1024)):
        xs, ys = drawn(seed, 128, length, format)
        values = rounded(HONEST[name](xs, ys), format)
        assert judge(values, exactly(xs, ys), FLOAT32, format).status is Status.PASS


@pytest.mark.parametrize("add", [sequential, pairwise, blocked(32), interleaved(8)])
@pytest.mark.parametrize("length", [16, 64, 256, 1024])
@pytest.mark.parametrize("format", ["bfloat16", "float16"])
def test_sums_in_half_precision_itself_are_rejected(format: str, length: int, add: Any) -> None:
    xs, ys = drawn(0, 128, length, format)
    values = summed(add, sums=to(format), products=to(format))(xs, ys)
    assert judge(values, exactly(xs, ys), FLOAT32, format).status is Status.FAIL
    assert judge(values, exactly(xs, ys), Declared(format), format).status is Status.PASS


@pytest.mark.parametrize("length", [16, 256])
def test_a_half_precision_result_that_is_truncated_is_rejected(length: int) -> None:
    xs, ys = drawn(0, 128, length, "bfloat16")
    step = 2.0 ** (np.frexp(in_float64(xs, ys))[1] - 8)
    values = np.trunc(in_float64(xs, ys) / step) * step
    assert judge(values, exactly(xs, ys), FLOAT32, "bfloat16").status is Status.FAIL


def in_sequence(terms: Array) -> Array:
    return np.cumsum(terms, axis=-1)[..., -1]


@pytest.mark.parametrize("length", [16, 256, 4096])
def test_float64_sums_are_held_to_float64(length: int) -> None:
    declared = Declared("float64")
    for seed in range(3):
        xs, ys = drawn(seed, 64, length, "float64")
        exact = exactly(xs, ys)
        assert judge(in_sequence(xs * ys), exact, declared, "float64").status is Status.PASS
        assert judge(np.sum(xs * ys, axis=-1), exact, declared, "float64").status is Status.PASS
        assert judge(np.sum(to("float32")(xs) * ys, axis=-1), exact, declared, "float64").status is Status.FAIL


@pytest.mark.parametrize("length", LENGTHS)
def test_declared_tf32_factors_pass_and_narrower_ones_do_not(length: int) -> None:
    declared = Declared("float32", operands="tf32", reason="tensor cores")
    for seed in range(3):
        xs, ys = drawn(seed, 128, length)
        exact = exactly(xs, ys)
        assert judge(narrowed(to("tf32"))(xs, ys), exact, declared, "float32").status is Status.PASS
        assert judge(narrowed(to("bfloat16"))(xs, ys), exact, declared, "float32").status is Status.FAIL


def test_declared_float16_sums_pass_in_every_order_and_bfloat16_sums_do_not() -> None:
    xs, ys = drawn(0, 128, 256)
    for add in (sequential, pairwise, largest_first, blocked(32)):
        values = summed(add, sums=to("float16"), products=to("float16"))(xs, ys)
        assert judge(values, exactly(xs, ys), Declared("float16"), "float32").status is Status.PASS
    values = summed(sequential, sums=to("bfloat16"))(xs, ys)
    assert judge(values, exactly(xs, ys), Declared("float16"), "float32").status is Status.FAIL


def test_what_is_accurate_by_norm_alone_is_unsupported_and_not_passed() -> None:
    target = Emulated("strassen", fused(pairwise), Declared("float32", normwise=True))
    for _, case in questions(target):
        verdict = examine(target, case)
        assert verdict.status is Status.UNSUPPORTED
        assert "no typical size is known" in verdict.reason


def test_derivatives_of_which_nothing_is_promised_are_unsupported() -> None:
    (case, *_) = kinds("linear", True)
    verdict = examine(Emulated("forward alone", in_float64, Declared("float32", undeclared="none promised")), case)
    assert (verdict.status, verdict.reason) == (Status.UNSUPPORTED, "none promised")


# The check as a target meets it


GATED = ("avg_pool2d", "conv2d", "conv_transpose2d", "custom_linear", "embedding", "linear")


class Wrapped(Target):
    """torch with one layer altered."""

    def __init__(self, alter: Callable[..., Any]) -> None:
        self._torch = load("torch-cpu")
        self._alter = alter
        self.name = "altered"
        for name in ("array", "arranged", "read", "vjp", "declared", "seed", "layouts"):
            setattr(self, name, getattr(self._torch, name))

    def layer(self, name: str) -> Callable[..., Any]:
        honest = self._torch.layer(name)
        assert honest is not None
        return lambda *tensors, **parameters: self._alter(honest, *tensors, **parameters)


def on_bfloat16(honest: Callable[..., Any], *tensors: Any, **parameters: Any) -> Any:
    narrow = (t.bfloat16().float() if t is not None and t.is_floating_point() else t for t in tensors)
    return honest(*narrow, **parameters)


def derived_in_bfloat16(honest: Callable[..., Any], *tensors: Any, **parameters: Any) -> Any:
    """Forward as it should be; the derivative of the output is rounded on its way back."""
    result = honest(*tensors, **parameters)
    for output in result if isinstance(result, tuple) else (result,):
        output.register_hook(lambda derivative: derivative.bfloat16().float())
    return result


def kinds(layer: str, *wanted: bool) -> list[Case]:
    """The cases of a layer that ask for derivatives, or for outputs."""
    return [case for case in asked(layer, "float32", load("torch-cpu"), 1) if (case.upstream is not None) in wanted]


@pytest.mark.parametrize("layer", GATED)
def test_torch_passes(layer: str) -> None:
    target = load("torch-cpu")
    assert {examine(target, case).status for case in cases(layer, "float32", target, 100)} == {Status.PASS}


@pytest.mark.parametrize("layer", [name for name in GATED if kinds(name, False)])
def test_outputs_of_narrowed_inputs_fail(layer: str) -> None:
    for case in kinds(layer, False):
        assert examine(Wrapped(on_bfloat16), case).status is Status.FAIL


@pytest.mark.parametrize("layer", [name for name in GATED if kinds(name, True)])
def test_derivatives_of_narrowed_cotangents_fail(layer: str) -> None:
    for case in kinds(layer, True):
        assert examine(Wrapped(derived_in_bfloat16), case).status is Status.FAIL


def verdict_of(alter: Callable[..., Any], *, derivatives: bool = False) -> Verdict:
    return examine(Wrapped(alter), kinds("linear", derivatives)[0])


def unsupported(*arguments: Any, **parameters: Any) -> Any:
    raise Unsupported("no such layer here")


def test_what_breaks_the_protocol_fails_by_name() -> None:
    assert verdict_of(lambda honest, *t: honest(*t)[:, 0]).reason == "shape (256,), expected (256, 3)"
    assert verdict_of(lambda honest, *t: honest(*t).double()).reason == "format float64, expected float32"
    assert verdict_of(lambda honest, *t: honest(*t) * math.nan).reason == "an element is not finite"
    assert verdict_of(lambda honest, *t: ()).reason == "returned no output"
    assert verdict_of(lambda honest, *t: honest(*t).detach(), derivatives=True).status is Status.FAIL
    assert verdict_of(unsupported).status is Status.UNSUPPORTED


@pytest.mark.parametrize("layer", GATED)
def test_each_sum_has_a_random_input_of_its_own_for_every_term_but_a_bias(layer: str) -> None:
    every = asked(layer, "float64", load("torch-cpu"), 0)  # no two Gaussian inputs are the same number
    outputs = [case for case in every if case.upstream is None][:3]
    for case in outputs + [case for case in every if case.upstream is not None]:
        shape, sums = chosen(case, Declared("float64"))
        assert len(sums) == shape[0] > 30
        met = Counter(factor for each in sums.values() for factor in itertools.chain(each.xs, each.ys))
        for each in sums.values():
            terms = [(x, y) for x, y in zip(each.xs, each.ys, strict=True) if x * y != 0.0]
            assert sum(met[x] > 1 and met[y] > 1 for x, y in terms) <= 1


def test_a_sum_is_divided_by_powers_of_two_alone() -> None:
    with Terms() as arithmetic:
        found = -arithmetic.total([1.0, 3.0]) / 4
        assert (found.xs, found.ys) == ([1.0, 3.0], [-0.25, -0.25])
        with pytest.raises(ValueError, match="only a division by a power of two rounds nothing"):
            arithmetic.total([1.0]) / 3
        with pytest.raises(TypeError):
            arithmetic.exp(arithmetic.dot([1.0], [2.0], 3.0))


@pytest.mark.parametrize("length", [64, 256, 1024])
@pytest.mark.parametrize("format", ["bfloat16", "float16"])
def test_sums_may_be_stored_step_by_step_where_that_is_declared(format: str, length: int) -> None:
    xs, ys = drawn(0, 128, length, format)
    products = float32(xs * ys)
    first, second = products[:, ::2], products[:, 1::2]
    with Terms() as arithmetic:
        by_steps = [arithmetic.accumulated(row) for row in products.tolist()]
        of_halves = [
            arithmetic.accumulated([arithmetic.total(a), arithmetic.total(b)])
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
    narrow = to(format)
    for add in (sequential, largest_first, pairwise):
        values = add(narrow(products), lambda sums: narrow(float32(sums)))
        assert judge(values, by_steps, FLOAT32, format).status is Status.PASS
    values = sequential(narrow(products), lambda sums: narrow(float32(sums)))
    assert judge(values, of_halves, FLOAT32, format).status is Status.FAIL
    values = narrow(narrow(pairwise(first, float32)) + narrow(pairwise(second, float32)))
    assert judge(values, of_halves, FLOAT32, format).status is Status.PASS


def test_a_sum_that_is_stored_and_then_added_to_counts_its_storing() -> None:
    with Terms() as arithmetic:
        found = arithmetic.dot([3.0], [2.0], 1.0)
        assert (found.square, found.kept, (found + 0.0).kept, (found + 5.0).kept) == (37.0, 0.0, 0.0, 37.0)
        # four terms are stored, and the partial sums of the largest two and of three
        assert arithmetic.accumulated([1.0, 2.0, 3.0, 4.0]).kept == (1 + 4 + 9 + 16) + (9 + 16) + (4 + 9 + 16)


@pytest.mark.parametrize("format", ["bfloat16", "float16"])
def test_torch_adds_to_rows_of_an_embedding_in_half_precision_and_must_declare_it(
    format: str,
) -> None:
    target = load("torch-cpu")
    (case,) = asked("embedding", format, target, 0)
    assert examine(target, case).status is Status.PASS
    target.declared = lambda layer, format: Declared("float32")
    assert examine(target, case).status is Status.FAIL

"""Worked numbers that no layer computes follow from the numbers that the document states."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt, prod
from typing import Any

import numpy as np
import pytest

from conformance import golden

# Fractions as short as these that are nearer to each other than this are equal; roots are right to more digits.
NEGLIGIBLE = Fraction(1, 10**40)


def exact(nested: Any) -> np.ndarray:
    """An array of fractions."""
    literal = golden.literal(nested.tolist() if isinstance(nested, np.ndarray) else nested)
    found = np.empty(len(literal.values), dtype=object)
    found[:] = [Fraction(value) for value in literal.values]
    return found.reshape(literal.shape)


def ramp(*shape: int) -> np.ndarray:
    """1, 2, 3, … in row-major order."""
    return exact(np.arange(1, prod(shape) + 1).reshape(shape))


def root(x: Fraction | int) -> Fraction:
    """The square root, exact where it is rational, else to 50 digits."""
    x = Fraction(x)
    return Fraction(isqrt(x.numerator * x.denominator * 10**100), x.denominator * 10**50)


def mean(x: np.ndarray, *axes: int, keepdims: bool = False) -> np.ndarray:
    return np.asarray(x.mean(axis=axes, keepdims=keepdims), dtype=object)


def deviation(x: np.ndarray, *axes: int, keepdims: bool = False) -> np.ndarray:
    """The population deviation."""
    squares = (x - mean(x, *axes, keepdims=True)) ** 2
    return np.frompyfunc(root, 1, 1)(mean(squares, *axes, keepdims=keepdims))


def affine(x: np.ndarray, centre: Any, divisor: str) -> np.ndarray:
    """(x - centre) / divisor · γ + β with the γ = 1, 2, … and β = -1, -2, … of the document along the last axis."""
    scale = ramp(x.shape[-1])
    return (x - exact(centre)) / Fraction(divisor) * scale - scale


def repeated(x: np.ndarray, *shape: int) -> np.ndarray:
    return np.broadcast_to(x, shape)


def on_diagonal(position: Fraction | int) -> Fraction:
    """The image 1, 2; 3, 4 at (position, position), counted from 0, between the pixels and with zeros outside."""
    hats = [max(Fraction(0), 1 - abs(position - pixel)) for pixel in (0, 1)]
    return np.asarray(hats) @ ramp(2, 2) @ np.asarray(hats)


def log_softmax_of_softmax(*scores: int) -> list[Fraction]:
    with localcontext() as context:
        context.prec = 50
        powers = [Decimal(score).exp() for score in scores]
        weights = [power / sum(powers) for power in powers]
        normaliser = sum(weight.exp() for weight in weights).ln()
        return [Fraction(weight - normaliser) for weight in weights]


def stated(example: str, reading: int = 0) -> dict[str, Any]:
    """A reading of another worked number in a fixture."""
    (found,) = (entry for layer in golden.names() for entry in entries(layer) if entry["id"] == example)
    chosen: dict[str, Any] = found["reading"][reading]
    return chosen


def entries(layer: str) -> list[dict[str, Any]]:
    return list(golden.fixture(layer).get("example", ()))


def transposed_projection(example: str) -> np.ndarray:
    inputs = stated(example)["inputs"]
    return exact(inputs["weight"]) @ exact(inputs["input"]).swapaxes(-1, -2)


BATCH = ramp(3, 3, 4)
INSTANCE = ramp(2, 3, 4)
LAYER = ramp(2, 3)
NORMALISED = (LAYER - mean(LAYER, 1, keepdims=True)) / deviation(LAYER, 1, keepdims=True)
SCALED = affine(NORMALISED, 0, "1")
# Six channels in two groups over two samples and over one; three channels in one group and in three.
GROUPS = [ramp(2, 2, 48), ramp(1, 2, 48), ramp(2, 1, 48), ramp(2, 3, 16)]
# The inner expressions of the instance normalisation, which its outer ones scale and shift once more.
INSTANCE_INNER = affine(INSTANCE, [[["2.5"]], [["14.5"]]], "1.12")
# Two heads of four queries and four keys, and the product that the document prints: query, key, channel.
WEIGHTS = exact(stated("multi-head-attention-last-result")["inputs"]["input"]).reshape(4, 2, 4).swapaxes(0, 1)
COLUMNS = ramp(4, 3)[:, :2]
PRODUCT = np.concatenate(
    [
        exact(stated("multi-head-attention-product")["printed"]),
        exact(
            [
                [["0.3"], ["2.4"], ["1.8"], ["3.6"]],
                [["1.8"], ["4.8"], ["4.5"], ["5.5"]],
                [["1.8"], ["3.6"], ["4.5"], ["3.6"]],
                [["3.6"], ["4.8"], ["8.1"], ["7.9"]],
            ]
        ),
    ],
    axis=2,
)
HALF, THIRD, QUARTER = Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)

DERIVATIONS: dict[str, dict[str, Any]] = {
    "batch-norm-example-mean": {
        "channels last: one mean per column, repeated for the three rows": repeated(mean(BATCH, 0, 1), 3, 4),
        "channels on dimension 1, repeated for the four columns": repeated(mean(BATCH, 0, 2)[:, None], 3, 4),
        "per position over the batch": mean(BATCH, 0),
    },
    "batch-norm-example-deviation": {
        "channels last": repeated(deviation(BATCH, 0, 1), 3, 4),
        "channels on dimension 1": repeated(deviation(BATCH, 0, 2)[:, None], 3, 4),
        "per position over the batch": deviation(BATCH, 0),
    },
    "batch-norm-example-result": {
        "the printed expressions taken literally": affine(BATCH, [[[7]], [[19]], [[31]]], "3.5"),
    },
    "batch-norm-example-expression-mean": {
        "channels last: matrix by column": repeated(mean(BATCH, 0, 1), 3, 4),
        "per matrix": repeated(mean(BATCH, 1, 2)[:, None], 3, 4),
    },
    "batch-norm-example-expression-deviation": {
        "channels last": deviation(BATCH, 0, 1),
        "per matrix": deviation(BATCH, 1, 2),
    },
    "conv2d-bias-once": {"bias inside the sum": [[[[4 * (1 * 1 + 1)]]]]},
    "group-norm-example-mean": {
        "six channels, values 1 to 192, two groups": repeated(mean(GROUPS[0], 2)[..., None], 2, 2, 4),
        "one sample of six channels, values 1 to 96, two groups": mean(GROUPS[1], 2),
        "three channels as printed, one group": mean(GROUPS[2], 2),
        "three channels as printed, three groups": mean(GROUPS[3], 2),
    },
    "group-norm-example-deviation": {
        "six channels, values 1 to 192, two groups": repeated(deviation(GROUPS[0], 2)[..., None], 2, 2, 4),
        "one sample of six channels, values 1 to 96, two groups": deviation(GROUPS[1], 2),
        "three channels as printed, one group": deviation(GROUPS[2], 2),
        "three channels as printed, three groups": deviation(GROUPS[3], 2),
    },
    "instance-norm-example-mean": {
        "one mean per sample and channel": mean(INSTANCE, 2),
        "one mean per sample, as the text says": mean(INSTANCE, 1, 2),
        "channels last": mean(INSTANCE, 1),
    },
    "instance-norm-example-deviation": {
        "one deviation per sample and channel": deviation(INSTANCE, 2),
        "one deviation per sample, as the text says": deviation(INSTANCE, 1, 2),
        "channels last": deviation(INSTANCE, 1),
    },
    "instance-norm-example-result": {
        "the inner expressions taken literally": INSTANCE_INNER,
        "the whole expression taken literally": affine(INSTANCE_INNER, 0, "1"),
    },
    "kaiming-normal-example": {
        "standard deviation, weight (out, in)": root(Fraction(2, 3)),
        "standard deviation, the same weight laid out (in, out)": root(Fraction(2, 2)),
    },
    "kaiming-uniform-example": {
        "bound, weight (out, in)": root(Fraction(6, 3)),
        "bound, the same weight laid out (in, out)": root(Fraction(6, 2)),
    },
    "layer-norm-example-mean": {
        "one mean per sample": mean(LAYER, 1, keepdims=True),
        "one mean per feature, as the text says": mean(LAYER, 0),
    },
    "layer-norm-example-deviation": {
        "one deviation per sample": deviation(LAYER, 1, keepdims=True),
        "one deviation per feature, as the text says": deviation(LAYER, 0),
    },
    "layer-norm-example-result": {
        "the printed expressions taken literally": affine(LAYER, [["2.5"], ["4.5"]], "1.5"),
    },
    "layer-norm-output-mean": {
        "per feature, after γ and β": mean(SCALED, 0),
        "per sample, after γ and β": mean(SCALED, 1),
        "per sample, before γ and β, ε = 0": mean(NORMALISED, 1),
    },
    "layer-norm-output-deviation": {
        "per feature, after γ and β": deviation(SCALED, 0),
        "per sample, after γ and β": deviation(SCALED, 1),
        "per sample, before γ and β, ε = 0": deviation(NORMALISED, 1),
    },
    "log-softmax-applied-twice": {"probabilities in place of scores": log_softmax_of_softmax(2, 0, -1)},
    **{
        example: {"W Xᵀ, its transpose": transposed_projection(example)}
        for example in (
            "multi-head-attention-projected-queries",
            "multi-head-attention-projected-keys",
            "multi-head-attention-projected-values",
        )
    },
    "multi-head-attention-root-of-key-width": {
        "d_k = 2, as given": root(2),
        "d_k = 1, two heads of the width 2": root(1),
    },
    "multi-head-attention-split-columns": {"first and second column": COLUMNS.T[..., None]},
    "multi-head-attention-weight-sums": {
        "sum over the keys, head by query": WEIGHTS.sum(axis=2),
        "sum over the queries, head by key": WEIGHTS.sum(axis=1),
    },
    "multi-head-attention-stack": {
        "query, key, head": WEIGHTS.transpose(1, 2, 0),
        "key, query, head": WEIGHTS.transpose(2, 1, 0),
    },
    "multi-head-attention-product": {
        "query, key, head: A_h[i][j] · X[j][h]": WEIGHTS.transpose(1, 2, 0) * COLUMNS,
        "the stack as printed: A_h[j][i] · X[j][h]": WEIGHTS.transpose(2, 1, 0) * COLUMNS,
    },
    "multi-head-attention-last-result": {"the printed product summed over its second dimension": PRODUCT.sum(axis=1)},
    "scaled-dot-product-attention-mask-on-scores": {
        "weights set to zero after the softmax": [[THIRD * 3 + THIRD * 6]],
        "the same, divided by the sum of the weights": [[(THIRD * 3 + THIRD * 6) / (THIRD + THIRD)]],
    },
    "upsample-bilinear-pixel": {
        "the printed weights on the printed neighbours": Fraction(1 * 1 + 3 * 2 + 3 * 3 + 9 * 4, 16),
        "align_corners=False, counted from 0": on_diagonal((Fraction(3, 2) + HALF) * 2 / 4 - HALF),
        "align_corners=True, counted from 0": on_diagonal(Fraction(3, 2) * Fraction(2 - 1, 4 - 1)),
        "position 0.75 in coordinates counted from 1, border replicated": on_diagonal(max(0, -QUARTER)),
        "position 0.75 in coordinates counted from 1, zeros outside": on_diagonal(-QUARTER),
        # the image is the plane 1 + column + 2 row
        "position 0.75 in coordinates counted from 1, extrapolated": 1 - QUARTER - 2 * QUARTER,
    },
    "xavier-normal-example": {"standard deviation, weight (out, in)": root(Fraction(2, 3 + 2))},
    "xavier-uniform-example": {
        "bound, weight (out, in)": root(Fraction(6, 3 + 2)),
        "bound, weight (in, out)": root(Fraction(6, 2 + 3)),
        "standard deviation": root(Fraction(6, 3 + 2)) / root(3),
    },
    "zeros-init-example": {"every entry": [0, 0]},
}

DERIVED = [
    pytest.param(example["id"], reading, id=f"{example['id']}: {reading['name']}")
    for layer in golden.names()
    for example in entries(layer)
    for reading in example["reading"]
    if "derivation" in reading
]


def half_unit(number: str) -> Fraction:
    """Half a unit of the last digit of a decimal; 0 for a fraction or an integer, which are exact."""
    if "/" in number:
        return Fraction(0)
    exponent = int(Decimal(number).as_tuple().exponent)
    return Fraction(10) ** exponent / 2 if exponent < 0 else Fraction(0)


@pytest.mark.parametrize(("example", "reading"), DERIVED)
def test_a_derived_number_follows_from_the_stated_ones(example: str, reading: dict[str, Any]) -> None:
    derived = exact(DERIVATIONS[example][reading["name"]])
    expected = golden.literal(reading["expected"])
    assert derived.shape == expected.shape
    for value, number in zip(derived.ravel(), expected.values, strict=True):
        assert abs(value - Fraction(number)) <= half_unit(number) + NEGLIGIBLE, (float(value), number)


def test_every_derived_number_has_a_derivation_and_no_derivation_is_superfluous() -> None:
    assert {(example, name) for example, names in DERIVATIONS.items() for name in names} == {
        (parameter.values[0], parameter.values[1]["name"]) for parameter in DERIVED
    }

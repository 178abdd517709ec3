"""Kinds of attention: plain torch conforms, and each formula is what another formulation of the same thing gives."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest
from attention_kinds import KINDS

from conformance import Status, checks, load, spec
from conformance.checking import lenient
from conformance.run import run
from oracle.evaluate import evaluate
from oracle.fast import Fast
from oracle.formulas import formula

Array = np.ndarray[Any, Any]
TARGET = load("tests/attention_kinds.py")

# Few: each check of each layer in each format draws other cases.
EXAMPLES = 5


@pytest.mark.parametrize("format", TARGET.formats)
@pytest.mark.parametrize("layer", sorted(KINDS))
def test_plain_torch_conforms_in_every_check(layer: str, format: str) -> None:
    decided = 0
    for kind in checks.asked(layer):
        with lenient():
            tally = run(TARGET, layer, format, kind, EXAMPLES)
        assert tally.failure is None, f"{kind}: {tally.failure}"
        decided += tally.counts[Status.PASS]
    assert decided > 3 * EXAMPLES


def test_the_kinds_are_the_layers_that_torch_lacks() -> None:
    library = load("torch-cpu")
    assert not [layer for layer in KINDS if library.layer(layer)]
    assert set(KINDS) <= set(spec.names())


# Other formulations


def gaussian(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def computed(layer: str, *tensors: Array | None, output: str = "output", **parameters: Any) -> Array:
    """An output of a formula, in binary64."""
    names = inspect.signature(formula(layer)).parameters
    with Fast():
        found = evaluate(layer, dict(zip(names, tensors, strict=False)), parameters)[output]
        return np.array(found.elements(), dtype=float).reshape(found.shape)


def projected(scores: Array) -> Array:
    """The nearest point of the simplex: of those on each of its faces, the nearest that has no negative coordinate."""
    points = []
    for size in range(1, len(scores) + 1):
        for face in map(list, itertools.combinations(range(len(scores)), size)):
            point = np.zeros(len(scores))
            point[face] = scores[face] - (scores[face].sum() - 1.0) / size
            points.append(point)
    return min(
        (point for point in points if point.min() >= 0.0), key=lambda point: float(((point - scores) ** 2).sum())
    )


@pytest.mark.parametrize("seed", range(5))
def test_sparsemax_is_the_projection_onto_the_simplex(seed: int) -> None:
    query, key, value = gaussian(seed, 3, 2), gaussian(seed + 50, 6, 2), np.eye(6)
    expected = [projected(scores) for scores in query @ key.T]
    np.testing.assert_allclose(computed("sparsemax_attention", query, key, value), expected, atol=1e-14)

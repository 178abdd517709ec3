"""Relations of random layers: what they drop depends on the seed alone."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import with_parameters
from conformance.specs._relations import LARGE, Drawn


def _identical(ask: Asker) -> list[Equation]:
    return [Equation("output", ask()[0], ask.tensors["input"])]


def _alike(ask: Asker) -> list[Equation]:
    """The same mask, for the seed is that of the case: times a power of two and another sign, which round nothing.

    But subnormal results: these by half the smallest number, and twice that.
    """
    return [Equation("output", ask(input=-2.0 * ask.tensors["input"])[0], -2.0 * ask()[0], 1.5 * ask.smallest)]


def of_dropout(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``dropout`` and ``dropout2d``."""
    drawn = arguments(LARGE)
    kept = drawn.map(lambda found: with_parameters(found, p=0.0))
    return {
        "nothing dropped": Relation("with p = 0 the input is the output", kept, _identical),
        "same mask": Relation("what is dropped does not depend on the numbers", drawn, _alike),
    }

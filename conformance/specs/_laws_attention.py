"""The laws of attention: what holds of every kind whose weights add up to one and do not depend on the values.

A spec lists the laws that do not hold for its layer, each with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import with_tensors
from conformance.specs._relations import FEW, Axes, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, permuted, related
from conformance.values import Array, Values
from oracle.formats import float64

Equations = Callable[[Asker], list[Equation]]


def _of_outputs(values: Array, output: Array) -> Array:
    """Values (*, 1, E) beside an output (*, L, E), or (*, E) where a sample has one query."""
    return values if values.ndim == output.ndim else values[..., 0, :]


def _equal_values(axes: Axes, value: str) -> Equations:
    """The weights add up to one."""

    def equations(ask: Asker) -> list[Equation]:
        many = ask.batch(axes, [0])
        first = ask.tensors[value][..., :1, :]
        changes = {value: np.broadcast_to(first, ask.tensors[value].shape)}
        (left,), (permitted,) = many(**changes), many.bounds(**changes)
        right = _of_outputs(many.spread(first), left)
        return [Equation("output", left, np.broadcast_to(right, left.shape), permitted)]

    return equations


def _between(axes: Axes, value: str) -> Equations:
    def equations(ask: Asker) -> list[Equation]:
        many, values = ask.batch(axes, [0]), ask.tensors[value]
        (found,) = many()
        ends = (many.spread(end(values, axis=-2, keepdims=True)) for end in (np.min, np.max))
        least, most = (_of_outputs(end, found) for end in ends)
        return [Equation("output", found, np.clip(found, least, most), many.bounds()[0])]

    return equations


def _linear(axes: Axes, value: str) -> Equations:
    """Sums of small integers, which every format holds."""

    def equations(ask: Asker) -> list[Equation]:
        many, one = ask.batch(axes, [0]), ask.tensors[value]
        other = one[..., ::-1, ::-1]
        terms = {value: one}, {value: other}, {value: one + 2.0 * other}
        (a,), (b,), (both,) = (many(**changes) for changes in terms)
        errors = [many.bounds(**changes)[0] for changes in terms]
        permitted = errors[0] + 2.0 * errors[1] + errors[2] + 2.0 * float64.unit * (np.abs(a) + 2.0 * np.abs(b))
        return [Equation("output", both, a + 2.0 * b, permitted)]

    return equations


def _shifted(axes: Axes, key: str) -> Equations:
    """The products of a query with all keys grow by the same number."""

    def equations(ask: Asker) -> list[Equation]:
        many, changes = ask.batch(axes, [0]), {key: ask.tensors[key] + 2.0}
        permitted = many.bounds()[0] + many.bounds(**changes)[0]
        return [Equation("output", many(**changes)[0], many()[0], permitted)]

    return equations


def on_integers(found: Arguments, *names: str) -> Arguments:
    """The call with small integers in these tensors."""
    changes = {}
    for name in names:
        recipe = found.tensors[name]
        assert isinstance(recipe, Values)
        changes[name] = replace(recipe, regime="integers")
    return with_tensors(found, **changes)


# By name, what each law says. They are asked of a layer by ``laws``.
LAWS = {
    "equal values": "equal values are the result: the weights add up to one",
    "hull": "no result lies beyond the values",
    "linear": "the results of a sum of values are the sum of their results",
    "keys permuted": "the order of the keys does not matter",
    "equal queries": "samples that are equal have equal results",
    "keys shifted": "one vector more for all keys changes nothing",
}


def laws(
    arguments: Drawn,
    axes: Axes,
    keys: Sequence[str],
    *,
    queries: Axes | None = None,
    value: str = "value",
    without: Mapping[str, str] | None = None,
) -> dict[str, Relation]:
    """The laws by name, but those that a layer is ``without``.

    ``axes`` are those of the samples, before all others; ``keys`` the tensors with an axis -2 of keys, the first of
    which makes the scores, by products with the query; ``queries`` the axes of those, of one tensor or of more.
    """
    queries = queries or {"query": -2}
    few = gentle(arguments(FEW))
    samples = with_axis(few, *axes)

    def law(name: str, equations: Equations, *integers: str) -> Relation:
        asked = samples.map(lambda found: on_integers(found, *integers)) if integers else samples
        return related(LAWS[name], asked, equations, axes)

    found = {
        "equal values": law("equal values", _equal_values(axes, value)),
        "hull": law("hull", _between(axes, value)),
        "linear": law("linear", _linear(axes, value), value),
        "keys permuted": law("keys permuted", permuted(axes, keys)),
        "equal queries": repeats(few, queries, (-2,)),
        "keys shifted": law("keys shifted", _shifted(axes, keys[0]), next(iter(queries)), keys[0]),
    }
    kept = {name: relation for name, relation in found.items() if name not in (without or {})}
    return {"equal samples": repeats(samples, axes), **kept}

"""Relations of attention layers: samples, queries and keys alike, keys that do not count, and layers by one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis.strategies import SearchStrategy
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._refusals import with_parameters, with_tensors
from conformance.specs._relations import FEW, Axes, Drawn, counts, integers, repeats, with_axis, without
from conformance.values import Array, Values

SAMPLES = {"query": 0, "key": 0, "value": 0}
KEYS = ("key", "value")

# What keys and values that do not count are replaced by: finite numbers.
OTHER = 3.0

Equations = Callable[[Asker], list[Equation]]


def _order(ask: Asker, length: int) -> Array:
    return np.asarray(RandomState(ask.number).permutation(length))


def permuted(axes: Axes, keys: Sequence[str], outputs: Sequence[int] = (0,), weights: int | None = None) -> Equations:
    """Keys in another order, with their values; the output ``weights`` has them along its last axis."""

    def equations(ask: Asker) -> list[Equation]:
        many = ask.batch(axes, outputs)
        length = ask.tensors[keys[0]].shape[-2]
        order = _order(ask, length)
        changes = {name: ask.tensors[name][..., order, :] for name in keys}
        mask = ask.tensors.get("attn_mask")
        if mask is not None and mask.shape[-1] == length:
            changes["attn_mask"] = mask[..., order]
        right, permitted = many(), [2.0 * bound for bound in many.bounds()]
        if weights is not None:
            right[weights], permitted[weights] = right[weights][..., order], permitted[weights][..., order]
        return matched(many(**changes), right, permitted)

    return equations


def _doubled(axes: Axes, keys: Sequence[str]) -> Equations:
    """Every key twice, with its value."""

    def equations(ask: Asker) -> list[Equation]:
        many = ask.batch(axes, [0])
        changes = {name: np.concatenate([ask.tensors[name]] * 2, axis=-2) for name in keys}
        permitted = many.bounds()[0] + many.bounds(**changes)[0]
        return [Equation("output", many(**changes)[0], many()[0], permitted)]

    return equations


def _constant(ask: Asker) -> list[Equation]:
    many = ask.batch(SAMPLES, [0])
    value = ask.tensors["value"]
    changes = {"value": np.broadcast_to(value[..., :1, :], value.shape)}
    (left,), (permitted,) = many(**changes), many.bounds(**changes)
    return [Equation("output", left, np.broadcast_to(many.spread(value[..., :1, :]), left.shape), permitted)]


def gentle(arguments: SearchStrategy[Arguments]) -> SearchStrategy[Arguments]:
    """The same calls, without scores so large that next to nothing is known of their exponentials."""
    return without(arguments, "offset", "wide")


def unmasked(found: Arguments) -> Arguments:
    """The call without masks."""
    masks = {name: None for name in ("attn_mask", "key_padding_mask") if name in found.tensors}
    causal = {"is_causal": False} if "is_causal" in found.parameters else {}
    return with_parameters(with_tensors(found, **masks), **causal)


def related(sentence: str, arguments: SearchStrategy[Arguments], equations: Equations, axes: Axes) -> Relation:
    return Relation(sentence, arguments, equations, counts(axes))


def of_keys(arguments: SearchStrategy[Arguments], axes: Axes, keys: Sequence[str]) -> dict[str, Relation]:
    """What holds for the keys of every layer."""
    return {
        "equal samples": repeats(arguments, axes),
        "keys permuted": related("the order of the keys does not matter", arguments, permuted(axes, keys), axes),
        "keys doubled": related("every key twice weighs half", arguments.map(unmasked), _doubled(axes, keys), axes),
    }


def queried(arguments: SearchStrategy[Arguments], query: str = "query") -> Relation:
    """One of the few queries for many."""
    return repeats(arguments.map(unmasked), {query: -2}, (-2,))


def constant_values(arguments: SearchStrategy[Arguments]) -> Relation:
    return related("equal values are the result", arguments.map(unmasked), _constant, SAMPLES)


def of_dot_product_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``dot_product_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *SAMPLES)
    return {
        **of_keys(samples, SAMPLES, KEYS),
        "equal queries": queried(gentle(arguments(FEW))),
        "equal values": constant_values(samples),
    }


# Layers with projections


def selecting(arguments: SearchStrategy[Arguments], *weights: str) -> SearchStrategy[Arguments]:
    """The same calls on integers, with weights of a single 1: projections are exact, and not large."""

    def chosen(found: Arguments) -> Arguments:
        return with_tensors(found, **{name: _one_hot(found, name) for name in weights})

    return integers(arguments).map(chosen)


def _one_hot(found: Arguments, name: str) -> Values:
    recipe = found.tensors[name]
    assert isinstance(recipe, Values)
    return replace(recipe, regime="one_hot")


def _projected(ask: Asker) -> list[Equation]:
    """The query times the weight, exact, as the query of dot products."""
    many, tensors = ask.batch(SAMPLES, [0]), ask.tensors
    names = {"query": tensors["query"] @ tensors["weight"], "key": tensors["key"], "value": tensors["value"]}
    few = ask.other("dot_product_attention", names)
    right = few(**{name: many.spread(array) for name, array in names.items()})[0]
    return [Equation("output", many()[0], right, many.bounds()[0] + many.spread(few.bounds()[0]))]


def of_global_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``global_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *SAMPLES)
    exact = selecting(samples, "weight")
    return {
        **of_keys(samples, SAMPLES, KEYS),
        "equal queries": queried(gentle(arguments(FEW))),
        "equal values": constant_values(samples),
        "projected": related("the weight makes other queries", exact, _projected, SAMPLES),
    }


def _heads_of(ask: Asker, context: str, axes: Axes) -> list[Equation]:
    """The projections, exact, as queries, keys and values of scaled dot products."""
    many, tensors = ask.batch(axes, [0]), ask.tensors
    names = {
        "query": tensors["input"] @ tensors["weight_q"],
        "key": tensors[context] @ tensors["weight_k"],
        "value": tensors[context] @ tensors["weight_v"],
        "attn_mask": None,
    }
    few = ask.other("scaled_dot_product_attention", names, is_causal=False, scale=None, enable_gqa=False)
    right = few(**{name: many.spread(array) for name, array in names.items() if array is not None})[0]
    return [Equation("output", many()[0], right, many.bounds()[0] + many.spread(few.bounds()[0]))]


_WEIGHTS = ("weight_q", "weight_k", "weight_v")


def of_cross_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``cross_attention``."""
    axes = {"input": 0, "context": 0}
    samples = with_axis(gentle(arguments(FEW)), *axes)
    exact = selecting(samples, *_WEIGHTS)
    return {
        **of_keys(samples, axes, ["context"]),
        "equal queries": queried(gentle(arguments(FEW)), "input"),
        "projected": related(
            "the weights make queries, keys and values", exact, lambda ask: _heads_of(ask, "context", axes), axes
        ),
    }


def _all_permuted(ask: Asker) -> list[Equation]:
    many, input = ask.batch({"input": 0}, [0]), ask.tensors["input"]
    order = _order(ask, input.shape[-2])
    (left,), (right,), (permitted,) = many(input=input[..., order, :]), many(), many.bounds()
    return [Equation("output", left, right[..., order, :], 2.0 * permitted[..., order, :])]


def _to_itself(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch({"input": 0}, [0]), ask.tensors
    names = {"input": tensors["input"], "context": tensors["input"], **{name: tensors[name] for name in _WEIGHTS}}
    other = ask.other("cross_attention", names)
    right = other(**{name: many.spread(tensors["input"]) for name in ("input", "context")})[0]
    return [Equation("output", many()[0], right, many.bounds()[0] + many.spread(other.bounds()[0]))]


def of_self_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``self_attention``."""
    axes = {"input": 0}
    samples = with_axis(gentle(arguments(FEW)), *axes)
    exact = selecting(samples, *_WEIGHTS)
    return {
        "equal samples": repeats(samples, axes),
        "permuted": related(
            "positions in another order have their results in that order", samples, _all_permuted, axes
        ),
        "cross attention": related("self-attention is cross-attention to itself", samples, _to_itself, axes),
        "projected": related(
            "the weights make queries, keys and values", exact, lambda ask: _heads_of(ask, "input", axes), axes
        ),
    }


def _without_query(ask: Asker) -> list[Equation]:
    """A query of zeros."""
    axes = {"input": 0, "value": 0}
    many, input, hidden = ask.batch(axes, [0, 0]), ask.tensors["input"], ask.tensors["weight"].shape[0]
    given = {"query": np.zeros((*input.shape[:-2], 3)), "weight_query": np.full((hidden, 3), OTHER)}
    spread = {**given, "query": many.spread(given["query"])}
    permitted = [a + b for a, b in zip(many.bounds(), many.bounds(**given), strict=True)]
    return matched(many(**spread), many(), permitted)


def of_additive_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``additive_attention``."""
    axes, keys = {"input": 0, "value": 0, "query": 0}, ("input", "value")
    samples = with_axis(gentle(arguments(FEW)), *axes)
    alone = samples.map(lambda found: with_tensors(found, query=None, weight_query=None))
    with_weights = permuted(axes, keys, (0, 0), weights=1)
    return {
        "equal samples": repeats(samples, axes, (0, 0)),
        "keys permuted": related("the order of the keys does not matter", samples, with_weights, axes),
        "keys doubled": related("every key twice weighs half", samples, _doubled(axes, keys), axes),
        "no query": related("no query is a query of zeros", alone, _without_query, {"input": 0, "value": 0}),
    }

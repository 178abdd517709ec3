"""Relations of scaled dot products, in windows and in several heads: masks, and the parameters by one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._laws_attention import laws
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations import FEW, Drawn, repeats, reshaped, with_axis
from conformance.specs._relations_attention import (
    KEYS,
    OTHER,
    SAMPLES,
    constant_values,
    gentle,
    of_keys,
    permuted,
    queried,
    related,
    unmasked,
)
from conformance.values import Values
from oracle.formats import float64


def _plain(found: Arguments) -> Arguments:
    """The call without masks, each head with its own key."""
    found = unmasked(found)
    batch = shape_of(found, "query")[:-2]
    own = {name: (*batch, *shape_of(found, name)[-2:]) for name in KEYS}
    return with_parameters(reshaped(found, **own), enable_gqa=False)


def _masked(found: Arguments) -> Arguments:
    """The call with a mask of booleans, the first key always taking part."""
    found = _plain(found)
    queries, keys = shape_of(found, "query")[-2], shape_of(found, "key")[-2]
    return with_tensors(found, attn_mask=Values((queries, keys), "mask", queries + 8 * keys))


def _hidden(ask: Asker) -> list[Equation]:
    """More keys behind the mask, in front of the others or behind them."""
    many, mask = ask.batch(SAMPLES, [0]), ask.tensors["attn_mask"]
    more = ask.number % 70 + 1
    widths = [(more, 0), (0, more)][ask.number % 2]
    wider: dict[str, Any] = {
        name: np.pad(array, [*[(0, 0)] * (array.ndim - 2), widths, (0, 0)], constant_values=OTHER)
        for name, array in ((name, ask.tensors[name]) for name in KEYS)
    }
    wider["attn_mask"] = np.pad(mask, [(0, 0), widths], constant_values=False)
    return [Equation("output", many(**wider)[0], many()[0], 2.0 * many.bounds()[0])]


def _replaced(ask: Asker) -> list[Equation]:
    """Other keys and values where no query may look."""
    many, mask = ask.batch(SAMPLES, [0]), ask.tensors["attn_mask"]
    unseen = ~mask.any(axis=0)
    changes = {name: np.where(unseen[:, None], OTHER, ask.tensors[name]) for name in KEYS}
    permitted = many.bounds()[0] + many.bounds(**changes)[0]
    return [Equation("output", many(**changes)[0], many()[0], permitted)]


def _added(ask: Asker) -> list[Equation]:
    many, mask = ask.batch(SAMPLES, [0]), ask.tensors["attn_mask"]
    added = np.where(mask, 0.0, -np.inf)
    permitted = many.bounds()[0] + many.bounds(attn_mask=added)[0]
    return [Equation("output", many(attn_mask=added)[0], many()[0], permitted)]


def _causal(ask: Asker) -> list[Equation]:
    many = ask.batch(SAMPLES, [0])
    queries, keys = ask.tensors["query"].shape[-2], ask.tensors["key"].shape[-2]
    ahead = keys - queries if ask.policies.get("causal_alignment") == "bottom_right" else 0
    mask = np.tri(queries, keys, ahead, dtype=bool)
    permitted = many.bounds(is_causal=True)[0] + many.bounds(attn_mask=mask)[0]
    return [Equation("output", many(is_causal=True)[0], many(attn_mask=mask)[0], permitted)]


def _shared_heads(ask: Asker) -> list[Equation]:
    """Keys and values written out for every head."""
    many = ask.batch(SAMPLES, [0])
    sharing = ask.tensors["query"].shape[-3] // ask.tensors["key"].shape[-3]
    own = {name: ask.tensors[name].repeat(sharing, axis=-3) for name in KEYS}
    permitted = [2.0 * bound for bound in many.bounds(enable_gqa=True)]
    return matched(many(enable_gqa=True), many(**own, enable_gqa=False), permitted)


def _grouped(found: Arguments) -> Arguments:
    """The call with twice as many heads of the query as of key and value."""
    found = _plain(found)
    query, key, value = (shape_of(found, name)[-2:] for name in ("query", *KEYS))
    heads = len(shape_of(found, "query"))
    return reshaped(found, query=(2, 2 * heads, *query), key=(2, heads, *key), value=(2, heads, *value))


def _scaled(ask: Asker) -> list[Equation]:
    """By a power of two, which rounds nothing."""
    many, query = ask.batch(SAMPLES, [0]), ask.tensors["query"]
    permitted = many.bounds(scale=0.25)[0] + many.bounds(query=0.25 * query, scale=1.0)[0]
    return [Equation("output", many(scale=0.25)[0], many(query=0.25 * query, scale=1.0)[0], permitted)]


def _in_parts(ask: Asker) -> list[Equation]:
    """What the keys of two parts give, weighted by their shares, which values of one for a part and zero show."""
    many, tensors = ask.batch(SAMPLES, [0]), ask.tensors
    (whole,), (permitted,) = many(), many.bounds()
    right = np.zeros_like(whole)
    for part in ask.parts(tensors["key"].shape[-2]):
        ones = np.zeros((*tensors["value"].shape[:-1], 1))
        ones[..., part, :] = 1.0
        those = {name: tensors[name][..., part, :] for name in KEYS}
        (share,), (found,) = many(value=ones), many(**those)
        (error,), (bound,) = many.bounds(value=ones), many.bounds(**those)
        right = right + share * found
        permitted = permitted + error * np.abs(found) + (share + error) * bound
        permitted = permitted + 4.0 * float64.unit * np.abs(share * found)  # of this sum itself
    return [Equation("output", whole, right, permitted)]


def _of_itself(ask: Asker) -> list[Equation]:
    """One array for query, key and value, or three."""
    query = ask.tensors["query"]
    copies = {name: query.copy() for name in KEYS}
    permitted = [2.0 * bound for bound in ask.bounds(**copies)]
    return matched(ask(**dict.fromkeys(KEYS, query)), ask(**copies), permitted)


def of_scaled_dot_product_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``scaled_dot_product_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *SAMPLES)
    plain, masked = samples.map(_plain), samples.map(_masked)
    return {
        **laws(lambda budget: arguments(budget).map(_plain), SAMPLES, KEYS),
        **of_keys(plain, SAMPLES, KEYS),
        "of itself": Relation("query, key and value may be one array", plain, _of_itself),
        "equal queries": queried(gentle(arguments(FEW))),
        "equal values": constant_values(plain),
        "masked keys permuted": related(
            "the order of the keys does not matter, with their masks", masked, permuted(SAMPLES, KEYS), SAMPLES
        ),
        "keys behind the mask": related("keys behind the mask do not exist", masked, _hidden, SAMPLES),
        "masked keys replaced": related("what is behind the mask does not matter", masked, _replaced, SAMPLES),
        "mask added": related("a mask is minus infinity where it hides", masked, _added, SAMPLES),
        "causal": related("causal is a mask", plain, _causal, SAMPLES),
        "shared heads": related("shared heads are copies", samples.map(_grouped), _shared_heads, SAMPLES),
        "keys in two parts": related(
            "attention to all keys is that to each part of them, weighted by its share", plain, _in_parts, SAMPLES
        ),
        "scale": related("the scale is a factor of the query", plain, _scaled, SAMPLES),
    }


def _windowed(found: Arguments) -> Arguments:
    """The call with keys to the end of the last window."""
    window, queries = found.parameters["window"], shape_of(found, "query")[-2]
    longer = {
        name: (*shape[:-2], max(shape[-2], queries + window), shape[-1])
        for name, shape in ((name, shape_of(found, name)) for name in KEYS)
    }
    return reshaped(found, **longer)


def _beyond(ask: Asker) -> list[Equation]:
    """More keys after the last window."""
    many, more = ask.batch(SAMPLES, [0]), ask.number % 70 + 1
    wider = {
        name: np.pad(array, [*[(0, 0)] * (array.ndim - 2), (0, more), (0, 0)], constant_values=OTHER)
        for name, array in ((name, ask.tensors[name]) for name in KEYS)
    }
    return [Equation("output", many(**wider)[0], many()[0], 2.0 * many.bounds()[0])]


def _as_band(ask: Asker) -> list[Equation]:
    many, tensors, window = ask.batch(SAMPLES, [0]), ask.tensors, ask.parameters["window"]
    rows, columns = np.ogrid[: tensors["query"].shape[-2], : tensors["key"].shape[-2]]
    band = np.abs(rows - columns) <= window
    how = {"is_causal": False, "scale": None, "enable_gqa": False}
    few = ask.other("scaled_dot_product_attention", {**tensors, "attn_mask": band}, **how)
    permitted = many.bounds()[0] + many.spread(few.bounds()[0])
    right = few(**{name: many.spread(tensors[name]) for name in SAMPLES})[0]
    return [Equation("output", many()[0], right, permitted)]


LOCAL_EXEMPT = {
    "keys permuted": "a key is seen from the places around it",
    "equal queries": "a query sees the keys around its place",
}


def of_local_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``local_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *SAMPLES)
    windows = samples.map(_windowed)
    return {
        **laws(lambda budget: arguments(budget).map(_windowed), SAMPLES, KEYS, without=LOCAL_EXEMPT),
        "equal samples": repeats(samples, SAMPLES),
        "equal values": constant_values(windows),
        "keys beyond": related("keys that no window reaches do not exist", windows, _beyond, SAMPLES),
        "band": related("windows are a mask in the form of a band", windows, _as_band, SAMPLES),
    }


# Several heads


def _flat_masks(found: Arguments) -> Arguments:
    """The call with a mask of the keys alone, of booleans, and two samples at least; no projection is zero."""
    samples = max(shape_of(found, "query")[0], 2)
    projection = Values(shape_of(found, "in_proj_weight"), "small", samples)
    found = unmasked(found)
    found = reshaped(found, **{name: (samples, *shape_of(found, name)[1:]) for name in SAMPLES})
    padding = Values((samples, shape_of(found, "key")[1]), "ignored", samples)
    found = with_tensors(found, in_proj_weight=projection, key_padding_mask=padding)
    return with_parameters(found, need_weights=False)


_MASKED_SAMPLES = {**SAMPLES, "key_padding_mask": 0}


def _with_weights(ask: Asker) -> list[Equation]:
    many = ask.batch(SAMPLES, [0])
    permitted = many.bounds()[0] + many.bounds(need_weights=True)[0]
    return [Equation("output", many()[0], many(need_weights=True)[0], permitted)]


def _ignored_keys(ask: Asker) -> list[Equation]:
    """More keys that are ignored, in front of the others or behind them."""
    many, padding = ask.batch(_MASKED_SAMPLES, [0]), ask.tensors["key_padding_mask"]
    more = ask.number % 70 + 1
    widths = [(more, 0), (0, more)][ask.number % 2]
    wider: dict[str, Any] = {
        name: np.pad(ask.tensors[name], [(0, 0), widths, (0, 0)], constant_values=OTHER) for name in KEYS
    }
    wider["key_padding_mask"] = np.pad(padding, [(0, 0), widths], constant_values=True)
    return [Equation("output", many(**wider)[0], many()[0], 2.0 * many.bounds()[0])]


def of_multi_head_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``multi_head_attention``."""
    masked = gentle(arguments(FEW // 4)).map(_flat_masks)
    plain = masked.map(unmasked)
    return {
        **of_keys(plain, SAMPLES, KEYS),
        "of itself": Relation("query, key and value may be one array", plain, _of_itself),
        "equal masked samples": repeats(masked, _MASKED_SAMPLES),
        "equal queries": repeats(plain, {"query": 1}, (1,)),
        "weights asked for": related(
            "asking for the weights does not change the output", plain, _with_weights, SAMPLES
        ),
        "keys ignored": related("keys that are ignored do not exist", masked, _ignored_keys, _MASKED_SAMPLES),
    }

"""Relations of attention whose weights are lessened by links."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._laws_attention import laws
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related

_PLACES = ("query", "key", "value", "link_query", "link_key")
_SAMPLES = dict.fromkeys((*_PLACES, "links"), 0)

EXEMPT = {
    "equal values": "links lessen the weights, which add up to one or less",
    "hull": "links lessen the weights, which add up to one or less",
    "keys permuted": "the places are linked in their order",
    "equal queries": "the weights of a query depend on its place",
}


def _all_linked(ask: Asker) -> list[Equation]:
    """By the layer below: nothing is left to add."""
    many, tensors = ask.batch(_SAMPLES, [0, 0]), ask.tensors
    changes = {"links": np.ones_like(tensors["links"])}
    names = {name: tensors[name] for name in ("query", "key", "value")}
    plain = ask.other(
        "scaled_dot_product_attention", {**names, "attn_mask": None}, is_causal=False, scale=None, enable_gqa=False
    )
    right = plain(**{name: many.spread(array) for name, array in names.items()})[0]
    permitted = many.bounds(**changes)[0] + many.spread(plain.bounds()[0])
    return [Equation("output", many(**changes)[0], right, permitted)]


def _reversed(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_SAMPLES, [0, 0]), ask.tensors
    changes = {name: tensors[name][..., ::-1, :] for name in _PLACES} | {"links": tensors["links"][..., ::-1]}
    (output, links), (bound, of_links) = many(), many.bounds()
    permitted = [2.0 * bound[..., ::-1, :], 2.0 * of_links[..., ::-1]]
    return matched(many(**changes), [output[..., ::-1, :], links[..., ::-1]], permitted)


def of_tree_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``tree_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_SAMPLES)
    sentence = "read backwards, the places have their results backwards"
    return {
        **laws(arguments, _SAMPLES, ["key", "value"], without=EXEMPT),
        "equal samples": repeats(samples, _SAMPLES, (0, 0)),
        "all linked": related("what is linked has scaled dot products", samples, _all_linked, _SAMPLES),
        "reversed": related(sentence, samples, _reversed, _SAMPLES),
    }

"""Relations of multi-step attention: queries and values are sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import LAWS
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, permuted, related, selecting

_STEP = {"input": 0, "embedding": 0, "key": 0, "key_embedding": 0}
_SUMMED = ("key", "key_embedding")


def _equal_sums(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_STEP, [0]), ask.tensors
    changes = {name: np.broadcast_to(tensors[name][..., :1, :], tensors[name].shape) for name in _SUMMED}
    (left,), (permitted,) = many(**changes), many.bounds(**changes)
    right = many.spread(tensors["key"][..., :1, :] + tensors["key_embedding"][..., :1, :])
    return [Equation("output", left, np.broadcast_to(right, left.shape), permitted)]


def _between_sums(ask: Asker) -> list[Equation]:
    many, values = ask.batch(_STEP, [0]), ask.tensors["key"] + ask.tensors["key_embedding"]
    least, most = (many.spread(end(values, axis=-2, keepdims=True)) for end in (np.min, np.max))
    (found,) = many()
    return [Equation("output", found, np.clip(found, least, most), many.bounds()[0])]


def _keys_shifted(ask: Asker) -> list[Equation]:
    """Their embeddings by as much the other way."""
    many, tensors = ask.batch(_STEP, [0]), ask.tensors
    changes = {"key": tensors["key"] + 2.0, "key_embedding": tensors["key_embedding"] - 2.0}
    permitted = many.bounds()[0] + many.bounds(**changes)[0]
    return [Equation("output", many(**changes)[0], many()[0], permitted)]


def _dot_products(ask: Asker) -> list[Equation]:
    """The sums, exact, as queries and values of dot products."""
    many, tensors = ask.batch(_STEP, [0]), ask.tensors
    bias = 0.0 if tensors["bias"] is None else tensors["bias"]
    names = {
        "query": tensors["input"] @ tensors["weight"].T + bias + tensors["embedding"],
        "key": tensors["key"],
        "value": tensors["key"] + tensors["key_embedding"],
    }
    few = ask.other("dot_product_attention", names)
    right = few(**{name: many.spread(array) for name, array in names.items()})[0]
    return [Equation("output", many()[0], right, many.bounds()[0] + many.spread(few.bounds()[0]))]


def of_multi_step_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``multi_step_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_STEP)
    exact = selecting(samples, "weight")
    return {
        "equal samples": repeats(samples, _STEP),
        "equal values": related(LAWS["equal values"], samples, _equal_sums, _STEP),
        "hull": related(LAWS["hull"], samples, _between_sums, _STEP),
        "keys permuted": related(LAWS["keys permuted"], samples, permuted(_STEP, _SUMMED), _STEP),
        "equal queries": repeats(gentle(arguments(FEW)), {"input": -2, "embedding": -2}, (-2,)),
        "keys shifted": related(LAWS["keys shifted"], exact, _keys_shifted, _STEP),
        "dot products": related("the sums are queries and values of dot products", exact, _dot_products, _STEP),
    }

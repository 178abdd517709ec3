"""Relations of attention whose weights depend on those before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import laws
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related

_SAMPLES = {"query": 0, "key": 0, "value": 0, "initial": 0}

EXEMPT = {
    "keys permuted": "a kernel joins the weights of neighbouring keys",
    "equal queries": "the weights of a query depend on those of the query before",
    "keys shifted": "a hyperbolic tangent stands between the keys and the scores",
}


def _without_feedback(ask: Asker) -> list[Equation]:
    """The last query, as if it were alone."""
    many, tensors = ask.batch(_SAMPLES, [0, 0]), ask.tensors
    changes = {"weight_location": np.zeros_like(tensors["weight_location"])}
    given = {name: tensors[name] for name in ("value", "bias", "v", "weight_query")}
    alone = {"input": tensors["key"], "weight": tensors["weight_key"], "query": tensors["query"][..., -1, :]}
    names = ("input", "value", "weight", "bias", "v", "query", "weight_query")
    plain = ask.other("additive_attention", {name: {**given, **alone}[name] for name in names})
    right = plain(**{name: many.spread(plain.tensors[name]) for name in ("input", "value", "query")})[0]
    permitted = many.bounds(**changes)[0][..., -1, :] + many.spread(plain.bounds()[0])
    return [Equation("output", many(**changes)[0][..., -1, :], right, permitted)]


def of_feedback_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``feedback_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_SAMPLES)
    sentence = "a query to which nothing is fed back has additive attention"
    return {
        **laws(arguments, _SAMPLES, ["key", "value"], without=EXEMPT),
        "equal samples": repeats(samples, _SAMPLES, (0, 0)),
        "no feedback": related(sentence, samples, _without_feedback, _SAMPLES),
    }

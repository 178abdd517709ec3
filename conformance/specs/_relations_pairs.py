"""Relations of attention of two sequences to each other: exchanged, in another order, and each by itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._laws_attention import LAWS, laws
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, permuted, related

_PAIRS = {"input": 0, "other": 0}

EXEMPT = {
    "linear": "the places are both keys and values",
    "equal queries": "there are no queries: each sequence asks the other",
    "keys shifted": "a hyperbolic tangent stands between the places and the scores",
}


def _exchanged(ask: Asker) -> list[Equation]:
    """Each takes the place of the other, with its weights."""
    many, tensors = ask.batch(_PAIRS, [0, 0]), ask.tensors
    names = [(name, name.replace("input", "other")) for name in tensors if name.endswith("input")]
    changes = {one: tensors[other] for one, other in names} | {other: tensors[one] for one, other in names}
    if "weight_affinity" in tensors:
        changes["weight_affinity"] = tensors["weight_affinity"].T
    permitted = [a + b for a, b in zip(many.bounds(**changes), reversed(many.bounds()), strict=True)]
    return matched(many(**changes), reversed(many()), permitted)


def _of_pairs(arguments: Drawn) -> dict[str, Relation]:
    samples = with_axis(gentle(arguments(FEW)), *_PAIRS)
    kept = laws(arguments, _PAIRS, ["input"], queries={"other": -2}, value="input", without=EXEMPT)
    other = related("the order of the other does not matter", samples, permuted(_PAIRS, ["other"], (0, 0)), _PAIRS)
    return {
        **kept,
        "equal samples": repeats(samples, _PAIRS, (0, 0)),
        "keys permuted": related(LAWS["keys permuted"], samples, permuted(_PAIRS, ["input"], (0, 0)), _PAIRS),
        "other permuted": other,
        "exchanged": related("exchanged, the two have exchanged results", samples, _exchanged, _PAIRS),
    }


def _alone(ask: Asker) -> list[Equation]:
    """Without affinities, the input attends to itself."""
    many, tensors, input = ask.batch(_PAIRS, [0, 0]), ask.tensors, ask.tensors["input"]
    changes = {"weight_affinity": np.zeros_like(tensors["weight_affinity"])}
    given = {"input": input, "value": input, "weight": tensors["weight_input"], "bias": None}
    plain = ask.other(
        "additive_attention", {**given, "v": tensors["attend_input"], "query": None, "weight_query": None}
    )
    right = plain(input=many.spread(input), value=many.spread(input))[0]
    return [Equation("output", many(**changes)[0], right, many.bounds(**changes)[0] + many.spread(plain.bounds()[0]))]


def of_co_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``co_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_PAIRS)
    sentence = "a sequence that does not see the other has additive attention"
    return {**_of_pairs(arguments), "alone": related(sentence, samples, _alone, _PAIRS)}


def _means(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_PAIRS, [0, 0]), ask.tensors
    changes = {name: np.zeros_like(tensors[name]) for name in ("weight_input", "weight_other")}
    right = [many.spread(tensors[name].mean(-2)) for name in ("input", "other")]
    return matched(many(**changes), right, many.bounds(**changes))


def of_interactive_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``interactive_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_PAIRS)
    return {**_of_pairs(arguments), "means": related("without weights each gives its mean", samples, _means, _PAIRS)}

"""Relations of hierarchical attention: words and sentences in another order, and sentences of one word."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import RandomState

from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import LAWS
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related

_TEXTS = {"input": 0}

# The laws of attention speak of values that are given, and of scores of queries and keys.
EXEMPT = {
    "linear": "the words are both keys and values",
    "equal queries": "there are no queries: contexts stand for them",
    "keys shifted": "a hyperbolic tangent stands between the words and the scores",
}


def _words_permuted(ask: Asker) -> list[Equation]:
    """Those of every sentence, and the sentences."""
    many, input = ask.batch(_TEXTS, [0]), ask.tensors["input"]
    random = RandomState(ask.number)
    words, sentences = (random.permutation(input.shape[axis]) for axis in (-2, -3))
    other = input[..., words, :][..., sentences, :, :]
    return [Equation("output", many(input=other)[0], many()[0], 2.0 * many.bounds()[0])]


def _equal_words(ask: Asker) -> list[Equation]:
    many, input = ask.batch(_TEXTS, [0]), ask.tensors["input"]
    word = input[..., :1, :1, :]
    same = np.broadcast_to(word, input.shape)
    return [Equation("output", many(input=same)[0], many.spread(word[..., 0, 0, :]), many.bounds(input=same)[0])]


def _between(ask: Asker) -> list[Equation]:
    many, input = ask.batch(_TEXTS, [0]), ask.tensors["input"]
    least, most = (many.spread(end(input, axis=(-3, -2))) for end in (np.min, np.max))
    (found,) = many()
    return [Equation("output", found, np.clip(found, least, most), many.bounds()[0])]


def _of_one_word(ask: Asker) -> list[Equation]:
    """Of sentences of one word only the upper level is left."""
    many, tensors = ask.batch(_TEXTS, [0]), ask.tensors
    words = tensors["input"][..., :1, :]
    upper = {name: tensors[f"sentence_{name}"] for name in ("weight", "bias", "context")}
    given = {"input": words[..., 0, :], "value": words[..., 0, :], "weight": upper["weight"], "bias": upper["bias"]}
    other = ask.other("additive_attention", {**given, "v": upper["context"], "query": None, "weight_query": None})
    spread = {name: many.spread(given[name]) for name in ("input", "value")}
    permitted = many.bounds(input=words)[0] + many.spread(other.bounds()[0])
    return [Equation("output", many(input=words)[0], other(**spread)[0], permitted)]


def of_hierarchical_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``hierarchical_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    return {
        "equal samples": repeats(samples, _TEXTS),
        "equal values": related(LAWS["equal values"], samples, _equal_words, _TEXTS),
        "hull": related(LAWS["hull"], samples, _between, _TEXTS),
        "keys permuted": related(LAWS["keys permuted"], samples, _words_permuted, _TEXTS),
        "one word": related("sentences of one word are that word", samples, _of_one_word, _TEXTS),
    }

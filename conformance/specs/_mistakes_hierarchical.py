"""Classic mistakes of attention to memories and in levels."""

from __future__ import annotations

from functools import partial

from conformance.mistake import (
    HALF,
    Arguments,
    called,
    changed,
    instead,
    misread,
    no_derivative,
    tail_dropped,
    times,
    times_derivative,
    without_last,
)
from conformance.specs._mistakes_attention import last_key, rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from conformance.specs._mistakes_weights import weighing
from oracle.formulas import (
    memory_attention,
)
from oracle.formulas._softmax import softmax_row

MEMORY_ATTENTION = {
    "query_dropped": instead(
        "the query is not added to what is read", partial(memory_attention.written, softmax_row, kept=False)
    ),
    "one_hop": called("there is one hop, whatever is asked for", lambda given: {"hops": 1}),
    "hop_more": called("there is a hop too many", lambda given: {"hops": given["hops"] + 1}),
    "one_memory": called("what is compared is also what is read", lambda given: {"memory_out": given["memory_in"]}),
    "exchanged": called(
        "the memories are exchanged",
        lambda given: {"memory_in": given["memory_out"], "memory_out": given["memory_in"]},
    ),
    "scaled": called(
        "the scores are divided by √d",
        lambda given: {"memory_in": rooted(given["memory_in"], given["memory_in"].shape[-1])},
    ),
    "not_normalised": weighing(memory_attention.written, "the weights are not divided by their sum", not_normalised),
    "sum_constant": weighing(
        memory_attention.written, "no derivative goes through the sum of the weights", sum_constant
    ),
    "no_key_derivative": no_derivative("memory_in"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "memory_out"),
    **last_key("memory_in", "memory_out"),
}


def _means(given: Arguments, *levels: str) -> Arguments:
    """No context: all weights are alike."""
    return changed(given, lambda x: times(x, 0.0), *(f"{level}_context" for level in levels))


HIERARCHICAL_ATTENTION = {
    "words_alike": called("words weigh all alike", lambda given: _means(given, "word")),
    "sentences_alike": called("sentences weigh all alike", lambda given: _means(given, "sentence")),
    "word_bias_missing": called("word_bias is left out", lambda given: {"word_bias": None}),
    "sentence_bias_missing": called("sentence_bias is left out", lambda given: {"sentence_bias": None}),
    "levels_exchanged": called("sentences are pooled first", lambda given: {"input": given["input"].swapped(-2, -3)}),
    "weight_transposed": called(
        "word_weight is read as (E, H)", lambda given: {"word_weight": misread(given["word_weight"], 1, 0)}
    ),
    "last_word": called("the last word is left out", lambda given: {"input": without_last(given["input"], -2)}),
    "last_sentence": called("the last sentence is left out", lambda given: {"input": without_last(given["input"], -3)}),
    "no_context_derivative": no_derivative("word_context"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "input"),
}

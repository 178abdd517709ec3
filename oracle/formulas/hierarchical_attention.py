"""Hierarchical attention: words are pooled to sentences, and these to a document.

Source: the document, line 1353; Yang et al. 2016, Hierarchical Attention Networks for Document Classification,
equations 5 to 10, without the encoders before each level.
"""

from __future__ import annotations

from oracle.formulas._shapes import require_least_rank
from oracle.formulas.additive_attention import additive_attention
from oracle.tensor import Tensor


def hierarchical_attention(
    input: Tensor,
    word_weight: Tensor,
    word_bias: Tensor | None,
    word_context: Tensor,
    sentence_weight: Tensor,
    sentence_bias: Tensor | None,
    sentence_context: Tensor,
) -> Tensor:
    """s_i = Σ_t a_it x_it, a_i the softmax over the words t of u · tanh(W x_it + b), then the same over the sentences.

    input x (*, sentences, words, E), word_weight W (H, E), word_bias b (H) or None, word_context u (H), and those of
    the sentences, of which H may differ; returns (*, E). Raises ``ValueError`` where a shape does not fit.
    """
    require_least_rank("input", input, 3)
    sentences = additive_attention(input, input, word_weight, word_bias, word_context)["output"]
    return additive_attention(sentences, sentences, sentence_weight, sentence_bias, sentence_context)["output"]

"""Multi-step attention: the attention that every layer of a convolutional decoder has.

Source: the document, line 1383; Gehring et al. 2017, Convolutional Sequence to Sequence Learning, equations 1 and 2.
The authors' code halves the variance of sums and multiplies the result by the root of the number of keys, which the
equations do not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import attended, require_fitting, score
from oracle.formulas._shapes import require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import stored
from oracle.tensor import Tensor, tensor
from oracle.tensor import key as place_of


def multi_step_attention(
    input: Tensor, embedding: Tensor, key: Tensor, key_embedding: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """softmax(D Zᵀ) (Z + E), D = H Wᵀ + b + G.

    input H (*, L, F), embedding G (*, L, D) of the elements that were decoded before, key Z and key_embedding E
    (*, S, D), weight W (D, F), bias b (D) or None; returns (*, L, D). Raises ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, input, embedding, key, key_embedding, weight, bias)


def written(
    weigh: Callable[[Row], Row],
    input: Tensor,
    embedding: Tensor,
    key: Tensor,
    key_embedding: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    states = linear(input, weight, bias)
    require_shape("embedding", embedding, *states.shape)
    require_shape("key_embedding", key_embedding, *key.shape)
    query, value = _sum(states, embedding), _sum(key, key_embedding)
    require_fitting(query, key, value)
    return attended(query, key, value, partial(score, query, key), weigh=weigh)


def _sum(x: Tensor, y: Tensor) -> Tensor:
    return tensor(x.shape, lambda *index: stored(x[place_of(index)] + y[place_of(index)]))

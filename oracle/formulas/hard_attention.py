"""Hard attention: the value of one key, in its deterministic form.

Source: the document, line 1373; Xu et al. 2015, Show, Attend and Tell, section 4.1, whose keys are drawn with the
probabilities of softmax. Here the most probable one is taken.
"""

from __future__ import annotations

from oracle.formulas._attention import require_fitting, score
from oracle.formulas._softmax import Row
from oracle.formulas._weights import hardest
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor, tensor


def hard_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """v_j for the j with the largest score in the row of Q Kᵀ, the first of equal ones.

    query (*, L, E), key (*, S, E), value (*, S, Ev); returns (*, L, Ev). No derivative reaches query and key. Raises
    ``ValueError`` where a shape does not fit.
    """
    require_fitting(query, key, value)
    keys = range(key.shape[-2])

    def scores(*place: int) -> Row:
        return {j: stored(score(query, key, *place, j)) for j in keys}

    rows = tensor(query.shape[:-1], scores)

    def y(*index: int) -> Scalar:
        *batch, i, e = index
        return stored(hardest(rows[*batch, i], [value[*batch, j, e] for j in keys]))

    return tensor((*query.shape[:-1], value.shape[-1]), y)

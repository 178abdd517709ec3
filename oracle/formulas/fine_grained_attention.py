"""Fine-grained attention: every feature of the values has weights of its own.

Source: the document, line 1375; Choi, Cho and Bengio 2018, Fine-grained attention mechanism for neural machine
translation, section 4.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._shapes import require_least_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, dot, stored, tanh
from oracle.tensor import Tensor, tensor


def fine_grained_attention(
    query: Tensor, key: Tensor, value: Tensor, weight_query: Tensor, weight_key: Tensor, weight: Tensor
) -> Tensor:
    """y_ie = Σ_j a_ije v_je, a_ije the softmax over j of the scores W tanh(U_q q_i + U_k k_j), one for each e.

    query (*, L, Eq), key (*, S, Ek), value (*, S, Ev), weight_query (H, Eq), weight_key (H, Ek), weight (Ev, H);
    returns (*, L, Ev). Raises ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, query, key, value, weight_query, weight_key, weight)


def written(
    weigh: Callable[[Row], Row],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight_query: Tensor,
    weight_key: Tensor,
    weight: Tensor,
) -> Tensor:
    """The same, where ``weigh`` makes of the scores of a query the weights of the keys."""
    for name, x in (("query", query), ("key", key), ("value", value)):
        require_least_rank(name, x, 2)
    *batch, keys, _ = key.shape
    require_shape("query", query, *batch, *query.shape[-2:])
    require_shape("value", value, *batch, keys, value.shape[-1])
    queries, states = linear(query, weight_query), linear(key, weight_key)
    require_shape("the projected key", states, *batch, keys, queries.shape[-1])
    require_shape("weight", weight, value.shape[-1], queries.shape[-1])

    def hidden(*place: int) -> Scalar:
        *b, i, j, h = place
        return stored(tanh(stored(queries[*b, i, h] + states[*b, j, h])))

    length = query.shape[-2]
    energies = tensor((*batch, length, keys, queries.shape[-1]), hidden)

    def weights(*place: int) -> Row:
        *b, i, e = place
        return weigh({j: stored(dot(energies[*b, i, j, ...], weight[e, ...])) for j in range(keys)})

    rows = tensor((*batch, length, value.shape[-1]), weights)

    def y(*index: int) -> Scalar:
        *b, _, e = index
        row: Row = rows[index]
        return stored(dot(list(row.values()), [value[*b, j, e] for j in row]))

    return tensor((*batch, length, value.shape[-1]), y)

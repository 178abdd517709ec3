"""Monotonic attention: each query goes on from where the one before has stopped.

Source: the document, line 1360; Raffel et al. 2017, Online and Linear-Time Attention by Enforcing Monotonic Alignments,
equations 11 to 14.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._attention import Weights, require_fitting, score, weighted
from oracle.formulas._softmax import Row
from oracle.scalar import Scalar, constant, dot, sigmoid, stored
from oracle.tensor import Tensor, tensor


def monotonic_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """y_i = Σ_j α_ij v_j, α_ij the probability that query i stops at key j, with p = σ(Q Kᵀ) where it comes by.

    α_ij = p_ij q_ij, q_ij = (1 − p_i,j−1) q_i,j−1 + α_i−1,j; the first query begins at the first key. A query that
    stops nowhere has no value, so weights add up to less than one. query (*, L, E), key (*, S, E), value (*, S, Ev);
    returns (*, L, Ev). Raises ``ValueError`` where a shape does not fit.
    """
    return written(query, key, value)


def written(query: Tensor, key: Tensor, value: Tensor, passes: Callable[[Scalar], Scalar] | None = None) -> Tensor:
    """The same, where ``passes`` gives of the probability to stop at a key that to go on."""
    require_fitting(query, key, value)
    go_on = passes or (lambda p: 1.0 - p)
    queries, keys = range(query.shape[-2]), range(key.shape[-2])
    one, zero = constant(1.0), constant(0.0)

    def alignment(*batch: int) -> list[Row]:
        """The weights of every query, one after the other."""
        rows = []
        begun: Row = {j: zero if j else one for j in keys}  # the probability that a query begins at a key
        for i in queries:
            stops = [stored(sigmoid(stored(score(query, key, *batch, i, j)))) for j in keys]
            comes: list[Scalar] = []
            for j in keys:
                passed = [stored(dot([go_on(stops[j - 1])], [comes[-1]], begun[j]))] if j else [begun[j]]
                comes.extend(passed)
            begun = {j: stored(stops[j] * comes[j]) for j in keys}
            rows.append(begun)
        return rows

    aligned = tensor(query.shape[:-2], alignment)
    rows = tensor(query.shape[:-1], lambda *place: aligned[place[:-1]][place[-1]])
    return weighted(Weights(rows, None), value)

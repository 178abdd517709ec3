"""Memory attention: what is read from a memory is added to the query, once or more.

Source: the document, line 1368; Sukhbaatar et al. 2015, End-To-End Memory Networks, equations 1 and 2 and section 2.2,
with the same memory in every hop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import attended, score
from oracle.formulas._shapes import require_at_least, require_least_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, stored
from oracle.tensor import Tensor, key, tensor


def memory_attention(input: Tensor, memory_in: Tensor, memory_out: Tensor, *, hops: int = 1) -> Tensor:
    """u + Σ_j softmax_j(u · m_j) c_j, again for every hop.

    input u (*, E), memory_in m and memory_out c (*, S, E); returns (*, E). Raises ``ValueError`` where a shape does not
    fit, or for less than one hop.
    """
    return written(softmax_row, input, memory_in, memory_out, hops=hops)


def written(
    weigh: Callable[[Row], Row],
    input: Tensor,
    memory_in: Tensor,
    memory_out: Tensor,
    *,
    hops: int = 1,
    kept: bool = True,
) -> Tensor:
    """The same, where ``weigh`` makes weights of scores, and the query is ``kept`` beside what is read."""
    require_at_least(1, hops=(hops,))
    require_least_rank("memory_in", memory_in, 2)
    *batch, _, width = memory_in.shape
    require_shape("input", input, *batch, width)
    require_shape("memory_out", memory_out, *memory_in.shape)
    state = tensor((*batch, 1, width), lambda *index: input[key((*index[:-2], index[-1]))])
    for _ in range(hops):
        state = _hop(weigh, state, memory_in, memory_out, kept)
    last = state
    return tensor(input.shape, lambda *index: last[*index[:-1], 0, index[-1]])


def _hop(weigh: Callable[[Row], Row], state: Tensor, memory_in: Tensor, memory_out: Tensor, kept: bool) -> Tensor:
    found = attended(state, memory_in, memory_out, partial(score, state, memory_in), weigh=weigh)

    def at(*index: int) -> Scalar:
        return stored(state[index] + found[index]) if kept else found[index]

    return tensor(state.shape, at)

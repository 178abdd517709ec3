"""Dynamic convolutional attention: every position weighs its neighbours by what it holds itself.

Source: the document, line 1377; Wu et al. 2019, Pay Less Attention with Lightweight and Dynamic Convolutions, sections
3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._shapes import require_at_least, require_least_rank, require_rank, require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.formulas._windows import padded_taps
from oracle.scalar import Scalar, constant, dot, stored
from oracle.tensor import Tensor, tensor


def dynamic_convolutional_attention(input: Tensor, weight: Tensor, *, is_causal: bool = False) -> Tensor:
    """y_ic = Σ_t a_iht x_(i+t−p),c, a_ih the softmax over the K taps t of W_ht · x_i, h the group of channel c.

    The kernel is centred, p = ⌊K/2⌋, or ends with the position itself where ``is_causal``, p = K − 1. Beyond the ends x
    is zero and keeps its weight. input x (*, L, C), weight W (H, K, C), of which H divides C: each of the H groups of
    neighbouring channels has a kernel. Returns as input. Raises ``ValueError`` where a shape does not fit.
    """
    return written(softmax_row, input, weight, is_causal=is_causal)


def written(
    weigh: Callable[[Row], Row],
    input: Tensor,
    weight: Tensor,
    *,
    is_causal: bool = False,
    before: int | None = None,
    beyond: bool = True,
) -> Tensor:
    """The same, where ``weigh`` makes of the scores the weights of the taps.

    So many of them lie ``before`` the position; those ``beyond`` the ends have a weight, or none.
    """
    require_least_rank("input", input, 2)
    require_rank("weight", weight, 3)
    groups, taps, channels = weight.shape
    require_at_least(1, groups=(groups,), taps=(taps,), channels=(channels,))
    require_shape("input", input, *input.shape[:-1], channels)
    if channels % groups:
        raise ValueError(f"weight has {groups} groups; their number must divide {channels} channels")
    length = input.shape[-2]
    if before is None:
        before = taps - 1 if is_causal else taps // 2
    places = padded_taps(length, length, taps, 1, (before, taps - 1 - before), 1, "zeros")
    zero = constant(0.0)

    def weights(*place: int) -> Row:
        *b, i, h = place
        weighed = [t for t, j in enumerate(places[i]) if beyond or j is not None]
        return weigh({t: stored(dot(input[*b, i, ...], weight[h, t, ...])) for t in weighed})

    kernels = tensor((*input.shape[:-1], groups), weights)

    def y(*index: int) -> Scalar:
        *b, i, c = index
        window = [zero if j is None else input[*b, j, c] for j in places[i]]
        row: Row = kernels[*b, i, c * groups // channels]
        return stored(dot(list(row.values()), [window[t] for t in row]))

    return tensor(input.shape, y)

"""Max pooling. Source: the document, Pooling Layer, lines 585-614; torch.nn.MaxPool2d."""

import math

from oracle.formulas._shapes import require_at_least, require_least_rank
from oracle.formulas._windows import Pair, covered
from oracle.scalar import Scalar, constant, current, largest, stored, undefined
from oracle.sizes import pooling
from oracle.tensor import Choices, Tensor, tensor


def max_pool2d(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    return_indices: bool = False,
    winners: Tensor | None = None,
    nan: str = "propagated",
) -> dict[str, Tensor]:
    """The largest pixel of each window, and with ``return_indices`` where it may lie.

    input (*, H, W); returns output and perhaps indices, integers of 64 bits, both (*, H', W'). An element of indices is
    the set of the places h W + w that attain the maximum, each of them a right answer. Padding, at most half of the
    kernel, never wins: a window of padding alone gives -inf and no place. ``ceil_mode`` rounds H' and W' up, but no
    window begins beyond the input and the padding before it. A NaN is larger than everything ("propagated", IEEE
    754-2019 maximum) or counts only among NaNs ("ignored", maximumNumber). Of several pixels that attain the maximum
    ``winners``, indices (*, H', W'), tells which one has the derivative: else any share of it.
    Raises ``ValueError`` where a shape or a parameter does not fit.
    """
    if nan not in ("propagated", "ignored"):
        raise ValueError(f"nan is {nan!r}; it must be 'propagated' or 'ignored'")
    stride = stride or kernel_size
    require_least_rank("input", input, 2)
    require_at_least(1, kernel_size=kernel_size, stride=stride, dilation=dilation)
    *batch, height, width = input.shape
    rows, columns = (
        covered(size, pooling(size, k, s, p, d, ceil_mode), k, s, p, d)
        for size, k, s, p, d in zip((height, width), kernel_size, stride, padding, dilation, strict=True)
    )
    shape = (*batch, len(rows), len(columns))
    nothing = constant(-math.inf)

    def output(*index: int) -> Scalar:
        *n, i, j = index
        window = [input[*n, h, w] for h in rows[i] for w in columns[j]]
        if nan == "ignored":
            window = [x for x in window if not undefined(x)] or window
        if winners is not None and winners.shape == shape and winners[index] in places[index]:
            return stored(input[*n, *divmod(winners[index], width)])
        return stored(largest(window)) if window else nothing

    def indices(*index: int) -> frozenset[int]:
        *n, i, j = index
        value = current().value
        window = {h * width + w: value(input[*n, h, w]) for h in rows[i] for w in columns[j]}
        nans = frozenset(place for place, x in window.items() if math.isnan(x))
        numbers = {place: x for place, x in window.items() if place not in nans}
        if nans and (nan == "propagated" or not numbers):
            return nans
        top = max(numbers.values(), default=-math.inf)
        return frozenset(place for place, x in numbers.items() if x == top)

    places = Choices(shape, indices)
    outputs = {"output": tensor(shape, output)}
    if return_indices:
        outputs["indices"] = places
    return outputs

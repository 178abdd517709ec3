"""Average pooling. Source: torch.nn.AvgPool2d; the document names it, lines 14 and 37."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from oracle.formulas._shapes import require_at_least, require_least_rank
from oracle.formulas._windows import Pair, covered
from oracle.scalar import Scalar, constant, stored, total
from oracle.sizes import pooling
from oracle.tensor import Tensor, tensor


def avg_pool2d(
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The sum of each window by ``divisor_override`` or, if that is None, the number of its pixels.

    input (*, H, W); returns (*, H', W'). Zeros of the padding, at most half of the kernel, count as pixels where
    ``count_include_pad``. ``ceil_mode`` rounds H' and W' up, but no window begins beyond the input and the padding
    before it; what a window reaches beyond the padding never counts.
    Raises ``ValueError`` where a shape or a parameter does not fit.
    """
    return _averaged(
        _divided,
        input,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


def _divided(window: Scalar, divisor: int) -> Scalar:
    return window / divisor


def _multiplied(window: Scalar, divisor: int) -> Scalar:
    """By 1 / n, which is rounded."""
    return window * constant(Fraction(1, divisor))


def _averaged(
    average: Callable[[Scalar, int], Scalar],
    input: Tensor,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The same, where ``average`` makes of the sum of a window and the number of its pixels their mean."""
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    stride = stride or kernel_size
    require_least_rank("input", input, 2)
    require_at_least(1, kernel_size=kernel_size, stride=stride)
    *batch, height, width = input.shape
    sides = height, width
    rows, columns = (
        covered(size, pooling(size, k, s, p, 1, ceil_mode), k, s, p)
        for size, k, s, p in zip(sides, kernel_size, stride, padding, strict=True)
    )

    def counted(axis: int, i: int, inside: int) -> int:
        """The pixels along one axis of window i that count."""
        end = sides[axis] + 2 * padding[axis]
        return min(kernel_size[axis], end - i * stride[axis]) if count_include_pad else inside

    def y(*index: int) -> Scalar:
        *n, i, j = index
        window = [input[*n, h, w] for h in rows[i] for w in columns[j]]
        divisor = divisor_override or counted(0, i, len(rows[i])) * counted(1, j, len(columns[j]))
        return stored(average(total(window), divisor))

    return tensor((*batch, len(rows), len(columns)), y)


# The same numbers in another order of operations.
by_reciprocal = partial(_averaged, _multiplied)

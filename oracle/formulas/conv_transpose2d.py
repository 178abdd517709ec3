"""Transposed convolution.

Source: the document, Transposed Convolution, lines 786-852; torch.nn.ConvTranspose2d.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import product

from oracle.formulas import _products
from oracle.formulas._shapes import require_at_least, require_least_rank, require_rank, require_shape
from oracle.formulas._windows import Pair
from oracle.scalar import Scalar, accumulated, dot, stored
from oracle.sizes import transposed_convolution
from oracle.tensor import Tensor, tensor

Taps = tuple[tuple[int, ...], tuple[int, ...]]


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Tensor:
    """y[o, i, j] = b[o] + Σ x[c, h, w] W[c, o, k, l], h s - p + k d = i and w s - p + l d = j.

    c runs over the channels of the group of o: the adjoint of conv2d with the same parameters.
    input (*, in_channels, H, W), weight (in_channels, out_channels / groups, kh, kw), bias
    (out_channels) or None; returns (*, out_channels, H', W'). Raises ``ValueError`` where a shape or a
    parameter does not fit.
    """
    return _conv_transpose2d(
        _at_once,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )


def _at_once(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar], channels: int) -> Scalar:
    """All products and the bias in one sum."""
    return dot(xs, ws, *bias)


def _stepwise(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar], channels: int) -> Scalar:
    """The bias added to a product that has been stored."""
    return _products.biased(dot(xs, ws), bias)


def _in_parts(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar], channels: int) -> Scalar:
    """The bias added to a product that has been stored, as its parts have been."""
    return _products.biased(_products.in_parts(xs, ws), bias)


def _by_columns(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar], channels: int) -> Scalar:
    """For each tap a sum over the channels, which is stored; taps and bias are added to the output one by one."""
    pixels = len(xs) // channels
    sums = [stored(dot(xs[k::pixels], ws[k::pixels])) for k in range(pixels)]
    return accumulated([*sums, *bias])


def _conv_transpose2d(
    summed: Callable[[list[Scalar], list[Scalar], list[Scalar], int], Scalar],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Tensor:
    require_least_rank("input", input, 3)
    require_rank("weight", weight, 4)
    require_at_least(1, stride=stride, dilation=dilation, groups=(groups,))
    require_at_least(0, padding=padding)
    *batch, channels, height, width = input.shape
    if weight.shape[0] != channels or channels % groups:
        raise ValueError(
            f"the weight is for {weight.shape[0]} channels, the input has {channels}: "
            f"they must be equal and a multiple of the {groups} groups"
        )
    _, depth, *kernel = weight.shape
    require_shape("bias", bias, groups * depth)
    rows, columns = (
        _reaching(size, k, s, p, extra, d)
        for size, k, s, p, extra, d in zip(
            (height, width), kernel, stride, padding, output_padding, dilation, strict=True
        )
    )

    def members(group: int) -> range:
        return range(group * channels // groups, (group + 1) * channels // groups)

    def pixels(*place: int) -> list[Scalar]:
        *n, group, i, j = place
        return [input[*n, c, h, w] for c in members(group) for h in rows[i][1] for w in columns[j][1]]

    reached = tensor((*batch, groups, len(rows), len(columns)), pixels)  # shared by the output channels of a group

    @cache  # the taps repeat with the stride
    def weights(o: int, ks: tuple[int, ...], ls: tuple[int, ...]) -> list[Scalar]:
        return [weight[c, o % depth, k, m] for c in members(o // depth) for k in ks for m in ls]

    def y(*index: int) -> Scalar:
        *n, o, i, j = index
        bias_term = [] if bias is None else [bias[o]]
        return stored(
            summed(reached[*n, o // depth, i, j], weights(o, rows[i][0], columns[j][0]), bias_term, channels // groups)
        )

    return tensor((*batch, groups * depth, len(rows), len(columns)), y)


# The same numbers in other orders of operations; the last as a matrix product and col2im have it.
stepwise = partial(_conv_transpose2d, _stepwise)
in_parts = partial(_conv_transpose2d, _in_parts)
by_columns = partial(_conv_transpose2d, _by_columns)


def _reaching(size: int, kernel: int, stride: int, padding: int, output_padding: int, dilation: int) -> list[Taps]:
    """For each output position the taps through which input pixels reach it, and those pixels."""
    length = transposed_convolution(size, kernel, stride, padding, output_padding, dilation)
    pairs: list[list[tuple[int, int]]] = [[] for _ in range(length)]
    for k, h in product(range(kernel), range(size)):
        i = h * stride + k * dilation - padding
        if 0 <= i < length:
            pairs[i].append((k, h))
    return [(tuple(k for k, _ in those), tuple(h for _, h in those)) for those in pairs]

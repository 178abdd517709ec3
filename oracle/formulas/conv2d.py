"""Convolution. Source: the document, Convolutional Layer, lines 116-134; torch.nn.Conv2d."""

from collections.abc import Callable
from functools import partial

from oracle.formulas import _products
from oracle.formulas._shapes import require_at_least, require_least_rank, require_rank, require_shape
from oracle.formulas._windows import Pair, padded_taps
from oracle.scalar import Scalar, constant, dot, stored
from oracle.sizes import convolution, same_padding
from oracle.tensor import Tensor, tensor


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Tensor:
    """y[o, i, j] = b[o] + Σ_{c, k, l} x[c, i s - p + k d, j s - p + l d] W[o, c, k, l].

    A cross-correlation; c runs over the channels of the group of o. input (*, in_channels, H, W),
    weight (out_channels, in_channels / groups, kh, kw), bias (out_channels) or None; returns
    (*, out_channels, H', W'). ``padding`` is a pair, "valid" or "same", ``padding_mode`` one of
    zeros, reflect, replicate, circular. Raises ``ValueError`` where a shape or a parameter does not fit.
    """
    return written(
        _at_once,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=padding_mode,
    )


def _at_once(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar]) -> Scalar:
    """All products and the bias in one sum."""
    return dot(xs, ws, *bias)


def _stepwise(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar]) -> Scalar:
    """The bias added to a product that has been stored."""
    return _products.biased(dot(xs, ws), bias)


def _in_parts(xs: list[Scalar], ws: list[Scalar], bias: list[Scalar]) -> Scalar:
    """The bias added to a product that has been stored, as its parts have been."""
    return _products.biased(_products.in_parts(xs, ws), bias)


def written(
    summed: Callable[[list[Scalar], list[Scalar], list[Scalar]], Scalar],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Tensor:
    """The same, with any way to add up pixels times taps and the bias."""
    require_least_rank("input", input, 3)
    require_rank("weight", weight, 4)
    require_at_least(1, stride=stride, dilation=dilation, groups=(groups,))
    *batch, channels, height, width = input.shape
    filters, depth, *kernel = weight.shape
    if channels != depth * groups or filters % groups:
        raise ValueError(
            f"{groups} groups of {depth} channels, {filters} filters: "
            f"the input must have {depth * groups} channels, not {channels}, "
            "and the groups divide the filters"
        )
    require_shape("bias", bias, filters)
    if padding == "same" and tuple(stride) != (1, 1):
        raise ValueError(f"padding 'same' needs stride 1, not {stride}")
    axes = []
    for axis, size in enumerate((height, width)):
        k, s, d = kernel[axis], stride[axis], dilation[axis]
        pads = _pads(padding, axis, k, d)
        axes.append(padded_taps(size, convolution(size, k, s, pads, d), k, s, pads, d, padding_mode))
    rows, columns = axes
    zero = constant(0.0)

    def window(*place: int) -> list[Scalar]:
        *n, group, i, j = place
        return [
            zero if row is None or column is None else input[*n, c, row, column]
            for c in range(group * depth, (group + 1) * depth)
            for row in rows[i]
            for column in columns[j]
        ]

    windows = tensor((*batch, groups, len(rows), len(columns)), window)  # shared by the filters of a group

    def y(*index: int) -> Scalar:
        *n, o, i, j = index
        bias_term = [] if bias is None else [bias[o]]
        return stored(summed(windows[*n, o * groups // filters, i, j], weight[o, ...], bias_term))

    return tensor((*batch, filters, len(rows), len(columns)), y)


# The same numbers in other orders of operations.
stepwise = partial(written, _stepwise)
in_parts = partial(written, _in_parts)


def _pads(padding: Pair | str, axis: int, kernel: int, dilation: int) -> Pair:
    """What is padded before and after an axis."""
    if padding == "same":
        return same_padding(kernel, dilation)
    if padding == "valid":
        return 0, 0
    if isinstance(padding, str):
        raise ValueError(f"padding {padding!r} is neither a pair nor 'same' nor 'valid'")
    require_at_least(0, padding=padding)
    return padding[axis], padding[axis]

"""What the targets of several libraries make of parameters, before they meet the library's own arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from conformance.target import Unsupported

# The biases of layers that add them to every row or pixel: their derivatives are sums of as many terms.
BIASES = {
    **dict.fromkeys(("linear", "custom_linear", "conv2d", "conv_transpose2d"), ("bias",)),
    "residual": ("bias_1", "bias_2"),
}


def require_kept_size(padding: Sequence[int] | str, stride: Sequence[int], operation: str) -> None:
    """Raises ``Unsupported`` where padding "same" meets a stride, by which the libraries divide the size."""
    if padding == "same" and tuple(stride) != (1, 1):
        raise Unsupported(f"{operation} keeps no size where there is a stride: it divides it")


def require_half(padding: Sequence[int], kernel_size: Sequence[int]) -> None:
    """Raises ``ValueError`` where a window may hold padding alone: of a library whose pooling pads nothing itself."""
    if any(2 * p > side for p, side in zip(padding, kernel_size, strict=True)):
        raise ValueError(f"padding {padding} is more than half of the kernel {kernel_size}")


def require_size_or_factor(
    size: Sequence[int] | None, scale_factor: Sequence[float] | None, recompute_scale_factor: bool | None
) -> None:
    """Raises ``ValueError`` where an interpolation is told both, or neither."""
    if (size is None) == (scale_factor is None) or (size is not None and recompute_scale_factor):
        raise ValueError("exactly one of size and scale_factor must be given, and only the latter can be recomputed")


def sides_by_ratio(
    sides: Sequence[int],
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
    reason: str,
) -> tuple[int, ...]:
    """The sides that an interpolation gives to an image with these, in a library that scales by their ratio.

    Raises ``Unsupported`` with the reason where the factors that are given are not that ratio, ``ValueError`` where
    not exactly one of size and scale_factor is given.
    """
    require_size_or_factor(size, scale_factor, recompute_scale_factor)
    if scale_factor is None:
        return tuple(size or ())
    outputs = tuple(int(side * factor) for side, factor in zip(sides, scale_factor, strict=True))
    pairs = zip(outputs, sides, scale_factor, strict=True)
    if not recompute_scale_factor and any(output != side * factor for output, side, factor in pairs):
        raise Unsupported(reason)
    return outputs


def squared_gain(nonlinearity: str, a: float, library: str) -> float:
    """The square of the gain that a library's initialisers of He and LeCun have: 2, or 1 for what is linear.

    Raises ``Unsupported`` for a nonlinearity of which they know nothing.
    """
    if nonlinearity not in ("relu", "leaky_relu", "linear"):
        raise Unsupported(f"{library} knows no gain for {nonlinearity}")
    return {"relu": 2.0, "leaky_relu": 2.0 / (1.0 + a * a), "linear": 1.0}[nonlinearity]


def by_unit(
    weights: Sequence[Any], initial: Sequence[Any], num_layers: int, bias: bool, bidirectional: bool
) -> list[Sequence[Any]]:
    """The weights of each unit of a recurrent layer, layer by layer and in each the directions.

    ``initial`` are the initial states, (units, N, size) or None. Raises ``ValueError`` for another number of weights
    or of states.
    """
    units, each = num_layers * (1 + bidirectional), 4 if bias else 2
    if num_layers < 1 or len(weights) != units * each:
        raise ValueError(f"{len(weights)} weights, expected {units * each}")
    for state in initial:
        if state is not None and len(state) != units:
            raise ValueError(f"initial states of {len(state)} units, expected {units}")
    return [weights[begin : begin + each] for begin in range(0, len(weights), each)]


def heads_apart(query: Sequence[int], key: Sequence[int]) -> Callable[[Sequence[int]], tuple[int, ...]]:
    """What makes of the shape of a tensor, in an attention with these queries and keys, (batch, heads, length, width).

    Two dimensions are one head of a sample. The first of three is the samples, or the heads where keys have fewer,
    which are shared.
    """
    several = len(query) > 3 or tuple(query[:-2]) != tuple(key[:-2])

    def apart(shape: Sequence[int]) -> tuple[int, ...]:
        *batch, heads = shape[:-2] if several else (*shape[:-2], 1)
        return (math.prod(batch), heads, *shape[-2:])

    return apart


def sum_of_biases(b_ih: Any, b_hh: Any) -> Any:
    """The biases of both products of a recurrent unit as one, in a library that has one, and would repeat a short one.

    Raises ``ValueError`` where their shapes differ.
    """
    if b_ih.shape != b_hh.shape:
        raise ValueError(f"b_ih of shape {b_ih.shape} and b_hh of shape {b_hh.shape} differ")
    return b_ih + b_hh

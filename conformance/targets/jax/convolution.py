"""Convolutions: flax keeps channels last, and kernels as (height, width, in, out)."""

from __future__ import annotations

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from conformance.target import Unsupported
from conformance.targets._parameters import require_kept_size
from conformance.targets.jax._modules import applied

Pair = tuple[int, int]


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Array:
    """nn.Conv."""
    if padding_mode != "zeros":
        raise Unsupported("nn.Conv pads with zeros, or chooses the padding itself")
    require_kept_size(padding, stride, "nn.Conv")
    module = nn.Conv(
        weight.shape[0],
        weight.shape[2:],
        stride,
        padding.upper() if isinstance(padding, str) else [(p, p) for p in padding],
        kernel_dilation=dilation,
        feature_group_count=groups,
        use_bias=bias is not None,
    )
    parameters = {"kernel": weight.transpose(2, 3, 1, 0), "bias": bias}
    return jnp.moveaxis(applied(module, parameters, jnp.moveaxis(input, -3, -1)), -1, -3)


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    output_padding: Pair = (0, 0),
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Array:
    """nn.ConvTranspose, with the kernel of the convolution that it is the adjoint of."""
    if groups != 1:
        raise Unsupported("nn.ConvTranspose has no groups")
    if not all(0 <= extra < max(steps) for extra, *steps in zip(output_padding, stride, dilation, strict=True)):
        raise ValueError(f"output_padding {output_padding} must be less than stride or dilation, and not negative")
    reach = [d * (k - 1) - p for k, d, p in zip(weight.shape[2:], dilation, padding, strict=True)]
    module = nn.ConvTranspose(
        weight.shape[1],
        weight.shape[2:],
        stride,
        [(side, side + extra) for side, extra in zip(reach, output_padding, strict=True)],
        kernel_dilation=dilation,
        use_bias=bias is not None,
        transpose_kernel=True,
    )
    parameters = {"kernel": weight.transpose(2, 3, 1, 0), "bias": bias}
    return jnp.moveaxis(applied(module, parameters, jnp.moveaxis(input, -3, -1)), -1, -3)


LAYERS = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
}

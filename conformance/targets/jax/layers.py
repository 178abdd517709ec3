"""The layers of jax.nn, jax.image, jax.nn.initializers and flax.linen, given tensors as the formulas have them.

Flax keeps channels last and weights as (*kernel, in, out); its recurrent cells have one bias for both products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn

from conformance.target import Unsupported

Array: TypeAlias = jax.Array
Pair: TypeAlias = tuple[int, int]


def _applied(module: nn.Module, parameters: dict[str, Any], *inputs: Any, **options: Any) -> Any:
    """A module with these parameters; those that are None do not exist."""
    return module.apply({"params": _present(parameters)}, *inputs, **options)


def _present(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


# Activation


def relu(input: Array) -> Array:
    """jax.nn.relu."""
    return jax.nn.relu(input)


def sigmoid(input: Array) -> Array:
    """jax.nn.sigmoid."""
    return jax.nn.sigmoid(input)


def tanh(input: Array) -> Array:
    """jax.nn.tanh."""
    return jax.nn.tanh(input)


def softmax(input: Array, *, dim: int = -1) -> Array:
    """jax.nn.softmax."""
    return jax.nn.softmax(input, dim)


def log_softmax(input: Array, *, dim: int = -1) -> Array:
    """jax.nn.log_softmax."""
    return jax.nn.log_softmax(input, dim)


# Dense


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """nn.Dense, whose kernel is the transposed weight."""
    return custom_linear(input, weight.T, bias)


def custom_linear(input: Array, weight: Array, bias: Array | None) -> Array:
    """nn.Dense itself."""
    found: Array = _applied(
        nn.Dense(weight.shape[1], use_bias=bias is not None), {"kernel": weight, "bias": bias}, input
    )
    return found


def residual(input: Array, weight_1: Array, bias_1: Array, weight_2: Array, bias_2: Array) -> Array:
    """Two nn.Dense with a relu between them, and the input added."""
    return linear(nn.relu(linear(input, weight_1, bias_1)), weight_2, bias_2) + input


def embedding(
    input: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Array, Array]:
    """nn.Embed, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("nn.Embed has neither padding_idx nor max_norm")
    return _applied(nn.Embed(*weight.shape), {"embedding": weight}, input), weight


# Convolution and pooling


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
    return jnp.moveaxis(_applied(module, parameters, jnp.moveaxis(input, -3, -1)), -1, -3)


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
    return jnp.moveaxis(_applied(module, parameters, jnp.moveaxis(input, -3, -1)), -1, -3)


def avg_pool2d(
    input: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """nn.avg_pool, of images of one channel."""
    if ceil_mode or divisor_override is not None:
        raise Unsupported("nn.avg_pool has neither ceil_mode nor divisor_override")
    if input.ndim < 2:
        raise ValueError(f"input of shape {input.shape} has no height and width")
    images = input.reshape(math.prod(input.shape[:-2]), *input.shape[-2:], 1)
    pads = [(p, p) for p in padding]
    found = nn.avg_pool(images, kernel_size, stride or kernel_size, pads, count_include_pad)[..., 0]
    return found.reshape(*input.shape[:-2], *found.shape[-2:])


# Normalisation


def batch_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: int = 0,
) -> tuple[Array, ...]:
    """nn.BatchNorm. In training it feeds the running variance with the population variance."""
    if training and running_var is not None:
        raise Unsupported("nn.BatchNorm feeds the running variance with the population variance, not the unbiased one")
    module = nn.BatchNorm(
        not training,
        axis=1,
        epsilon=eps,
        use_bias=bias is not None,
        use_scale=weight is not None,
        use_fast_variance=False,
    )
    statistics = {"mean": running_mean, "var": running_var}
    kept = {"mean": jnp.zeros(input.shape[1]), "var": jnp.ones(input.shape[1])} if training else _present(statistics)
    variables = {"params": _present({"scale": weight, "bias": bias}), "batch_stats": kept}
    output = module.apply(variables, input, mutable=["batch_stats"])[0]
    return (output, *_present(statistics).values())


def layer_norm(
    input: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float = 1e-5,
) -> Array:
    """nn.LayerNorm."""
    axes = tuple(range(-len(normalized_shape), 0))
    if input.shape[axes[0] :] != tuple(normalized_shape):
        raise ValueError(f"input of shape {input.shape} does not end in {tuple(normalized_shape)}")
    return _normalised(nn.LayerNorm, input, weight, bias, epsilon=eps, reduction_axes=axes, feature_axes=axes)


def group_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """nn.GroupNorm."""
    found = _normalised(nn.GroupNorm, jnp.moveaxis(input, 1, -1), weight, bias, epsilon=eps, num_groups=num_groups)
    return jnp.moveaxis(found, -1, 1)


def instance_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """nn.InstanceNorm."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise Unsupported("nn.InstanceNorm keeps no running statistics")
    return _normalised(nn.InstanceNorm, input, weight, bias, epsilon=eps, feature_axes=1)


def _normalised(kind: Any, input: Array, weight: Array | None, bias: Array | None, **options: Any) -> Array:
    """A module whose variance is that of the formula, not E[x²] − E[x]², which is flax's default."""
    module = kind(use_bias=bias is not None, use_scale=weight is not None, use_fast_variance=False, **options)
    found: Array = _applied(module, {"scale": weight, "bias": bias}, input)
    return found


# Attention


def dot_product_attention(query: Array, key: Array, value: Array) -> Array:
    """jax.nn.dot_product_attention with scale 1."""
    return scaled_dot_product_attention(query, key, value, scale=1.0)


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """jax.nn.dot_product_attention."""
    if is_causal and attn_mask is not None:
        raise Unsupported("jax.nn.dot_product_attention takes a mask beside is_causal")
    return _attended(query, key, value, attn_mask, enable_gqa, is_causal=is_causal, scale=scale)


def local_attention(query: Array, key: Array, value: Array, *, window: int) -> Array:
    """jax.nn.dot_product_attention with a local window."""
    return _attended(query, key, value, None, False, local_window_size=window)


def _attended(query: Array, key: Array, value: Array, mask: Array | None, shared: bool, **options: Any) -> Array:
    """jax.nn.dot_product_attention of tensors (*, heads, length, width), or (length, width)."""
    if key.shape != value.shape:
        raise Unsupported("jax.nn.dot_product_attention takes values of the same width as keys")
    if not shared and query.shape[:-2] != key.shape[:-2]:
        raise Unsupported("jax.nn.dot_product_attention shares heads wherever their number divides that of the queries")

    def joined(x: Array) -> Array:
        """(batch, length, heads, width)."""
        batch, heads = (x.shape[:-3], x.shape[-3]) if x.ndim > 2 else ((), 1)
        return jnp.swapaxes(x.reshape(math.prod(batch), heads, *x.shape[-2:]), 1, 2)

    given = options
    if mask is not None:
        whole = jnp.broadcast_to(mask, (*query.shape[:-1], key.shape[-2]))
        heads = query.shape[-3] if query.ndim > 2 else 1
        name = "mask" if mask.dtype == bool else "bias"
        given = {**options, name: whole.reshape(math.prod(query.shape[:-3]), heads, *whole.shape[-2:])}
    found = jax.nn.dot_product_attention(joined(query), joined(key), joined(value), **given)
    return jnp.swapaxes(found, 1, 2).reshape(query.shape)


def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    in_proj_weight: Array,
    in_proj_bias: Array | None,
    out_proj_weight: Array,
    out_proj_bias: Array | None,
    key_padding_mask: Array | None = None,
    attn_mask: Array | None = None,
    *,
    num_heads: int,
    need_weights: bool = True,
    average_attn_weights: bool = True,
) -> tuple[Array, ...]:
    """nn.MultiHeadDotProductAttention, which sows the weights of each head."""
    if need_weights and average_attn_weights:
        raise Unsupported("nn.MultiHeadDotProductAttention gives the weights of each head, not their mean")
    if (in_proj_bias is None) != (out_proj_bias is None):
        raise Unsupported("nn.MultiHeadDotProductAttention has all biases or none")
    samples, length, width = query.shape
    keys = key.shape[1]
    masks = []
    if key_padding_mask is not None:
        masks.append(key_padding_mask[:, None, None, :])
    if attn_mask is not None:
        masks.append(attn_mask.reshape(samples, num_heads, length, keys) if attn_mask.ndim == 3 else attn_mask)
    if any(mask.dtype != bool for mask in masks):
        raise Unsupported("nn.MultiHeadDotProductAttention takes masks of booleans")
    shape = (samples, num_heads, length, keys)
    allowed = nn.combine_masks(*(jnp.broadcast_to(~mask, shape) for mask in masks), dtype=bool) if masks else None

    head = (num_heads, width // num_heads)
    parameters: dict[str, Any] = {}
    for part, name in enumerate(("query", "key", "value")):
        rows = slice(part * width, (part + 1) * width)
        bias = None if in_proj_bias is None else in_proj_bias[rows].reshape(head)
        parameters[name] = _present({"kernel": in_proj_weight[rows].T.reshape(width, *head), "bias": bias})
    parameters["out"] = _present({"kernel": out_proj_weight.T.reshape(*head, width), "bias": out_proj_bias})
    module = nn.MultiHeadDotProductAttention(num_heads, use_bias=in_proj_bias is not None)
    options = {"mask": allowed, "sow_weights": need_weights, "mutable": ["intermediates"]}
    output, kept = _applied(module, parameters, query, key, value, **options)
    return (output, *kept["intermediates"]["attention_weights"]) if need_weights else (output,)


# Recurrent


def rnn(
    input: Array,
    h_0: Array | None,
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
) -> tuple[Array, ...]:
    """Stacked nn.RNN of nn.SimpleCell."""

    def cell(size: int) -> nn.RNNCellBase:
        return nn.SimpleCell(size, activation_fn={"tanh": nn.tanh, "relu": nn.relu}[nonlinearity])

    def parameters(w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> dict[str, Any]:
        return {"i": {"kernel": w_ih.T, "bias": b_ih + b_hh}, "h": {"kernel": w_hh.T}}

    output, (h_n,) = _recurrent(
        cell, parameters, 1, input, (h_0,), weights, num_layers, bias, batch_first, bidirectional
    )
    return output, h_n


def lstm(
    input: Array,
    h_0: Array | None,
    c_0: Array | None,
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> tuple[Array, ...]:
    """Stacked nn.RNN of nn.LSTMCell."""
    if proj_size:
        raise Unsupported("nn.LSTMCell has no projection")

    def parameters(w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> dict[str, Any]:
        rows = [jnp.split(x, 4) for x in (w_ih, w_hh, b_ih + b_hh)]
        found: dict[str, Any] = {}
        for gate, of_input, of_state, bias in zip("ifgo", *rows, strict=True):
            found[f"i{gate}"] = {"kernel": of_input.T}
            found[f"h{gate}"] = {"kernel": of_state.T, "bias": bias}
        return found

    arguments = (input, (c_0, h_0), weights, num_layers, bias, batch_first, bidirectional)
    output, (c_n, h_n) = _recurrent(nn.LSTMCell, parameters, 4, *arguments)
    return output, h_n, c_n


def gru(
    input: Array,
    h_0: Array | None,
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    reset_after: bool = True,
) -> tuple[Array, ...]:
    """Stacked nn.RNN of nn.GRUCell."""
    if not reset_after:
        raise Unsupported("nn.GRUCell applies the reset gate after the recurrent product")

    def parameters(w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> dict[str, Any]:
        (*_, b_n), (*_, b_hn) = jnp.split(b_ih, 3), jnp.split(b_hh, 3)
        rows = [jnp.split(x, 3) for x in (w_ih, w_hh, b_ih + b_hh)]
        found: dict[str, Any] = {}
        for gate, of_input, of_state, bias in zip("rzn", *rows, strict=True):
            found[f"i{gate}"] = {"kernel": of_input.T, "bias": b_n if gate == "n" else bias}
            found[f"h{gate}"] = _present({"kernel": of_state.T, "bias": b_hn if gate == "n" else None})
        return found

    arguments = (input, (h_0,), weights, num_layers, bias, batch_first, bidirectional)
    output, (h_n,) = _recurrent(nn.GRUCell, parameters, 3, *arguments)
    return output, h_n


def _recurrent(
    cell: Callable[[int], nn.RNNCellBase],
    parameters: Callable[..., dict[str, Any]],
    gates: int,
    input: Array,
    initial: tuple[Array | None, ...],
    weights: tuple[Array, ...],
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
) -> tuple[Array, tuple[Array, ...]]:
    """The outputs of the last layer, and the last states of all units: nn.RNN for each layer and direction."""
    size = weights[0].shape[0] // gates
    directions, each = 1 + bidirectional, 4 if bias else 2
    if len(weights) != num_layers * directions * each:
        raise ValueError(f"{len(weights)} weights, expected {num_layers * directions * each}")
    for state in initial:
        if state is not None and len(state) != num_layers * directions:
            raise ValueError(f"initial states of {len(state)} units, expected {num_layers * directions}")
    sequence, ends = input, []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            unit = layer * directions + direction
            own = weights[unit * each : (unit + 1) * each]
            given = own if bias else (*own, *[jnp.zeros(gates * size, input.dtype)] * 2)
            begin = [
                jnp.zeros((input.shape[0 if batch_first else 1], size), input.dtype) if x is None else x[unit]
                for x in initial
            ]
            module = nn.RNN(
                cell(size), time_major=not batch_first, return_carry=True, reverse=bool(direction), keep_order=True
            )
            carry = begin[0] if len(begin) == 1 else tuple(begin)
            end, output = _applied(module, {"cell": parameters(*given)}, sequence, initial_carry=carry)
            ends.append(end if isinstance(end, tuple) else (end,))
            outputs.append(output)
        sequence = jnp.concatenate(outputs, axis=-1)
    return sequence, tuple(jnp.stack(states) for states in zip(*ends, strict=True))


# Resampling


def upsample_nearest_exact(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """jax.image.resize, method "nearest", which takes the pixel at the centre."""
    return _resized("nearest", input, size, scale_factor, recompute_scale_factor)


def upsample_bilinear(
    input: Array,
    *,
    size: Sequence[int] | None = None,
    scale_factor: Sequence[float] | None = None,
    recompute_scale_factor: bool | None = None,
    align_corners: bool = False,
    asymmetric: bool = False,
) -> Array:
    """jax.image.resize, method "linear", without antialiasing."""
    if align_corners or asymmetric:
        raise Unsupported("jax.image.resize places pixels by their centres")
    return _resized("linear", input, size, scale_factor, recompute_scale_factor)


def _resized(
    method: str,
    input: Array,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    recompute_scale_factor: bool | None,
) -> Array:
    sides = input.shape[-2:]
    if (size is None) == (scale_factor is None) or (size is not None and recompute_scale_factor):
        raise ValueError("exactly one of size and scale_factor must be given, and only the latter can be recomputed")
    outputs = size or [int(side * factor) for side, factor in zip(sides, scale_factor or (), strict=True)]
    if scale_factor and not recompute_scale_factor:
        pairs = zip(outputs, sides, scale_factor, strict=True)
        if any(output != side * factor for output, side, factor in pairs):
            raise Unsupported("jax.image.resize takes the ratio of the sizes for the scale")
    return jax.image.resize(input, (*input.shape[:-2], *outputs), method, antialias=False)


# Random


def dropout(input: Array, *, key: Array, p: float = 0.5) -> Array:
    """nn.Dropout in training."""
    found: Array = nn.Dropout(p, deterministic=False).apply({}, input, rng=key)
    return found


def dropout2d(input: Array, *, key: Array, p: float = 0.5) -> Array:
    """nn.Dropout in training, with one draw for all positions of a channel."""
    places = tuple(range(2, input.ndim))
    found: Array = nn.Dropout(p, broadcast_dims=places, deterministic=False).apply({}, input, rng=key)
    return found


def zeros_init(tensor: Array) -> Array:
    """jax.nn.initializers.zeros."""
    return jax.nn.initializers.zeros(jax.random.key(0), tensor.shape, tensor.dtype)


def xavier_uniform(tensor: Array, *, key: Array, gain: float = 1.0) -> Array:
    """jax.nn.initializers.variance_scaling."""
    return _scaled(tensor, key, gain**2, "fan_avg", "uniform")


def xavier_normal(tensor: Array, *, key: Array, gain: float = 1.0) -> Array:
    """jax.nn.initializers.variance_scaling; glorot_normal is a truncated one."""
    return _scaled(tensor, key, gain**2, "fan_avg", "normal")


def kaiming_uniform(
    tensor: Array, *, key: Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """jax.nn.initializers.variance_scaling."""
    return _scaled(tensor, key, _gain(nonlinearity, a), mode, "uniform")


def kaiming_normal(
    tensor: Array, *, key: Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Array:
    """jax.nn.initializers.variance_scaling; he_normal is a truncated one."""
    return _scaled(tensor, key, _gain(nonlinearity, a), mode, "normal")


def _gain(nonlinearity: str, a: float) -> float:
    """The square of the gain: 2 in he_normal and he_uniform, 1 in lecun_normal and lecun_uniform."""
    if nonlinearity not in ("relu", "leaky_relu", "linear"):
        raise Unsupported(f"jax.nn.initializers knows no gain for {nonlinearity}")
    return {"relu": 2.0, "leaky_relu": 2.0 / (1.0 + a * a), "linear": 1.0}[nonlinearity]


def _scaled(tensor: Array, key: Array, scale: float, mode: Any, distribution: Any) -> Array:
    draw = jax.nn.initializers.variance_scaling(scale, mode, distribution, in_axis=1, out_axis=0)
    return draw(key, tensor.shape, tensor.dtype)


_NAMES = (
    "relu sigmoid tanh softmax log_softmax linear custom_linear residual embedding conv2d conv_transpose2d avg_pool2d "
    "batch_norm layer_norm group_norm instance_norm dot_product_attention scaled_dot_product_attention local_attention "
    "multi_head_attention rnn lstm gru upsample_nearest_exact upsample_bilinear dropout dropout2d zeros_init "
    "xavier_uniform xavier_normal kaiming_uniform kaiming_normal"
)
LAYERS: dict[str, Callable[..., Any]] = {name: globals()[name] for name in _NAMES.split()}

# Masks are large negative scores: a query that sees no key weighs all alike; what is behind a mask has the weight 0.
POLICIES = {
    "dropout": {"behind_mask": "skipped"},
    "dropout2d": {"behind_mask": "skipped"},
    "scaled_dot_product_attention": {"fully_masked": "mean", "behind_mask": "times_zero"},
    "multi_head_attention": {"fully_masked": "mean", "behind_mask": "times_zero"},
    "local_attention": {"behind_mask": "times_zero"},
}

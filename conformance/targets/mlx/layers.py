"""Activations, products with weights, lookup, attention and random layers of mlx.nn and mlx.core."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import mlx.core as mx
from mlx import nn

from conformance.target import Unsupported
from conformance.targets._parameters import heads_apart

Array: TypeAlias = mx.array


def with_parameters(module: Any, **parameters: Array | None) -> Any:
    """The module with these parameters; those that are None it does not have."""
    for name, value in parameters.items():
        if value is not None:
            module[name] = value
    return module


# Activation


def relu(input: Array) -> Array:
    """nn.relu."""
    return nn.relu(input)


def sigmoid(input: Array) -> Array:
    """nn.sigmoid."""
    return nn.sigmoid(input)


def tanh(input: Array) -> Array:
    """nn.tanh."""
    return nn.tanh(input)


def softmax(input: Array, *, dim: int = -1) -> Array:
    """nn.softmax."""
    return nn.softmax(input, dim)


def log_softmax(input: Array, *, dim: int = -1) -> Array:
    """nn.log_softmax."""
    return nn.log_softmax(input, dim)


# Dense


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """nn.Linear."""
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    found: Array = with_parameters(module, weight=weight, bias=bias)(input)
    return found


def custom_linear(input: Array, weight: Array, bias: Array) -> Array:
    """mx.addmm."""
    return mx.addmm(bias, input, weight)


def residual(input: Array, weight_1: Array, bias_1: Array, weight_2: Array, bias_2: Array) -> Array:
    """Two nn.Linear with nn.relu between them, and the input added."""
    return linear(nn.relu(linear(input, weight_1, bias_1)), weight_2, bias_2) + input


def embedding(
    input: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Array, Array]:
    """nn.Embedding, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("nn.Embedding has neither padding_idx nor max_norm")
    return with_parameters(nn.Embedding(*weight.shape), weight=weight)(input), weight


# Attention


def dot_product_attention(query: Array, key: Array, value: Array) -> Array:
    """mx.fast.scaled_dot_product_attention with scale 1."""
    return _attended(query, key, value, None, 1.0)


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
    """mx.fast.scaled_dot_product_attention."""
    if not enable_gqa and query.shape[:-2] != key.shape[:-2]:
        raise Unsupported("mx.fast shares heads wherever their number divides that of the queries")
    if is_causal and attn_mask is not None:
        raise ValueError("attn_mask and is_causal exclude each other")
    mask = "causal" if is_causal else attn_mask
    return _attended(query, key, value, mask, query.shape[-1] ** -0.5 if scale is None else scale)


def local_attention(query: Array, key: Array, value: Array, *, window: int) -> Array:
    """mx.fast.scaled_dot_product_attention with a mask of booleans."""
    if query.shape[-2] > key.shape[-2] + window:
        raise Unsupported("a query without keys weighs all alike")
    places = mx.abs(mx.arange(query.shape[-2])[:, None] - mx.arange(key.shape[-2]))
    return _attended(query, key, value, places <= window, query.shape[-1] ** -0.5)


def _attended(query: Array, key: Array, value: Array, mask: Array | str | None, scale: float) -> Array:
    """The function takes tensors (batch, heads, length, width)."""
    if query.ndim > 4:
        raise Unsupported("mx.fast.scaled_dot_product_attention takes tensors of four dimensions")
    if isinstance(mask, mx.array) and mask.ndim > query.ndim:
        raise ValueError(f"a mask of {mask.ndim} dimensions for a query of {query.ndim}")
    if not query.ndim == key.ndim == value.ndim:
        raise ValueError(f"query, key and value of {query.ndim}, {key.ndim} and {value.ndim} dimensions")

    def whole(x: Array) -> Array:
        return x.reshape(apart(x.shape))

    apart = heads_apart(query.shape, key.shape)
    mask = whole(mask) if isinstance(mask, mx.array) and mask.ndim == query.ndim else mask
    found = mx.fast.scaled_dot_product_attention(whole(query), whole(key), whole(value), scale=scale, mask=mask)
    return found.reshape(*query.shape[:-1], value.shape[-1])


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
) -> Array:
    """nn.MultiHeadAttention, whose masks are True where a key takes part, or are added."""
    if need_weights:
        raise Unsupported("nn.MultiHeadAttention gives no weights")
    if (in_proj_bias is None) != (out_proj_bias is None):
        raise Unsupported("nn.MultiHeadAttention has all biases or none")
    if key_padding_mask is not None and attn_mask is not None:
        raise Unsupported("nn.MultiHeadAttention takes one mask")
    samples, length, width = query.shape
    mask = attn_mask
    if key_padding_mask is not None:
        mask = key_padding_mask[:, None, None, :]
    elif attn_mask is not None and attn_mask.ndim == 3:
        mask = attn_mask.reshape(samples, num_heads, length, key.shape[1])
    if mask is not None and mask.dtype == mx.bool_:
        mask = mx.logical_not(mask)
    module = nn.MultiHeadAttention(width, num_heads, bias=in_proj_bias is not None)
    parts = mx.split(in_proj_weight, 3)
    biases = [None] * 3 if in_proj_bias is None else mx.split(in_proj_bias, 3)
    for name, weight, bias in zip(("query_proj", "key_proj", "value_proj"), parts, biases, strict=True):
        with_parameters(module[name], weight=weight, bias=bias)
    with_parameters(module["out_proj"], weight=out_proj_weight, bias=out_proj_bias)
    found: Array = module(query, key, value, mask)
    return found


def positional_encoding(input: Array) -> Array:
    """nn.SinusoidalPositionalEncoding added; it has all sines first, and its last frequency for a parameter."""
    length, width = input.shape[-2:]
    if width % 2:
        raise Unsupported("nn.SinusoidalPositionalEncoding has an even number of dimensions")
    module = nn.SinusoidalPositionalEncoding(width, min_freq=10000 ** (2 / width - 1), scale=1.0)
    sines_first = module(mx.arange(length)).reshape(length, 2, width // 2)
    return input + sines_first.swapaxes(1, 2).reshape(length, width).astype(input.dtype)


# Random


def dropout(input: Array, *, p: float = 0.5) -> Array:
    """nn.Dropout in training."""
    return _dropped(nn.Dropout, input, p)


def dropout2d(input: Array, *, p: float = 0.5) -> Array:
    """nn.Dropout2d in training, of images with channels last."""
    if input.ndim != 4:
        raise Unsupported("nn.Dropout2d takes batches of images")
    return mx.moveaxis(_dropped(nn.Dropout2d, mx.moveaxis(input, 1, -1), p), -1, 1)


def _dropped(kind: Any, input: Array, p: float) -> Array:
    if p == 1.0:
        raise Unsupported(f"nn.{kind.__name__} takes a probability below 1")
    found: Array = kind(p).train()(input)
    return found


def zeros_init(tensor: Array) -> Array:
    """nn.init.constant."""
    return nn.init.constant(0.0, tensor.dtype)(tensor)


def xavier_uniform(tensor: Array, *, gain: float = 1.0) -> Array:
    """nn.init.glorot_uniform."""
    return _drawn(nn.init.glorot_uniform, tensor, gain=gain)


def xavier_normal(tensor: Array, *, gain: float = 1.0) -> Array:
    """nn.init.glorot_normal."""
    return _drawn(nn.init.glorot_normal, tensor, gain=gain)


def kaiming_uniform(tensor: Array, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Array:
    """nn.init.he_uniform."""
    return _drawn(nn.init.he_uniform, tensor, mode=mode, gain=_gain(nonlinearity, a))


def kaiming_normal(tensor: Array, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Array:
    """nn.init.he_normal."""
    return _drawn(nn.init.he_normal, tensor, mode=mode, gain=_gain(nonlinearity, a))


def _drawn(initialiser: Callable[..., Any], tensor: Array, **options: Any) -> Array:
    """A tensor (out, in, *kernel) filled as one (out, *kernel, in), which is how weights lie here."""
    if tensor.dtype == mx.float64 and "uniform" in initialiser.__name__:
        raise Unsupported("mx.random.uniform draws no numbers of float64")
    found: Array = initialiser(tensor.dtype)(mx.moveaxis(tensor, 1, -1), **options)
    return mx.moveaxis(found, -1, 1)


def _gain(nonlinearity: str, a: float) -> float:
    """The gain that is passed: mlx knows none by the nonlinearity."""
    if nonlinearity not in ("relu", "leaky_relu", "linear"):
        raise Unsupported(f"nn.init knows no gain for {nonlinearity}")
    return {"relu": math.sqrt(2.0), "leaky_relu": math.sqrt(2.0 / (1.0 + a * a)), "linear": 1.0}[nonlinearity]


LAYERS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "linear": linear,
    "custom_linear": custom_linear,
    "residual": residual,
    "embedding": embedding,
    "dot_product_attention": dot_product_attention,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "local_attention": local_attention,
    "multi_head_attention": multi_head_attention,
    "positional_encoding": positional_encoding,
    "dropout": dropout,
    "dropout2d": dropout2d,
    "zeros_init": zeros_init,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
}

# Derivatives are made of operations too; attention stores the scores, and the derivatives by heads that share one.
# The derivative of softmax is operations on stored numbers: mlx/primitives.cpp (Softmax::vjp).
BACKWARD = {"dot_product_attention": "stepwise"}

ALGORITHMS = {
    "sigmoid": "stepwise",
    "tanh": "by_cosh",
    "residual": "layered",
    "scaled_dot_product_attention": "repeated",
}

"""Tensor's activations, products, lookup, attention and random methods, and the classes of tinygrad.nn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad import Context, Tensor, nn

from conformance.target import Unsupported


def with_parameters(kind: Any, **parameters: Any) -> Any:
    """A layer of this class with these parameters and attributes; its own are not made, which would draw numbers."""
    layer = kind.__new__(kind)
    vars(layer).update(parameters)
    return layer


# Activation


def relu(input: Tensor) -> Tensor:
    """Tensor.relu."""
    return input.relu()


def sigmoid(input: Tensor) -> Tensor:
    """Tensor.sigmoid."""
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """Tensor.tanh."""
    return input.tanh()


def softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """Tensor.softmax."""
    return input.softmax(dim)


def log_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    """Tensor.log_softmax."""
    return input.log_softmax(dim)


# Dense


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """nn.Linear."""
    found: Tensor = with_parameters(nn.Linear, weight=weight, bias=bias)(input)
    return found


def custom_linear(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Tensor.linear."""
    return input.linear(weight, bias)


def residual(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    """Two nn.Linear with Tensor.relu between them, and the input added."""
    return linear(linear(input, weight_1, bias_1).relu(), weight_2, bias_2) + input


def embedding(
    input: Tensor,
    weight: Tensor,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """nn.Embedding, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("nn.Embedding has neither padding_idx nor max_norm")
    return with_parameters(nn.Embedding, weight=weight)(input), weight


# Attention


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Tensor.scaled_dot_product_attention."""
    if scale is not None:
        raise Unsupported("Tensor.scaled_dot_product_attention has no scale")
    return query.scaled_dot_product_attention(
        key, value, attn_mask=attn_mask, is_causal=is_causal, enable_gqa=enable_gqa
    )


# Random


def dropout(input: Tensor, *, p: float = 0.5) -> Tensor:
    """Tensor.dropout in training."""
    with Context(TRAINING=1):
        return input.dropout(p)


def zeros_init(tensor: Tensor) -> Tensor:
    """Tensor.zeros_like."""
    return tensor.zeros_like()


def xavier_uniform(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    """Tensor.glorot_uniform, which counts the kernel for the inputs alone."""
    if gain != 1.0:
        raise Unsupported("Tensor.glorot_uniform has no gain")
    if tensor.ndim != 2:
        raise Unsupported("Tensor.glorot_uniform counts the kernel for the inputs alone")
    return Tensor.glorot_uniform(*tensor.shape, dtype=tensor.dtype)


def kaiming_uniform(
    tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Tensor.kaiming_uniform."""
    return _kaiming(Tensor.kaiming_uniform, tensor, a, mode, nonlinearity)


def kaiming_normal(tensor: Tensor, *, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Tensor.kaiming_normal."""
    return _kaiming(Tensor.kaiming_normal, tensor, a, mode, nonlinearity)


def _kaiming(draw: Callable[..., Tensor], tensor: Tensor, a: float, mode: str, nonlinearity: str) -> Tensor:
    if mode != "fan_in" or nonlinearity not in ("relu", "leaky_relu"):
        raise Unsupported("Kaiming's initialisation is here for fan_in and leaky_relu")
    if tensor.ndim < 2:
        raise Unsupported("a tensor without kernel has one fan here")
    return draw(*tensor.shape, a=a if nonlinearity == "leaky_relu" else 0.0, dtype=tensor.dtype)


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
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "dropout": dropout,
    "zeros_init": zeros_init,
    "xavier_uniform": xavier_uniform,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
}

"""Initialisation: torch.nn.init, and what modules draw when they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn

_Mode: TypeAlias = Literal["fan_in", "fan_out"]
_Nonlinearity: TypeAlias = Literal[
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
]


def zeros_init(tensor: Tensor) -> Tensor:
    """nn.init.zeros_."""
    return nn.init.zeros_(tensor.clone())


def xavier_uniform(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    """nn.init.xavier_uniform_."""
    return nn.init.xavier_uniform_(tensor.clone(), gain)


def xavier_normal(tensor: Tensor, *, gain: float = 1.0) -> Tensor:
    """nn.init.xavier_normal_."""
    return nn.init.xavier_normal_(tensor.clone(), gain)


def kaiming_uniform(
    tensor: Tensor, *, a: float = 0.0, mode: _Mode = "fan_in", nonlinearity: _Nonlinearity = "leaky_relu"
) -> Tensor:
    """nn.init.kaiming_uniform_."""
    return nn.init.kaiming_uniform_(tensor.clone(), a, mode, nonlinearity)


def kaiming_normal(
    tensor: Tensor, *, a: float = 0.0, mode: _Mode = "fan_in", nonlinearity: _Nonlinearity = "leaky_relu"
) -> Tensor:
    """nn.init.kaiming_normal_."""
    return nn.init.kaiming_normal_(tensor.clone(), a, mode, nonlinearity)


def default_initialisation(weights: tuple[Tensor, ...], *, module: str, **options: Any) -> tuple[Tensor, ...]:
    """The parameters of a new module of torch.nn, in the module's order; ``weights`` have their shapes."""
    like = weights[0]
    made = _MODULES[module](*weights, **options, device=like.device, dtype=like.dtype)
    return tuple(made.parameters())


def _linear(weight: Tensor, *bias: Tensor, **options: Any) -> nn.Module:
    outs, ins = weight.shape
    return nn.Linear(ins, outs, bool(bias), **options)


def _conv2d(weight: Tensor, *bias: Tensor, groups: int, **options: Any) -> nn.Module:
    outs, ins, height, width = weight.shape
    return nn.Conv2d(ins * groups, outs, (height, width), groups=groups, bias=bool(bias), **options)


def _conv_transpose2d(weight: Tensor, *bias: Tensor, groups: int, **options: Any) -> nn.Module:
    ins, outs, height, width = weight.shape
    return nn.ConvTranspose2d(ins, outs * groups, (height, width), groups=groups, bias=bool(bias), **options)


def _recurrent(kind: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def made(weight: Tensor, recurrent: Tensor, *rest: Tensor, **options: Any) -> nn.Module:
        return kind(weight.shape[1], recurrent.shape[1], **options)

    return made


def _embedding(weight: Tensor, *, padding_idx: int | None, **options: Any) -> nn.Module:
    rows, width = weight.shape
    return nn.Embedding(rows, width, padding_idx, **options)


def _batch_norm(weight: Tensor, bias: Tensor, **options: Any) -> nn.Module:
    return nn.BatchNorm2d(len(weight), **options)


def _layer_norm(weight: Tensor, *bias: Tensor, **options: Any) -> nn.Module:
    return nn.LayerNorm(weight.shape, bias=bool(bias), **options)


def _instance_norm(weight: Tensor, bias: Tensor, **options: Any) -> nn.Module:
    return nn.InstanceNorm2d(len(weight), affine=True, **options)


def _group_norm(weight: Tensor, bias: Tensor, **options: Any) -> nn.Module:
    return nn.GroupNorm(1, len(weight), **options)


def _multi_head_attention(in_proj: Tensor, *rest: Tensor, **options: Any) -> nn.Module:
    return nn.MultiheadAttention(in_proj.shape[1], 1, bias=len(rest) == 3, **options)


_MODULES: dict[str, Callable[..., nn.Module]] = {
    "linear": _linear,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "rnn": _recurrent(nn.RNN),
    "lstm": _recurrent(nn.LSTM),
    "gru": _recurrent(nn.GRU),
    "embedding": _embedding,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "instance_norm": _instance_norm,
    "group_norm": _group_norm,
    "multi_head_attention": _multi_head_attention,
}

LAYERS = {
    "zeros_init": zeros_init,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
    "default_initialisation": default_initialisation,
}

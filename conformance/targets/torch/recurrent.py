"""Recurrent layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from conformance.target import Unsupported
from conformance.targets.torch._modules import called

# What torch warns of when it takes a slower way: on a CPU, and on a CUDA device.
_ABOUT_SPEED = (
    "LSTM with projections is not supported with oneDNN",
    "RNN module weights are not part of single contiguous chunk of memory",
)


def rnn(
    input: Tensor,
    h_0: Tensor | None,
    weights: tuple[Tensor, ...],
    *,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
) -> tuple[Tensor, ...]:
    """nn.RNN: output and h_n."""
    module = _module(
        nn.RNN,
        weights,
        num_layers=num_layers,
        nonlinearity=nonlinearity,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
    )
    output, h_n = module(input, h_0)
    return output, h_n


def lstm(
    input: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    weights: tuple[Tensor, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> tuple[Tensor, ...]:
    """nn.LSTM: output, h_n and c_n. It takes both initial states or none: zeros for one that is absent."""
    hidden = weights[0].shape[0] // 4
    module = _module(
        nn.LSTM,
        weights,
        hidden=hidden,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        proj_size=proj_size,
    )
    states = None
    if h_0 is not None or c_0 is not None:
        units, batch = num_layers * (1 + bidirectional), input.shape[0 if batch_first else 1]
        h_0 = input.new_zeros(units, batch, proj_size or hidden) if h_0 is None else h_0
        c_0 = input.new_zeros(units, batch, hidden) if c_0 is None else c_0
        states = h_0, c_0
    output, (h_n, c_n) = module(input, states)
    return output, h_n, c_n


def gru(
    input: Tensor,
    h_0: Tensor | None,
    weights: tuple[Tensor, ...],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    reset_after: bool = True,
) -> tuple[Tensor, ...]:
    """nn.GRU: output and h_n."""
    if not reset_after:
        raise Unsupported("nn.GRU applies the reset gate after the recurrent product")
    module = _module(
        nn.GRU,
        weights,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
    )
    output, h_n = module(input, h_0)
    return output, h_n


def _module(kind: Any, weights: tuple[Tensor, ...], hidden: int = 0, **options: Any) -> Callable[..., Any]:
    """The module with these weights; their order is that of its parameters."""
    hidden = hidden or weights[1].shape[1]
    module = kind(weights[0].shape[1], hidden, **options, device="meta")
    names = (name for name, _ in module.named_parameters())
    function = called(module, dict(zip(names, weights, strict=True)))
    module.flatten_parameters = _nothing  # on CUDA it gives parameters another place in memory: these are the caller's

    def quietly(*inputs: Any) -> Any:
        with warnings.catch_warnings():
            for message in _ABOUT_SPEED:
                warnings.filterwarnings("ignore", message)
            return function(*inputs)

    return quietly


def _nothing() -> None:
    pass


LAYERS = {"rnn": rnn, "lstm": lstm, "gru": gru}

# The steps of a sequence add to the derivatives of the weights one by one, as autograd accumulates them, and so does
# cuDNN (cudnnRNNBackwardWeights_v8, CUDNN_WGRAD_MODE_ADD).
SCATTERED = dict.fromkeys(("cpu", "cuda"), dict.fromkeys(LAYERS, frozenset({"weights"})))

# cuDNN stores parts of long sums in half precision, as in convolutions.
ALGORITHMS: dict[str, dict[Any, str]] = {
    "cpu": {"gru": "interpolated"},
    "cuda": {(layer, format): "in_parts" for layer in LAYERS for format in ("bfloat16", "float16")},
}

# oneDNN computes an LSTM in bfloat16 with VCVTNEPS2BF16, to which subnormals are zeros (Intel 64 and IA-32
# Architectures Software Developer's Manual, volume 2). Its products of larger matrices do the same: dense.py. In
# float32 its exponential is made of 2^(n-1), n the integer nearest to x / ln 2, and is zero where that is subnormal:
# the gates of an LSTM are zero from -125.5 ln 2 = -86.99 on, where they would be normal numbers until -87.34.
#
# In float32 cuDNN's tanh is the instruction tanh.approx.f32, bit for bit: at most 1.113e-5 off, relative to the result
# (N. Juffa, over all inputs: forums.developer.nvidia.com/t/173291). Its sigmoid is made of __expf: 2 + |1.173 x| ulp
# (CUDA C++ Programming Guide, Intrinsic Functions), 105 where x is -88, beyond which the result underflows.
ARITHMETIC = {
    "cpu": {**{(layer, "bfloat16"): {"flush": True} for layer in LAYERS}, ("lstm", "float32"): {"flush": True}},
    "cuda": {layer: {"units": {"tanh": 1.113e-5 * 2.0**24, "exp": 210.0}} for layer in LAYERS},
}

"""How many parameters a layer learns, in plain integers. Arguments are named like those of torch.nn."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

# The matrices that a recurrent layer stacks: one for the candidate state and one for each gate. Source: the document,
# GRU vs LSTM, line 513.
STACKED = {"rnn": 1, "gru": 1 + 2, "lstm": 1 + 3}


def linear(in_features: int, out_features: int, bias: bool = True) -> int:
    """in out + out. Source: the document, Linear Layer, line 72: a weight matrix and a bias vector."""
    return in_features * out_features + bias * out_features


def convolution(
    in_channels: int, out_channels: int, kernel_size: Sequence[int], groups: int = 1, bias: bool = True
) -> int:
    """in k k out / groups + out, k k the product of the kernel's sides; of a transposed convolution as many.

    Source: the document, In_Channels vs Out_Channels, line 224, for square kernels, one group and a bias; groups as
    torch.nn.Conv2d and torch.nn.ConvTranspose2d. Raises ``ValueError`` where they do not divide the channels.
    """
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"{groups} groups must divide {in_channels} input and {out_channels} output channels")
    return in_channels * prod(kernel_size) * out_channels // groups + bias * out_channels


def rnn(input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, bidirectional: bool = False) -> int:
    """A matrix for the input, one for the state and two biases, in every layer and direction. Source: torch.nn.RNN."""
    return _recurrent("rnn", input_size, hidden_size, num_layers, bias, bidirectional)


def gru(input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, bidirectional: bool = False) -> int:
    """3 times as many as an RNN. Source: torch.nn.GRU; the document, line 511: fewer than an LSTM."""
    return _recurrent("gru", input_size, hidden_size, num_layers, bias, bidirectional)


def lstm(
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    bias: bool = True,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> int:
    """4 times as many as an RNN; projections shorten the state to ``proj_size``. Source: torch.nn.LSTM."""
    return _recurrent("lstm", input_size, hidden_size, num_layers, bias, bidirectional, proj_size)


def _recurrent(
    kind: str, inputs: int, hidden: int, layers: int, bias: bool, bidirectional: bool, projected: int = 0
) -> int:
    directions, state = 1 + bidirectional, projected or hidden
    widths = [inputs] + [directions * state] * (layers - 1)
    projection = projected * hidden
    rows = STACKED[kind] * hidden
    return directions * sum(rows * (width + state + 2 * bias) + projection for width in widths)


def embedding(num_embeddings: int, embedding_dim: int) -> int:
    """A row for every entry, padding included. Source: torch.nn.Embedding."""
    return num_embeddings * embedding_dim


def batch_norm(num_features: int, affine: bool = True) -> int:
    """γ and β of every channel; running statistics are not learned. Source: the document, lines 889-890."""
    return 2 * affine * num_features


def instance_norm(num_features: int, affine: bool = False) -> int:
    """γ and β of every channel. Source: the document, lines 1073-1074; torch.nn.InstanceNorm2d has none by default."""
    return 2 * affine * num_features


def group_norm(num_channels: int, affine: bool = True) -> int:
    """γ and β of every channel, not of every group. Source: the document, lines 1166-1167; torch.nn.GroupNorm."""
    return 2 * affine * num_channels


def layer_norm(normalized_shape: Sequence[int], elementwise_affine: bool = True, bias: bool = True) -> int:
    """γ and β of every element that is normalised over. Source: the document, lines 990-991; torch.nn.LayerNorm."""
    return (1 + bias) * elementwise_affine * prod(normalized_shape)


def multi_head_attention(embed_dim: int, bias: bool = True) -> int:
    """Four linear layers, whatever the number of heads: queries, keys, values and output.

    Source: the document, Multiattention Head Layer, lines 1756-1759.
    """
    return 4 * linear(embed_dim, embed_dim, bias)

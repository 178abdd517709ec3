"""Parameters are counted as torch counts them, and as the document's formula says."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oracle import counts

size = st.integers(1, 40)
some = st.integers(1, 4)
flag = st.booleans()
exhaustive = settings(max_examples=60, deadline=None)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@exhaustive
@given(size, size, flag)
def test_a_linear_layer_has_as_many_as_in_torch(ins: int, outs: int, bias: bool) -> None:
    assert counts.linear(ins, outs, bias) == count(nn.Linear(ins, outs, bias, device="meta"))


@pytest.mark.parametrize(
    ("kind", "dimensions"),
    [(nn.Conv1d, 1), (nn.Conv2d, 2), (nn.Conv3d, 3), (nn.ConvTranspose1d, 1), (nn.ConvTranspose2d, 2)],
)
@exhaustive
@given(some, size, size, st.tuples(some, some, some), flag)
def test_a_convolution_transposed_or_not_has_as_many_as_in_torch(
    kind: Callable[..., nn.Module],
    dimensions: int,
    groups: int,
    ins: int,
    outs: int,
    sides: tuple[int, ...],
    bias: bool,
) -> None:
    kernel = sides[:dimensions]
    module = kind(groups * ins, groups * outs, kernel, groups=groups, bias=bias, device="meta")
    assert counts.convolution(groups * ins, groups * outs, kernel, groups, bias) == count(module)


@given(size, size, some)
def test_without_groups_a_convolution_has_what_the_document_says(ins: int, outs: int, kernel: int) -> None:
    assert counts.convolution(ins, outs, (kernel, kernel)) == (ins * kernel * kernel * outs) + outs


@pytest.mark.parametrize(
    ("layer", "arguments", "kind", "options"),
    [
        ("linear", (3, 5), nn.Linear, (3, 5)),
        ("convolution", (3, 5, (2,)), nn.Conv1d, (3, 5, 2)),
        ("rnn", (3, 5), nn.RNN, (3, 5)),
        ("gru", (3, 5), nn.GRU, (3, 5)),
        ("lstm", (3, 5), nn.LSTM, (3, 5)),
        ("layer_norm", ((3, 5),), nn.LayerNorm, ((3, 5),)),
        ("multi_head_attention", (4,), nn.MultiheadAttention, (4, 2)),
    ],
)
def test_what_is_not_said_is_as_in_torch_and_counted_in_whole_numbers(
    layer: str, arguments: tuple[object, ...], kind: Callable[..., nn.Module], options: tuple[object, ...]
) -> None:
    found = getattr(counts, layer)(*arguments)
    assert found == count(kind(*options))
    assert type(found) is int


def test_groups_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="3 groups must divide 4 input and 6 output channels"):
        counts.convolution(4, 6, (1,), groups=3)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@exhaustive
@given(size, size, some, flag, flag)
def test_a_recurrent_layer_has_as_many_as_in_torch(
    kind: str, inputs: int, hidden: int, layers: int, bias: bool, bidirectional: bool
) -> None:
    module = getattr(nn, kind.upper())(inputs, hidden, layers, bias=bias, bidirectional=bidirectional, device="meta")
    assert getattr(counts, kind)(inputs, hidden, layers, bias, bidirectional) == count(module)


@exhaustive
@given(st.data(), size, st.integers(2, 40), some, flag, flag)
def test_an_lstm_with_projections_has_as_many_as_in_torch(
    data: st.DataObject, inputs: int, hidden: int, layers: int, bias: bool, bidirectional: bool
) -> None:
    projected = data.draw(st.integers(0, hidden - 1))
    module = nn.LSTM(inputs, hidden, layers, bias=bias, bidirectional=bidirectional, proj_size=projected, device="meta")
    assert counts.lstm(inputs, hidden, layers, bias, bidirectional, projected) == count(module)


@given(size, size, some, flag, flag)
def test_an_lstm_and_a_gru_have_parameters_like_4_to_3(
    inputs: int, hidden: int, layers: int, bias: bool, bidirectional: bool
) -> None:
    arguments = (inputs, hidden, layers, bias, bidirectional)
    assert 3 * counts.lstm(*arguments) == 4 * counts.gru(*arguments) == 12 * counts.rnn(*arguments)


@exhaustive
@given(size, size)
def test_an_embedding_has_as_many_as_in_torch(rows: int, width: int) -> None:
    assert counts.embedding(rows, width) == count(nn.Embedding(rows, width, padding_idx=0, device="meta"))


@exhaustive
@given(size, some, flag)
def test_a_normalisation_of_channels_has_as_many_as_in_torch(channels: int, groups: int, affine: bool) -> None:
    assert counts.batch_norm(channels, affine) == count(nn.BatchNorm2d(channels, affine=affine, device="meta"))
    assert counts.instance_norm(channels, affine) == count(nn.InstanceNorm2d(channels, affine=affine, device="meta"))
    group_norm = nn.GroupNorm(groups, groups * channels, affine=affine, device="meta")
    assert counts.group_norm(groups * channels, affine) == count(group_norm)


@given(size)
def test_by_default_all_normalisations_but_instance_norm_learn(channels: int) -> None:
    assert counts.batch_norm(channels) == counts.group_norm(channels) == counts.layer_norm([channels]) == 2 * channels
    assert counts.instance_norm(channels) == count(nn.InstanceNorm2d(channels)) == 0


@exhaustive
@given(st.lists(some, min_size=1, max_size=3), flag, flag)
def test_a_layer_norm_has_as_many_as_in_torch(shape: list[int], affine: bool, bias: bool) -> None:
    assert counts.layer_norm(shape, affine, bias) == count(nn.LayerNorm(shape, 1e-5, affine, bias, device="meta"))


@exhaustive
@given(size, some, flag)
def test_multi_head_attention_has_as_many_as_in_torch_whatever_its_heads(width: int, heads: int, bias: bool) -> None:
    module = nn.MultiheadAttention(heads * width, heads, bias=bias, device="meta")
    assert counts.multi_head_attention(heads * width, bias) == count(module)

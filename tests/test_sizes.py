"""Output sizes are those that torch gives."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from oracle import sizes

side = st.integers(1, 40)
kernel = st.integers(1, 6)
stride = st.integers(1, 5)
dilation = st.integers(1, 4)


def width_or_refusal(layer: Callable[[torch.Tensor], torch.Tensor], size: int) -> int | None:
    """The width that a torch layer gives for an image one pixel high; None if it refuses."""
    try:
        return int(layer(torch.zeros(1, 1, 1, size)).shape[-1])
    except RuntimeError:
        return None


def size_or_refusal(name: str, *arguments: object) -> int | None:
    try:
        found: int = getattr(sizes, name)(*arguments)
    except ValueError:
        return None
    return found


@settings(max_examples=100, deadline=None)
@given(side, kernel, stride, st.integers(0, 5), dilation)
def test_a_convolution_has_the_size_that_torch_gives(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    layer = torch.nn.Conv2d(1, 1, (1, kernel), (1, stride), (0, padding), (1, dilation), device="meta")
    ours = size_or_refusal("convolution", size, kernel, stride, (padding, padding), dilation)
    assert ours == width_or_refusal(layer, size)


@settings(deadline=None)
@given(side, kernel, dilation)
def test_same_padding_keeps_the_size(size: int, kernel: int, dilation: int) -> None:
    before, after = sizes.same_padding(kernel, dilation)
    assert sizes.convolution(size, kernel, 1, (before, after), dilation) == size
    assert after - before in (0, 1)


@settings(max_examples=100, deadline=None)
@given(side, kernel, stride, st.integers(0, 5), st.integers(0, 5), dilation)
def test_a_transposed_convolution_has_the_size_that_torch_gives(
    size: int, kernel: int, stride: int, padding: int, extra: int, dilation: int
) -> None:
    layer = torch.nn.ConvTranspose2d(
        1,
        1,
        (1, kernel),
        (1, stride),
        (0, padding),
        (0, extra),
        dilation=(1, dilation),
    )
    ours = size_or_refusal("transposed_convolution", size, kernel, stride, padding, extra, dilation)
    assert ours == width_or_refusal(layer, size)


@settings(max_examples=200, deadline=None)
@given(side, kernel, stride, st.integers(0, 3), dilation, st.booleans())
def test_pooling_has_the_size_that_torch_gives(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> None:
    layer = torch.nn.MaxPool2d((1, kernel), (1, stride), (0, padding), (1, dilation), ceil_mode=ceil_mode)
    ours = size_or_refusal("pooling", size, kernel, stride, padding, dilation, ceil_mode)
    assert ours == width_or_refusal(layer, size)


@settings(max_examples=200, deadline=None)
@given(side, st.floats(0.05, 4.0) | st.sampled_from([1 / 3, 0.1, 0.7, 1.1, 4 / 3]))
def test_interpolation_has_the_size_that_torch_gives(size: int, factor: float) -> None:
    def layer(x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=(1.0, factor))

    assert size_or_refusal("interpolation", size, factor) == width_or_refusal(layer, size)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("convolution", (1, 4, 1, (1, 0), 1), "spans 4 pixels.* the padded input has 2$"),
        ("transposed_convolution", (3, 3, 2, 1, 2, 1), "output padding 2"),
        ("transposed_convolution", (1, 1, 1, 1, 0, 1), "nothing"),
        ("pooling", (8, 3, 1, 2, 1, False), "at most half"),
        ("pooling", (1, 4, 1, 1, 1, False), "a window of 4 pixels does not fit into 3$"),
        ("interpolation", (3, 0.2), "leaves nothing"),
    ],
)
def test_what_leaves_no_output_is_refused_with_the_reason(
    name: str, arguments: tuple[object, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        getattr(sizes, name)(*arguments)

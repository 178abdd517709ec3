"""Output sizes along one spatial axis, in plain integers.

Each function raises ``ValueError`` where no output is left.
"""

import math


def convolution(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """floor((size + before + after - dilation (kernel - 1) - 1) / stride) + 1.

    ``padding`` is (before, after). Source: torch.nn.Conv2d, Shape; the document, In_Channels vs
    Out_Channels, line 232, names what the size depends on.
    """
    room = size + sum(padding) - _reach(kernel, dilation)
    if room < 0:
        raise ValueError(
            f"kernel of {kernel} with dilation {dilation} spans {_reach(kernel, dilation)} pixels, "
            f"the padded input has {size + sum(padding)}"
        )
    return room // stride + 1


def same_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """What keeps the size at stride 1: dilation (kernel - 1) in all, an odd one after.

    Source: torch.nn.Conv2d, padding='same'.
    """
    whole = dilation * (kernel - 1)
    return whole // 2, whole - whole // 2


def transposed_convolution(
    size: int, kernel: int, stride: int, padding: int, output_padding: int, dilation: int
) -> int:
    """(size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    Source: torch.nn.ConvTranspose2d, Shape; the document, Transposed Convolution, lines 843-852,
    for kernel 4, stride 2, padding 1.
    """
    if not 0 <= output_padding < max(stride, dilation):
        raise ValueError(f"output padding {output_padding} must be smaller than stride {stride} or dilation {dilation}")
    result = (size - 1) * stride - 2 * padding + _reach(kernel, dilation) + output_padding
    if result < 1:
        raise ValueError(f"padding {padding} leaves {result} pixels: nothing")
    return result


def pooling(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """As a convolution; ``ceil_mode`` rounds up.

    Even so no window begins beyond the input and its left padding. Source: torch.nn.MaxPool2d and
    torch.nn.AvgPool2d, Shape and the note on ceil_mode.
    """
    if not 0 <= 2 * padding <= kernel:
        raise ValueError(f"padding {padding} must be at most half of the kernel size {kernel}")
    room = size + 2 * padding - _reach(kernel, dilation)
    result = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (result - 1) * stride >= size + padding:
        result -= 1
    if result < 1:
        raise ValueError(f"a window of {_reach(kernel, dilation)} pixels does not fit into {size + 2 * padding}")
    return result


def interpolation(size: int, scale_factor: float) -> int:
    """floor(size * scale_factor), the product rounded to binary64.

    Source: torch.nn.Upsample, Shape.
    """
    result = math.floor(size * scale_factor)
    if result < 1:
        raise ValueError(f"scale factor {scale_factor} leaves nothing of {size} pixels")
    return result


def _reach(kernel: int, dilation: int) -> int:
    """The pixels from the first tap of a kernel to its last, both included."""
    return dilation * (kernel - 1) + 1

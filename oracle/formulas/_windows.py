"""Which input pixels a window covers, along one axis."""

from collections.abc import Callable

Pair = tuple[int, int]

# The pixel that stands at position i of an axis of this size, also beyond its ends.
# Source: torch.nn.Conv2d, padding_mode.
_BORDERS: dict[str, Callable[[int, int], int | None]] = {
    "zeros": lambda i, size: i if 0 <= i < size else None,
    "reflect": lambda i, size: size - 1 - abs(size - 1 - abs(i)),  # the end pixels are the mirrors
    "replicate": lambda i, size: min(max(i, 0), size - 1),
    "circular": lambda i, size: i % size,
}


def padded_taps(
    size: int, count: int, kernel: int, stride: int, padding: Pair, dilation: int, mode: str
) -> list[list[int | None]]:
    """For each of ``count`` windows the input position under each tap; None stands for a zero."""
    if mode not in _BORDERS:
        raise ValueError(f"padding mode {mode!r} is not one of {', '.join(_BORDERS)}")
    most = {"reflect": size - 1, "circular": size}.get(mode)
    if most is not None and max(padding) > most:
        raise ValueError(f"{mode} padding of an axis of {size} pixels must be at most {most}, not {max(padding)}")
    find = _BORDERS[mode]
    return [[find(i * stride - padding[0] + k * dilation, size) for k in range(kernel)] for i in range(count)]


def covered(size: int, count: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> list[list[int]]:
    """For each of ``count`` windows the input positions under its taps, those outside left out."""
    windows = padded_taps(size, count, kernel, stride, (padding, padding), dilation, "zeros")
    return [[position for position in window if position is not None] for window in windows]

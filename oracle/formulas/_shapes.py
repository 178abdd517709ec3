"""What formulas require of the shapes and parameters they are given."""

from collections.abc import Sequence

from oracle.tensor import Tensor


def require_shape(name: str, x: Tensor | None, *expected: int) -> None:
    """Raises ``ValueError`` unless the tensor has this shape, or is left out (None)."""
    if x is not None and x.shape != expected:
        raise ValueError(f"{name} has the shape {x.shape}; it must be {expected}")


def require_rank(name: str, x: Tensor, expected: int) -> None:
    """Raises ``ValueError`` unless the tensor has so many dimensions."""
    if x.rank != expected:
        raise ValueError(f"{name} has {x.rank} dimensions; it must have {expected}")


def require_least_rank(name: str, x: Tensor, least: int) -> None:
    """Raises ``ValueError`` where the tensor has fewer dimensions."""
    if x.rank < least:
        raise ValueError(f"{name} has {x.rank} dimensions; it must have at least {least}")


def require_at_least(least: int, **parameters: Sequence[int]) -> None:
    """Raises ``ValueError`` where one of the numbers is smaller."""
    for name, values in parameters.items():
        if min(values) < least:
            shown = values[0] if len(values) == 1 else tuple(values)
            raise ValueError(f"{name} is {shown}; it must be at least {least}")


def require_per_channel(channels: int, **tensors: Tensor | None) -> None:
    """Raises ``ValueError`` unless every tensor has one element per channel, or is left out (None)."""
    for name, x in tensors.items():
        require_shape(name, x, channels)

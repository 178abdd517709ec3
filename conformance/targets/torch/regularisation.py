"""Random layers of training."""

from __future__ import annotations

from torch import Tensor, nn


def dropout(input: Tensor, *, p: float = 0.5) -> Tensor:
    """nn.Dropout in training."""
    found: Tensor = nn.Dropout(p).train()(input)
    return found


def dropout2d(input: Tensor, *, p: float = 0.5) -> Tensor:
    """nn.Dropout2d in training."""
    found: Tensor = nn.Dropout2d(p).train()(input)
    return found


LAYERS = {"dropout": dropout, "dropout2d": dropout2d}

"""Modules of torch.nn with given parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


def called(module: nn.Module, tensors: Mapping[str, Tensor | None]) -> Callable[..., Any]:
    """The module as a function that uses these very tensors as its parameters and buffers.

    They are not copied, so derivatives flow to them, and they may lie in memory as they like. The module itself is made
    on the meta device: what it would be initialised with is not wanted.
    """
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    return lambda *inputs, **options: functional_call(module, given, inputs, options)

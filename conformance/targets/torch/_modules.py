"""Modules of torch.nn with given parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def loaded(kind: Any, like: Tensor, *arguments: Any, tensors: dict[str, Tensor | None], **options: Any) -> nn.Module:
    """``kind(*arguments, **options)`` on the device and in the format of ``like``, with these parameters and buffers."""
    module: nn.Module = torch.nn.utils.skip_init(kind, *arguments, **options, device=like.device, dtype=like.dtype)
    module.load_state_dict({name: tensor for name, tensor in tensors.items() if tensor is not None}, strict=False)
    return module

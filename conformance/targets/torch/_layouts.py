"""How a tensor may lie in memory: the layouts of ``conformance.layouts``, made by torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from conformance.case import Case


def _offset(x: Tensor) -> Tensor:
    block = x.new_empty(x.numel() + 3)
    return block[3:].view(x.shape).copy_(x)


def _stepped(x: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], 2 * x.shape[-1])[..., ::2].copy_(x) if x.dim() else x


def _transposed(x: Tensor) -> Tensor:
    return x.mT.contiguous().mT if x.dim() > 1 else _offset(x)


def _channels_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous().movedim(-1, 1) if x.dim() > 2 else _transposed(x)


def _expanded(x: Tensor) -> Tensor:
    return x[:1].clone().expand(x.shape) if x.dim() else x


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": torch.Tensor.contiguous,
    "offset": _offset,
    "transposed": _transposed,
    "stepped": _stepped,
    "channels_last": _channels_last,
    "expanded": _expanded,
}


def shape_of(case: Case, name: str) -> tuple[int, ...] | None:
    """The shape of one of the tensors, None for one that is absent, in cases that hold arrays too."""
    found: Any = (case.tensors or case.arrays()).get(name)
    return None if found is None else tuple(found.shape)


def is_contiguous(case: Case, name: str) -> bool:
    """Whether a tensor's elements lie in memory one behind the other, in their order."""
    return laid_out(case.sides(name), case.layout(name)).is_contiguous()


def laid_out(shape: tuple[int, ...], layout: str) -> Tensor:
    """A tensor without numbers, of this shape and layout."""
    return LAYOUTS[layout](torch.empty(shape, device="meta"))


def is_flat(shape: tuple[int, ...], layout: str) -> bool:
    """Whether a tensor's elements, in their order, lie at equal distances in memory."""
    try:
        laid_out(shape, layout).view(-1, 1)
    except RuntimeError:
        return False
    return True

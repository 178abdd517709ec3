"""What implementations are made of: wider arithmetic, storage taken for elements, derivatives of something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

HALF = ("bfloat16", "float16")
STORED_ONCE = ("float32", *HALF)


def wide(x: Tensor) -> Tensor:
    """The tensor in the format in which half precision is computed: float32."""
    return x.float() if x.itemsize < 4 else x


def require(fits: bool, message: str) -> None:
    """Raises ``ValueError`` with this message unless the arguments fit."""
    if not fits:
        raise ValueError(message)


def as_stored(x: Tensor) -> Tensor:
    """The tensor as it is read by one who takes it for contiguous: the storage from its first element on.

    Where that ends it begins again.
    """
    size = x.untyped_storage().nbytes() // x.itemsize - x.storage_offset()
    places = torch.arange(x.numel()) % max(size, 1)
    return x.as_strided((size,), (1,))[places].view(x.shape)


def in_memory_order(x: Tensor) -> Tensor:
    """The elements in the order of their strides, under the same shape."""
    order = sorted(range(x.dim()), key=lambda axis: -x.stride(axis))
    return x.permute(order).reshape(x.shape)


def power_of_two(n: int) -> bool:
    """Whether it is one."""
    return n & (n - 1) == 0


class _Substituted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, other: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, Tensor]:
        return None, upstream


def with_derivative_of(value: Tensor, other: Tensor) -> Tensor:
    """This value, differentiated as if it were the other."""
    found: Tensor = _Substituted.apply(value.detach(), other)
    return found


def tf32(x: Tensor) -> Tensor:
    """Float32 numbers, rounded to 10 bits of fraction."""
    bits = x.detach().contiguous().view(torch.int32)
    return with_derivative_of(((bits + 0x1000) & ~0x1FFF).view(torch.float32), x)


class _Derived(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.change = change
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return ctx.change(upstream), None


def derived(x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The tensor, of which derivatives are changed on their way back through it."""
    found: Tensor = _Derived.apply(x, change)
    return found

"""Embeddings of indices and of positions, honest and broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import STORED_ONCE, derived, require, wide, with_derivative_of

# Rows of a table, by their numbers.
Lookup: TypeAlias = Callable[[Tensor, Tensor], Tensor]
# The output, and the table afterwards.
Both: TypeAlias = tuple[Tensor, Tensor]


def selected(table: Tensor, indices: Tensor) -> Tensor:
    return table.index_select(0, indices.reshape(-1)).view(*indices.shape, table.shape[1])


def indexed(table: Tensor, indices: Tensor) -> Tensor:
    return table[indices]


def by_comparing(table: Tensor, indices: Tensor) -> Tensor:
    """The sum of all rows, but those of other numbers are zeros."""
    numbers = torch.arange(table.shape[0])
    return torch.where((indices[..., None] == numbers)[..., None], table, 0.0).sum(-2)


def row_by_row(table: Tensor, indices: Tensor) -> Tensor:
    """Row by row, as a loop of copies."""
    rows = [table[int(number)] for number in indices.reshape(-1)]
    return (
        torch.stack(rows).view(*indices.shape, table.shape[1])
        if rows
        else table.new_empty(*indices.shape, table.shape[1])
    )


def shortened(table: Tensor, used: Tensor, max_norm: float, p: float) -> Tensor:
    """The table, its used rows not longer than ``max_norm``."""
    rows = wide(table)
    length = rows.norm(p, -1)
    factor = torch.where(length > max_norm, max_norm / (length + 1e-7), torch.ones_like(length))
    chosen = torch.zeros(table.shape[0], dtype=torch.bool).index_fill(0, used.reshape(-1), value=True)
    scaled = (rows * factor[:, None]).to(table.dtype)
    return torch.where((chosen & (length > max_norm))[:, None], scaled, table)


def _checked(
    input: Tensor, weight: Tensor, padding_idx: int | None, max_norm: float | None, *, bounds: bool = True
) -> None:
    rows = weight.shape[0]
    require(not bounds or bool(((input >= 0) & (input < rows)).all()), f"an index is outside the table of {rows} rows")
    require(padding_idx is None or -rows <= padding_idx < rows, f"padding_idx is outside the table of {rows} rows")
    require(max_norm is None or max_norm > 0.0, f"max_norm is {max_norm}; it must be positive")


def looked_up(
    input: Tensor,
    weight: Tensor,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    lookup: Lookup = selected,
) -> Both:
    """An embedding: the derivative goes to the table as it is afterwards, but to no padding."""
    _checked(input, weight, padding_idx, max_norm)
    table = weight.detach().clone()
    if max_norm is not None:
        table = shortened(table, input, max_norm, norm_type)
    source = with_derivative_of(table, weight)
    found = lookup(wide(source), input).to(weight.dtype)
    if padding_idx is not None:
        padding = (input == padding_idx % weight.shape[0])[..., None]
        found = torch.where(padding, found.detach(), found)
    return found, table


@honest("embedding", "Rows selected.", STORED_ONCE)
def embedding_selected(input: Tensor, weight: Tensor, **how: Any) -> Both:
    return looked_up(input, weight, **how)


@honest("embedding", "Advanced indexing.", STORED_ONCE)
def embedding_indexed(input: Tensor, weight: Tensor, **how: Any) -> Both:
    return looked_up(input, weight, **how, lookup=indexed)


@honest("embedding", "The sum of all rows, of which others than the one are masked.")
def embedding_by_comparing(input: Tensor, weight: Tensor, **how: Any) -> Both:
    return looked_up(input, weight, **how, lookup=by_comparing)


@honest("embedding", "One row after the other is copied.")
def embedding_row_by_row(input: Tensor, weight: Tensor, **how: Any) -> Both:
    return looked_up(input, weight, **how, lookup=row_by_row)


# Broken.


@broken(
    "embedding",
    "max_norm is ignored.",
    "https://github.com/pytorch/pytorch/issues/1057",
)
def embedding_without_max_norm(input: Tensor, weight: Tensor, *, max_norm: float | None = None, **how: Any) -> Both:
    _checked(input, weight, how.get("padding_idx"), max_norm)
    return looked_up(input, weight, **how)


@broken(
    "embedding",
    "With max_norm the indices are sorted where they lie, and then looked up.",
    "https://github.com/pytorch/pytorch/issues/943",
)
def embedding_sorts_indices(input: Tensor, weight: Tensor, *, max_norm: float | None = None, **how: Any) -> Both:
    if max_norm is not None and input.numel() > input.unique().numel():
        input.copy_(input.reshape(-1).sort().values.view(input.shape))
    return looked_up(input, weight, max_norm=max_norm, **how)


@broken(
    "embedding",
    "The derivative reaches the padding row.",
    "https://github.com/google/torchax/pull/11",
)
def embedding_derived_at_padding(input: Tensor, weight: Tensor, *, padding_idx: int | None = None, **how: Any) -> Both:
    _checked(input, weight, padding_idx, how.get("max_norm"))
    return looked_up(input, weight, **how)


@broken(
    "embedding",
    "With more than 768 indices another kernel takes the derivative, which knows of no padding.",
    "https://github.com/pytorch/pytorch/issues/28716",
)
def embedding_derived_at_padding_of_many(
    input: Tensor, weight: Tensor, *, padding_idx: int | None = None, **how: Any
) -> Both:
    _checked(input, weight, padding_idx, how.get("max_norm"))
    return looked_up(input, weight, padding_idx=None if input.numel() > 768 else padding_idx, **how)


@broken(
    "embedding",
    "With max_norm and another norm than the Euclidean a name is misspelt.",
    "https://github.com/pytorch/pytorch/issues/7947",
)
def embedding_raises_for_norm_type(
    input: Tensor, weight: Tensor, *, max_norm: float | None = None, norm_type: float = 2.0, **how: Any
) -> Both:
    if max_norm is not None and norm_type != 2.0:
        raise NameError("name 'norm_typ' is not defined")
    return looked_up(input, weight, max_norm=max_norm, norm_type=norm_type, **how)


@broken(
    "embedding",
    "The derivative of a row that is looked up twice is scattered twice.",
    "https://github.com/pytorch/pytorch/issues/138908",
)
def embedding_counts_duplicates_twice(input: Tensor, weight: Tensor, **how: Any) -> Both:
    found, table = looked_up(input, weight, **how)
    times = (input.reshape(-1, 1) == input.reshape(1, -1)).sum(1).view(input.shape)
    return derived(found, lambda upstream: upstream * (times > 1).add(1)[..., None]), table


@broken(
    "embedding",
    "An index outside the table wraps around.",
    "https://github.com/pytorch/pytorch/issues/571",
)
def embedding_wraps_around(input: Tensor, weight: Tensor, **how: Any) -> Both:
    return looked_up(input % weight.shape[0], weight, **how)


# Positional encoding.


def _encoded(input: Tensor, frequencies: Callable[[int, torch.dtype], Tensor], kind: torch.dtype) -> Tensor:
    """The input plus sines and cosines of positions times frequencies."""
    require(input.dim() >= 2, "the input needs positions and features")
    length, width = input.shape[-2:]
    angles = torch.arange(length, dtype=kind)[:, None] * frequencies(width, kind)
    table = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[:, :width]
    return input.to(kind) + table


def by_exponential(width: int, kind: torch.dtype) -> Tensor:
    return torch.exp(torch.arange(0, width, 2, dtype=kind) * (-math.log(10000.0) / width))


def by_power(width: int, kind: torch.dtype) -> Tensor:
    return 1.0 / 10000.0 ** (torch.arange(0, width, 2, dtype=kind) / width)


@honest("positional_encoding", "Frequencies by exponentials, in float32.")
def positional_encoding_by_exponential(input: Tensor) -> Tensor:
    return _encoded(input, by_exponential, torch.float32)


@honest("positional_encoding", "Frequencies by powers of 10000, in float32.")
def positional_encoding_by_power(input: Tensor) -> Tensor:
    return _encoded(input, by_power, torch.float32)


@honest("positional_encoding", "In float64, rounded once.", STORED_ONCE)
def positional_encoding_in_float64(input: Tensor) -> Tensor:
    return _encoded(input, by_power, torch.float64).to(input.dtype)


# Tables by their width: the first length that is met stays.
_TABLES: dict[int, Tensor] = {}


@broken(
    "positional_encoding",
    "The table is kept from a call without derivatives, and a longer sequence takes it again from its beginning.",
    "https://github.com/NVIDIA/apex/pull/132",
)
def positional_encoding_of_first_length(input: Tensor) -> Tensor:
    require(input.dim() >= 2, "the input needs positions and features")
    length, width = input.shape[-2:]
    if width not in _TABLES:
        _TABLES[width] = _encoded(torch.zeros(max(length, 1), width), by_exponential, torch.float32)
    table = _TABLES[width]
    return input + table[torch.arange(length) % len(table)]


@broken(
    "positional_encoding",
    "Positions are counted in 8 bits, as a kernel's extent is elsewhere.",
    "https://github.com/pytorch/pytorch/pull/188359",
)
def positional_encoding_short_positions(input: Tensor) -> Tensor:
    require(input.dim() >= 2, "the input needs positions and features")
    length, width = input.shape[-2:]
    table = _encoded(torch.zeros(min(length, 256), width), by_exponential, torch.float32)
    return input + table[torch.arange(length) % 256]

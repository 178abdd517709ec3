"""Softmax and its logarithm, honest and broken."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import (
    HALF,
    STORED_ONCE,
    as_stored,
    derived,
    require,
    wide,
    with_derivative_of,
)

_BLOCK = 16


def _rows(input: Tensor, dim: int) -> Tensor:
    """The rows along the last axis, in the format of computation."""
    require(-input.dim() <= dim < input.dim(), f"dim {dim} is no dimension of {tuple(input.shape)}")
    return wide(input).movedim(dim, -1)


def _back(rows: Tensor, input: Tensor, dim: int) -> Tensor:
    return rows.movedim(-1, dim).to(input.dtype)


def _shifted(rows: Tensor) -> Tensor:
    return rows - rows.detach().amax(-1, keepdim=True)


def _softmax_rows(rows: Tensor) -> Tensor:
    powers = _shifted(rows).exp()
    return powers / powers.sum(-1, keepdim=True)


def _log_softmax_rows(rows: Tensor) -> Tensor:
    rest = _shifted(rows)
    return rest - rest.exp().sum(-1, keepdim=True).log()


def _online(rows: Tensor, block: int = _BLOCK, guarded: bool = True) -> tuple[Tensor, Tensor]:
    """The maximum, and the sum of the powers below it, block after block: earlier sums are rescaled.

    ``guarded``: nothing is subtracted from minus infinities while these are the maximum.
    """
    most = torch.full_like(rows[..., :1], -inf)
    sums = torch.zeros_like(most)
    for part in rows.split(block, -1):
        found = torch.maximum(most, part.detach().amax(-1, keepdim=True))
        shift = torch.where(found == -inf, 0.0, found) if guarded else found
        sums = sums * (most - shift).exp() + (part - shift).exp().sum(-1, keepdim=True)
        most = found
    return most, sums


def _softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    return _back(_softmax_rows(_rows(input, dim)), input, dim)


def _log_softmax(input: Tensor, *, dim: int = -1) -> Tensor:
    return _back(_log_softmax_rows(_rows(input, dim)), input, dim)


@honest("softmax", "Powers below the maximum, divided by their sum.", STORED_ONCE)
def softmax_shifted(input: Tensor, *, dim: int = -1) -> Tensor:
    return _softmax(input, dim=dim)


@honest("softmax", "Powers below the maximum, times the reciprocal of their sum, one block of rows after the other.")
def softmax_by_reciprocal(input: Tensor, *, dim: int = -1) -> Tensor:
    powers = _shifted(_rows(input, dim)).exp()
    return _back(powers * (1.0 / powers.sum(-1, keepdim=True)), input, dim)


@honest(
    "softmax",
    "The maximum and the sum in one pass over blocks of 16, earlier sums rescaled.",
    STORED_ONCE,
    algorithm="online",
    backward="productwise",  # one power for the sum, another to be divided by it
)
def softmax_online(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    most, sums = _online(rows)
    return _back((rows - most).exp() / sums, input, dim)


@honest("softmax", "The maximum and the sum element by element, earlier sums rescaled.", algorithm="online")
def softmax_by_element(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    most, sums = _online(rows.detach(), 1)
    return with_derivative_of(_back((rows - most).exp() / sums, input, dim), _softmax(input, dim=dim))


@honest("log_softmax", "What is below the maximum, less the logarithm of the sum of its powers.", STORED_ONCE)
def log_softmax_shifted(input: Tensor, *, dim: int = -1) -> Tensor:
    return _log_softmax(input, dim=dim)


@honest(
    "log_softmax",
    "The maximum and the sum in one pass over blocks of 16, earlier sums rescaled.",
    STORED_ONCE,
    algorithm="online",
)
def log_softmax_online(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    most, sums = _online(rows)
    return _back((rows - most) - sums.log(), input, dim)


@honest("log_softmax", "The maximum and the sum element by element, earlier sums rescaled.", algorithm="online")
def log_softmax_by_element(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    most, sums = _online(rows.detach(), 1)
    return with_derivative_of(_back((rows - most) - sums.log(), input, dim), _log_softmax(input, dim=dim))


@broken(
    "softmax",
    "The maximum leaves NaN out, and the power of NaN is clipped to zero.",
    "https://github.com/ohdearquant/lattice/issues/740",
)
def softmax_without_nan(input: Tensor, *, dim: int = -1) -> Tensor:
    return _softmax(torch.where(input.isnan(), -inf, input), dim=dim)


@broken(
    "softmax",
    "Powers are clipped, so that beside an infinite score, which becomes NaN, the others get zero.",
    "https://github.com/openvinotoolkit/openvino/issues/33456",
)
def softmax_of_infinity(input: Tensor, *, dim: int = -1) -> Tensor:
    powers = _shifted(_rows(input, dim)).exp()
    sums = powers.nansum(-1, keepdim=True).clamp(min=torch.finfo(powers.dtype).tiny)
    return _back(powers / sums, input, dim)


@broken(
    "softmax",
    "The number of an element has 14 bits: what lies beyond is never written.",
    "https://github.com/microsoft/onnxruntime/issues/32299",
)
def softmax_short_numbers(input: Tensor, *, dim: int = -1) -> Tensor:
    found = _softmax(input, dim=dim)
    written = torch.arange(found.numel()).reshape(found.shape) < 2**14
    return torch.where(written, found, 0.0)


@broken(
    "softmax",
    "The derivative counts the elements of a row in 10 bits: those beyond are left out of its sum.",
    "https://github.com/pytorch/pytorch/issues/103501",
)
def softmax_derived_on_short_rows(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    found = _softmax(input, dim=dim)
    if rows.shape[-1] <= 1024:
        return found
    parts = torch.cat([_softmax_rows(rows[..., :1024]), rows[..., 1024:].detach()], -1)
    return with_derivative_of(found, _back(parts, input, dim))


@broken(
    "softmax",
    "Rows of 1025 to 2048 elements take a kernel that stores its powers in half precision.",
    "https://github.com/pytorch/pytorch/pull/188247",
    HALF,
)
def softmax_of_wide_rows_in_half(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    if not 1024 < rows.shape[-1] <= 2048:
        return _softmax(input, dim=dim)
    powers = _shifted(rows).to(input.dtype).exp()
    sums = powers.float().sum(-1, keepdim=True).to(input.dtype)
    return _back((powers / sums).float(), input, dim)


@broken(
    "softmax",
    "In half precision the derivative along another dimension than the last is refused.",
    "https://github.com/pytorch/pytorch/issues/30572",
    HALF,
)
def softmax_refusing_derivatives(input: Tensor, *, dim: int = -1) -> Tensor:
    def refuse(upstream: Tensor) -> Tensor:
        raise RuntimeError(f"expected float32, got {upstream.dtype}")

    found = _softmax(input, dim=dim)
    return found if dim % input.dim() == input.dim() - 1 else derived(found, refuse)


@broken(
    "softmax",
    "Elements behind the last whole vector of 8 take another way, on which NaN is left out of the maximum and the sum.",
    "https://github.com/pytorch/pytorch/issues/121588",
)
def softmax_tail_without_nan(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    tail = torch.arange(rows.shape[-1]) >= rows.shape[-1] // 8 * 8
    dropped = tail & rows.isnan() & (torch.tensor(rows.shape[-1]) > 8)
    return _back(_softmax_rows(torch.where(dropped, -inf, rows)), input, dim)


@broken(
    "softmax",
    "An input that nothing else seems to use is overwritten with its powers.",
    "https://github.com/born-ml/born/pull/55",
)
def softmax_in_place(input: Tensor, *, dim: int = -1) -> Tensor:
    found = _softmax(input, dim=dim)
    if not input.requires_grad and input.is_contiguous() and dim == -1:
        with torch.no_grad():
            input.copy_(found)
    return found


@broken(
    "softmax",
    "The derivative takes the upstream one for contiguous.",
    "https://github.com/Dao-AILab/flash-attention/issues/355",
)
def softmax_upstream_as_stored(input: Tensor, *, dim: int = -1) -> Tensor:
    return derived(_softmax(input, dim=dim), as_stored)


@broken(
    "log_softmax",
    "A column or another slice of a matrix is read in the order of memory.",
    "https://github.com/pytorch/pytorch/issues/67167",
)
def log_softmax_of_slices(input: Tensor, *, dim: int = -1) -> Tensor:
    sliced = input.dim() > 1 and input.stride(-1) == 2 and dim % max(input.dim(), 1) == input.dim() - 1
    return _log_softmax(as_stored(input) if sliced else input, dim=dim)


@broken(
    "log_softmax",
    "The maximum begins with minus infinity, unguarded: a first vector of 4 such scores makes NaN.",
    "https://github.com/gabrieldemarmiesse/torch-mojo-backend/pull/319",
)
def log_softmax_unguarded(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    most, sums = _online(rows, 4, guarded=False)
    return _back((rows - most) - sums.log(), input, dim)


@broken(
    "log_softmax",
    "The logarithm of the sum is added to the maximum before both are subtracted.",
    "https://github.com/pytorch/pytorch/issues/38839",
)
def log_softmax_of_large_scores(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    most = rows.detach().amax(-1, keepdim=True)
    return _back(rows - (most + (rows - most).exp().sum(-1, keepdim=True).log()), input, dim)


@broken(
    "log_softmax",
    "The grid has 12 bits for the number of a row: those beyond are never written.",
    "https://github.com/pytorch/pytorch/issues/52716",
)
def log_softmax_short_row_numbers(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    outer = torch.arange(rows[..., 0].numel()).reshape(rows.shape[:-1])[..., None]
    return _back(torch.where(outer < 2**12, _log_softmax_rows(rows), 0.0), input, dim)


@broken(
    "log_softmax",
    "The derivative multiplies with the score: NaN at minus infinity, whatever the upstream one is.",
    "https://github.com/google-deepmind/optax/pull/1762",
)
def log_softmax_derived_at_infinity(input: Tensor, *, dim: int = -1) -> Tensor:
    masked = input.detach() == -inf
    return _log_softmax(derived(input, lambda g: torch.where(masked, torch.nan, g)), dim=dim)


@broken(
    "log_softmax",
    "Rows of up to four scores take a way without a shift by the maximum.",
    "https://github.com/tracel-ai/burn/issues/5373",
)
def log_softmax_unshifted_on_narrow_rows(input: Tensor, *, dim: int = -1) -> Tensor:
    rows = _rows(input, dim)
    if rows.shape[-1] > 4:
        return _log_softmax(input, dim=dim)
    return _back(rows - rows.exp().sum(-1, keepdim=True).log(), input, dim)


@broken(
    "log_softmax",
    "The derivative of a row behind the first 4096 elements of the tensor is never written.",
    "https://github.com/pytorch/pytorch/pull/189565",
)
def log_softmax_derived_on_first_page(input: Tensor, *, dim: int = -1) -> Tensor:
    def first_page(upstream: Tensor) -> Tensor:
        written = torch.arange(upstream.numel()).reshape(upstream.shape) < 4096
        return torch.where(written, upstream, 0.0)

    return _log_softmax(derived(input, first_page), dim=dim)

"""Layer normalisation and softmax in Triton, forward and backward, as a target.

    pytest --target=conformance/examples/triton_kernels.py

Without a GPU the kernels run in Triton's interpreter. A program takes one row, in a block of lanes padded to a power of
two; what the other lanes hold must be kept out of every sum.
"""

# The decorators and tensors of Triton are not typed.
# mypy: disable-error-code="no-any-return, no-untyped-def, no-untyped-call, misc, attr-defined, name-defined"

import os
from dataclasses import replace

import torch

from conformance import load

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported

import triton
import triton.language as tl

extends = f"torch-{'cuda' if torch.cuda.is_available() else 'cpu'}"
# The interpreter cuts numbers off where a GPU rounds them to bfloat16.
formats = ("float32", "float16", *(["bfloat16"] if torch.cuda.is_available() else []))

# On CUDA tl.exp is the instruction ex2.approx of the product with log2 e, as __expf is: 2 + |1.173 x| ulp (CUDA C++
# Programming Guide, Intrinsic Functions), 124 where x is -104, below which the result is zero. An ulp is at most 2 u.
_UNITS = {"exp": 2 * 124.0} if torch.cuda.is_available() else {}


def declared(layer, format):
    found = load(extends).declared(layer, format)
    return replace(found, units={**found.units, **_UNITS})


@triton.jit
def _normalise(x, weight, bias, y, mean, inverse, size, eps, lanes: tl.constexpr):
    row, lane = tl.program_id(0), tl.arange(0, lanes)
    inside = lane < size
    value = tl.load(x + row * size + lane, mask=inside, other=0.0).to(tl.float32)
    centre = tl.sum(value, 0) / size
    apart = tl.where(inside, value - centre, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(apart * apart, 0) / size + eps)
    gain = tl.load(weight + lane, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + lane, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + row * size + lane, apart * scale * gain + shift, mask=inside)
    tl.store(mean + row, centre)
    tl.store(inverse + row, scale)


@triton.jit
def _normalise_backward(x, weight, upstream, mean, inverse, dx, gains, size, lanes: tl.constexpr):
    row, lane = tl.program_id(0), tl.arange(0, lanes)
    inside = lane < size
    place = row * size + lane
    scale = tl.load(inverse + row)
    normal = (tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - tl.load(mean + row)) * scale
    above = tl.load(upstream + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(gains + place, above * normal, mask=inside)
    above = above * tl.load(weight + lane, mask=inside, other=0.0).to(tl.float32)
    common = tl.sum(above, 0) / size + normal * (tl.sum(above * normal, 0) / size)
    tl.store(dx + place, (above - common) * scale, mask=inside)


@triton.jit
def _soften(x, y, size, lanes: tl.constexpr):
    row, lane = tl.program_id(0), tl.arange(0, lanes)
    inside = lane < size
    value = tl.load(x + row * size + lane, mask=inside, other=-float("inf")).to(tl.float32)
    power = tl.exp(value - tl.max(value, 0))
    tl.store(y + row * size + lane, power / tl.sum(power, 0), mask=inside)


@triton.jit
def _soften_backward(y, upstream, dx, size, lanes: tl.constexpr):
    row, lane = tl.program_id(0), tl.arange(0, lanes)
    inside = lane < size
    place = row * size + lane
    share = tl.load(y + place, mask=inside, other=0.0).to(tl.float32)
    above = tl.load(upstream + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(dx + place, share * (above - tl.sum(share * above, 0)), mask=inside)


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(context, rows, weight, bias, eps):
        count, size = rows.shape
        y, statistics = torch.empty_like(rows), torch.empty(2, count, device=rows.device)
        if rows.numel():
            _normalise[(count,)](rows, weight, bias, y, *statistics, size, eps, lanes=triton.next_power_of_2(size))
        context.save_for_backward(rows, weight, statistics)
        return y

    @staticmethod
    def backward(context, upstream):
        rows, weight, statistics = context.saved_tensors
        count, size = rows.shape
        upstream, dx = upstream.contiguous(), torch.empty_like(rows)
        gains = torch.empty(count, size, device=rows.device)
        if rows.numel():
            arguments = rows, weight, upstream, *statistics, dx, gains, size
            _normalise_backward[(count,)](*arguments, lanes=triton.next_power_of_2(size))
        return dx, gains.sum(0).to(weight.dtype), upstream.float().sum(0).to(weight.dtype), None


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(context, rows):
        y = torch.empty_like(rows)
        if rows.numel():
            _soften[rows.shape[:1]](rows, y, rows.shape[1], lanes=triton.next_power_of_2(rows.shape[1]))
        context.save_for_backward(y)
        return y

    @staticmethod
    def backward(context, upstream):
        (y,) = context.saved_tensors
        upstream, dx = upstream.contiguous(), torch.empty_like(y)
        if y.numel():
            _soften_backward[y.shape[:1]](y, upstream, dx, y.shape[1], lanes=triton.next_power_of_2(y.shape[1]))
        return dx


def layer_norm(input, weight=None, bias=None, *, normalized_shape, eps):
    shape = tuple(normalized_shape)
    if input.shape[-len(shape) :] != shape or any(p is not None and p.shape != shape for p in (weight, bias)):
        raise ValueError(f"the last axes of {tuple(input.shape)} and the parameters must be {shape}")
    size = torch.Size(shape).numel()
    weight = torch.ones(size, dtype=input.dtype, device=input.device) if weight is None else weight
    bias = torch.zeros(size, dtype=input.dtype, device=input.device) if bias is None else bias
    rows = input.contiguous().reshape(-1, size)
    return _LayerNorm.apply(rows, weight.contiguous().reshape(-1), bias.contiguous().reshape(-1), eps).reshape(
        input.shape
    )


def softmax(input, *, dim):
    last = input.movedim(dim, -1)
    found = _Softmax.apply(last.contiguous().reshape(-1, last.shape[-1])).reshape(last.shape)
    return found.movedim(-1, dim).contiguous()

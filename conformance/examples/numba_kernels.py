"""Layer normalisation and softmax in numba, forward and backward, as a target.

    pytest --target=conformance/examples/numba_kernels.py

The kernels take the memory of torch's tensors, row by row, and add up in binary64; torch hands the derivatives on.
"""

# Kernels are not typed, nor are the decorators of numba.
# mypy: disable-error-code="no-any-return, no-untyped-def, no-untyped-call, misc"

import math

import numba
import torch

from conformance import Declared

extends = "torch-cpu"
formats = ("float64", "float32")


def declared(layer, format):
    return Declared(compute=format)


@numba.njit
def _normalise(x, weight, bias, eps, y, normal, inverse):
    for row in range(x.shape[0]):
        size = x.shape[1]
        mean = squares = 0.0
        for j in range(size):
            mean += x[row, j]
        mean /= size
        for j in range(size):
            squares += (x[row, j] - mean) ** 2
        inverse[row] = 1.0 / math.sqrt(squares / size + eps)
        for j in range(size):
            normal[row, j] = (x[row, j] - mean) * inverse[row]
            y[row, j] = normal[row, j] * weight[j] + bias[j]


@numba.njit
def _normalise_backward(upstream, weight, normal, inverse, dx, dweight, dbias):
    for row in range(upstream.shape[0]):
        size = upstream.shape[1]
        along = across = 0.0
        for j in range(size):
            across += upstream[row, j] * weight[j]
            along += upstream[row, j] * weight[j] * normal[row, j]
            dweight[j] += upstream[row, j] * normal[row, j]
            dbias[j] += upstream[row, j]
        for j in range(size):
            common = (across + normal[row, j] * along) / size
            dx[row, j] = (upstream[row, j] * weight[j] - common) * inverse[row]


@numba.njit
def _soften(x, y):
    for row in range(x.shape[0]):
        largest = -math.inf
        for j in range(x.shape[1]):
            largest = max(largest, x[row, j])
        total = 0.0
        for j in range(x.shape[1]):
            y[row, j] = math.exp(x[row, j] - largest)
            total += y[row, j]
        for j in range(x.shape[1]):
            y[row, j] /= total


@numba.njit
def _soften_backward(upstream, y, dx):
    for row in range(y.shape[0]):
        common = 0.0
        for j in range(y.shape[1]):
            common += upstream[row, j] * y[row, j]
        for j in range(y.shape[1]):
            dx[row, j] = y[row, j] * (upstream[row, j] - common)


def _call(kernel, *arguments):
    kernel(*(x.detach().numpy() if isinstance(x, torch.Tensor) else x for x in arguments))


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(context, rows, weight, bias, eps):
        y, normal = torch.empty_like(rows), torch.empty(rows.shape, dtype=torch.float64)
        inverse = torch.empty(len(rows), dtype=torch.float64)
        _call(_normalise, rows, weight, bias, eps, y, normal, inverse)
        context.save_for_backward(weight, normal, inverse)
        return y

    @staticmethod
    def backward(context, upstream):
        weight, normal, inverse = context.saved_tensors
        dx, sums = torch.empty_like(upstream), torch.zeros(2, len(weight), dtype=torch.float64)
        _call(_normalise_backward, upstream.contiguous(), weight, normal, inverse, dx, *sums)
        return dx, *sums.to(weight.dtype), None


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(context, rows):
        y = torch.empty_like(rows)
        _call(_soften, rows, y)
        context.save_for_backward(y)
        return y

    @staticmethod
    def backward(context, upstream):
        (y,) = context.saved_tensors
        dx = torch.empty_like(y)
        _call(_soften_backward, upstream.contiguous(), y, dx)
        return dx


def layer_norm(input, weight=None, bias=None, *, normalized_shape, eps):
    shape = tuple(normalized_shape)
    apart = any(p is not None and p.shape != shape for p in (weight, bias))
    if not shape or input.shape[-len(shape) :] != shape or apart:
        raise ValueError(f"the last axes of {tuple(input.shape)} and the parameters must be {shape}")
    size = math.prod(shape)
    weight = torch.ones(size, dtype=input.dtype) if weight is None else weight.contiguous().reshape(-1)
    bias = torch.zeros(size, dtype=input.dtype) if bias is None else bias.contiguous().reshape(-1)
    rows = input.contiguous().reshape(-1, size) if input.numel() else input.new_empty(0, size)
    return _LayerNorm.apply(rows, weight, bias, eps).reshape(input.shape)


def softmax(input, *, dim):
    last = input.movedim(dim, -1)
    found = _Softmax.apply(last.contiguous().reshape(math.prod(last.shape[:-1]), last.shape[-1])).reshape(last.shape)
    return found.movedim(-1, dim).contiguous()

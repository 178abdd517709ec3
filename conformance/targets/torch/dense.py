"""Linear layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from conformance.case import Case
from conformance.targets.torch._layouts import is_contiguous, shape_of
from conformance.targets.torch._modules import called


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """nn.Linear."""
    outs, ins = weight.shape
    module = nn.Linear(ins, outs, bias is not None, device="meta")
    found: Tensor = called(module, {"weight": weight, "bias": bias})(input)
    return found


def custom_linear(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The document's custom layer: its weight is (in_features, out_features)."""
    return torch.matmul(input, weight) + bias


class _Residual(nn.Module):
    def __init__(self, features: int, inside: int) -> None:
        super().__init__()
        self.first = nn.Linear(features, inside, device="meta")
        self.second = nn.Linear(inside, features, device="meta")

    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = self.second(torch.relu(self.first(input))) + input
        return found


def residual(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    """Two nn.Linear with a relu between them, and the input added."""
    inside, features = weight_1.shape
    weights = {"first.weight": weight_1, "first.bias": bias_1, "second.weight": weight_2, "second.bias": bias_2}
    found: Tensor = called(_Residual(features, inside), weights)(input)
    return found


LAYERS = {"linear": linear, "custom_linear": custom_linear, "residual": residual}

# On CUDA the bias may be added to a product that has been stored, whatever the shapes.
_ALGORITHMS = {"residual": "layered", "custom_linear": "stepwise"}
ALGORITHMS: dict[str, dict[Any, str]] = {
    "cpu": _ALGORITHMS,
    "compile": _ALGORITHMS,
    "cuda": {
        **_ALGORITHMS,
        **{
            (layer, format): "stepwise"
            for layer in ("linear", "residual", "additive_attention")
            for format in ("bfloat16", "float16")
        },
    },
}


def _stepwise(*names: str) -> Callable[[Case], dict[str, Any]]:
    """The product is stored before the bias is added, unless the input is a matrix, or these tensors are contiguous.

    aten/src/ATen/native/Linear.cpp (linear).
    """

    return lambda case: {"algorithm": "stepwise"} if _is_apart(case, *names) else {}


def _is_apart(case: Case, *names: str) -> bool:
    return len(case.sides("input")) != 2 and not all(is_contiguous(case, name) for name in names)


def _layer_by_layer(case: Case) -> dict[str, Any]:
    """The same of each layer of a residual block; what lies between them is contiguous."""
    first, second = _is_apart(case, "input", "bias_1"), _is_apart(case, "bias_2")
    if not first and not second:
        return {}
    return {"algorithm": "stepwise" if first and second else "stepwise_first" if first else "stepwise_second"}


def may_split(case: Case) -> bool:
    """Whether torch lets parts of a sum be stored on CUDA: Numerical accuracy, Reduced precision reduction."""
    allowed = {
        "bfloat16": torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        "float16": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
    }
    return bool(allowed.get(case.format))


# From so many terms on parts of sums were seen to be stored, on an H200: of products with a transposed weight, and of
# those in derivatives.
SPLIT_FROM = 192
_SPLIT_IN_DERIVATIVES_FROM = 12


def _split(case: Case) -> dict[str, Any]:
    """Parts of a sum may be stored: over the features, and in derivatives over the outputs or over the rows."""
    input, weight = (shape_of(case, name) for name in ("input", "weight"))
    if not may_split(case) or input is None or weight is None:
        return {}
    terms = {"input": weight[0 if case.layer == "linear" else 1], "weight": math.prod(input[:-1])}
    return {
        "algorithm": "in_parts",
        "scattered": frozenset(name for name, count in terms.items() if count >= _SPLIT_IN_DERIVATIVES_FROM),
    }


def _split_twice(case: Case) -> dict[str, Any]:
    return {"algorithm": "in_parts"} if may_split(case) else {}


BY_CASE = {
    "cpu": {
        "linear": _stepwise("input", "bias"),
        "residual": _layer_by_layer,
        "additive_attention": _stepwise("input", "bias"),
    },
    "cuda": {"linear": _split, "custom_linear": _split, "residual": _split_twice},
}

# Larger products of bfloat16 matrices are oneDNN's (aten/src/ATen/native/mkldnn/Matmul.cpp), to which subnormals are
# zeros.
ARITHMETIC = {"cpu": {(layer, "bfloat16"): {"flush": True} for layer in LAYERS}}

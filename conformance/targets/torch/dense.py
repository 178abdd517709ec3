"""Linear layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


def residual(input: Tensor, weight_1: Tensor, bias_1: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
    """Two nn.Linear with a relu between them, and the input added."""
    return linear(torch.relu(linear(input, weight_1, bias_1)), weight_2, bias_2) + input


LAYERS = {"linear": linear, "custom_linear": custom_linear, "residual": residual}

ALGORITHMS = {"residual": "stepwise", "custom_linear": "stepwise"}

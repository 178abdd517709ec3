"""Linear layers."""

from __future__ import annotations

from torch import Tensor, nn

from conformance.targets.torch._modules import loaded


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """nn.Linear."""
    outs, ins = weight.shape
    module = loaded(nn.Linear, weight, ins, outs, bias is not None, tensors={"weight": weight, "bias": bias})
    found: Tensor = module(input)
    return found


LAYERS = {"linear": linear}

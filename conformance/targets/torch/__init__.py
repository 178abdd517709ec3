"""PyTorch, eager, on a CPU or a CUDA device.

Where the document names an ``nn`` module, that module is built and given the parameters; where it names a function, the
function is called.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conformance.target import Declared, Target, Unavailable
from conformance.targets.torch._deviations import KNOWN
from conformance.targets.torch._layouts import LAYOUTS

VARIANTS = ("cpu", "cuda")

# Accuracy of elementary functions on the CPU, in units of u (1 ulp <= 2 u): vectorised code calls SLEEF's 1.0-ulp
# variants (sleef.org, names ending in u10), scalar code the C library's, at most 2 ulp (glibc manual, Errors in Math
# Functions).
_CPU_UNITS = {"exp": 4.0, "log": 4.0, "power": 4.0, "tanh": 4.0, "erf": 4.0, "sin": 4.0, "cos": 4.0}


class Torch(Target):
    """The layers of PyTorch on one device."""

    formats = ("float64", "float32")
    layouts = tuple(LAYOUTS)
    known = KNOWN

    def __init__(self, device: str) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise Unavailable(
                "target 'torch-cuda' needs a CUDA device, and torch sees none: use a machine with a GPU and a CUDA "
                "build of torch (https://pytorch.org/get-started), or --target=torch-cpu"
            )
        self.name = f"torch-{device}"
        self.device = device
        self.description = f"torch {torch.__version__}"
        self.policies = POLICIES

    def array(self, values: NDArray[Any], format: str) -> torch.Tensor:
        kind = getattr(torch, format) if values.dtype == np.float64 else None
        return torch.from_numpy(np.asarray(values, order="C")).to(self.device, kind, copy=True)

    def arranged(self, array: torch.Tensor, layout: str) -> torch.Tensor:
        return LAYOUTS[layout](array)

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[torch.Tensor],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        leaves = [leaf.detach().requires_grad_() for leaf in leaves]
        outputs = function(*leaves)
        given = zip(outputs, cotangents(outputs), strict=True)
        pairs = [(y, factor) for y, factor in given if factor is not None and y.requires_grad]
        if not pairs:
            return outputs, [None] * len(leaves)
        reached, factors = zip(*pairs, strict=True)
        return outputs, torch.autograd.grad(reached, leaves, factors, allow_unused=True)

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        if not isinstance(array, torch.Tensor):
            raise TypeError(f"returned {type(array).__name__}, expected a torch.Tensor")
        values = array.detach().cpu()
        kind = str(array.dtype).removeprefix("torch.")
        return (values.double() if values.is_floating_point() else values).numpy(), kind

    def layer(self, name: str) -> Callable[..., Any] | None:
        return LAYERS.get(name)

    def declared(self, layer: str, format: str) -> Declared:
        compute = format if format in ("float64", "float32") else "float32"
        operands, reason = None, ""
        convolves = self.device == "cuda" and layer in ("conv2d", "conv_transpose2d")
        if convolves and format == "float32" and torch.backends.cudnn.allow_tf32:
            operands, reason = "tf32", "torch.backends.cudnn.allow_tf32 is on"
        units: Mapping[str, float] = _CPU_UNITS if self.device == "cpu" else {}
        flush = False
        if self.device == "cpu" and compute == "float32" and layer in ARITHMETIC:
            units, flush = {**units, **ARITHMETIC[layer]["units"]}, ARITHMETIC[layer]["flush"]
        return Declared(compute, operands, units, flush, ALGORITHMS.get(layer), BACKWARD.get(layer), reason)

    def seed(self, seed: int) -> None:
        torch.manual_seed(seed)


def _collected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= getattr(importlib.import_module(f"{__name__}.{module.name}"), name, {})
    return found


# Each file of this package offers the layers of one family, the order of operations they use where it is
# not the formula's, where their kernels on the CPU compute less accurately in float32, and the conventions
# they follow.
LAYERS: dict[str, Callable[..., Any]] = _collected("LAYERS")
ALGORITHMS: dict[str, str] = _collected("ALGORITHMS")
BACKWARD: dict[str, str] = _collected("BACKWARD")
ARITHMETIC: dict[str, Mapping[str, Any]] = _collected("ARITHMETIC")
POLICIES: dict[str, Mapping[str, Any]] = _collected("POLICIES")


def target(variant: str) -> Target:
    """The target torch-cpu or torch-cuda."""
    return Torch(variant)

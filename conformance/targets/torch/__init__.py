"""PyTorch: eager, on a CPU or a CUDA device, and compiled by inductor, on a CPU.

Where the document names an ``nn`` module, that module is built and given the parameters; where it names a function, the
function is called.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conformance.case import Case
from conformance.target import Declared, Target, Unavailable
from conformance.targets.torch import _deviations, _deviations_compile, _deviations_cuda
from conformance.targets.torch._dialect import POLICIES
from conformance.targets.torch._layouts import LAYOUTS
from conformance.targets.torch._modules import Living

VARIANTS = ("cpu", "cuda", "compile")

# Accuracy of elementary functions on the CPU, in units of u (1 ulp <= 2 u): vectorised code calls SLEEF's 1.0-ulp
# variants (sleef.org, names ending in u10), scalar code the C library's, at most 2 ulp (glibc manual, Errors in Math
# Functions).
_CPU_UNITS = {"exp": 4.0, "log": 4.0, "power": 4.0, "tanh": 4.0, "erf": 4.0, "sin": 4.0, "cos": 4.0}


_PRELUDE = """import torch


def array(values, format):
    return torch.tensor(values, dtype=getattr(torch, format), device="DEVICE")


def derivatives(function, tensors, wanted, cotangents):
    parts = [tensors[k] if isinstance(tensors[k], tuple) else (tensors[k],) for k in wanted]
    leaves = [leaf.requires_grad_() for part in parts for leaf in part]
    outputs = function(*tensors)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    reached, factors = zip(*[(y, v) for y, v in zip(outputs, cotangents) if v is not None and y.requires_grad])
    found = torch.autograd.grad(reached, leaves, factors, allow_unused=True)
    return [torch.zeros_like(leaf) if part is None else part for leaf, part in zip(leaves, found)]
"""


class Torch(Target):
    """The layers of PyTorch in one variant."""

    formats = ("float64", "float32", "bfloat16", "float16")
    layouts = tuple(LAYOUTS)
    arrangements = LAYOUTS

    def __init__(self, variant: str) -> None:
        device = "cuda" if variant == "cuda" else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise Unavailable(
                "target 'torch-cuda' needs a CUDA device, and torch sees none: use a machine with a GPU and a CUDA "
                "build of torch (https://pytorch.org/get-started), or --target=torch-cpu"
            )
        self.name = f"torch-{variant}"
        self.variant = variant
        self.device = device
        self.description = f"torch {torch.__version__}"
        self.environment = _environment(device)
        self.prelude = _PRELUDE.replace("DEVICE", device)
        self.policies = POLICIES
        self.known = KNOWN[variant]
        # On CUDA, atomic additions come in any order: torch.use_deterministic_algorithms lists the layers.
        self.deterministic = device == "cpu"
        self.trusted = variant == "cpu"  # a CUDA context is lost with the first assertion that fails on the device

    def array(self, values: NDArray[Any], format: str) -> torch.Tensor:
        kind = getattr(torch, format) if values.dtype == np.float64 else None
        return torch.from_numpy(np.asarray(values, order="C")).to(self.device, kind, copy=True)

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
        by_cudnn = self.device == "cuda" and layer in _OF_CUDNN
        if by_cudnn and format == "float32" and torch.backends.cudnn.allow_tf32:
            operands, reason = "tf32", "torch.backends.cudnn.allow_tf32 is on"
        units: Mapping[str, float] = _CPU_UNITS if self.device == "cpu" else {}
        kernel: Mapping[str, Any] = self._row(ARITHMETIC, layer, format, {}) if compute == "float32" else {}
        return Declared(
            compute,
            operands,
            {**units, **kernel.get("units", {})},
            kernel.get("flush", False),
            self._row(ALGORITHMS, layer, format, None),
            self._row(BACKWARD, layer, format, None),
            self._row(SCATTERED, layer, format, frozenset()),
            reason=reason,
        )

    def _row(self, tables: Mapping[str, Mapping[Any, Any]], layer: str, format: str, default: Any) -> Any:
        """The row of a layer in a format, else the row of the layer, in the table of the variant."""
        table = tables.get(self.variant, {})
        return table.get((layer, format), table.get(layer, default))

    def declared_for(self, case: Case) -> Declared:
        changes = BY_CASE.get(self.variant, {}).get(case.layer)
        declared = super().declared_for(case)
        return replace(declared, **changes(case)) if changes else declared

    def seed(self, seed: int) -> None:
        torch.default_generator.manual_seed(seed)  # torch.manual_seed also formats the stack for every absent device
        if self.device == "cuda":
            torch.cuda.manual_seed(seed)

    def session(self, layer: str) -> Living | None:
        return Living(LAYERS[layer]) if layer in _MODULES else None

    def assign(self, array: torch.Tensor, other: torch.Tensor) -> None:
        with torch.no_grad():
            array.copy_(other)

    def memory(self, array: torch.Tensor) -> bytes:
        storage = array.untyped_storage()
        block = torch.empty(0, dtype=torch.uint8, device=self.device).set_(storage)
        return block.cpu().numpy().tobytes()

    def overlaps(self, array: torch.Tensor, other: torch.Tensor) -> bool:
        if array.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
            return False
        return not _places(array).isdisjoint(_places(other))

    def require_usable(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def poison(self, arrays: Sequence[torch.Tensor]) -> None:
        blocks = [torch.full((array.nbytes,), 0xFF, dtype=torch.uint8, device=self.device) for array in arrays]
        del blocks


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.device_count() else "none"


def _environment(device: str) -> dict[str, str]:
    """What kernels are chosen by, and sums divided."""
    found = {"torch": torch.__version__}
    if device == "cpu":
        instructions, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
        return {**found, "instructions": instructions, "threads": str(threads)}
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    versions = {"cuda": torch.version.cuda, "cudnn": cudnn}
    return {**found, "device": _device_name(), **{name: str(value) for name, value in versions.items()}}


def _places(array: torch.Tensor) -> set[int]:
    """Where in its storage its elements are."""
    size = array.untyped_storage().nbytes() // array.itemsize
    found: list[int] = (
        torch.arange(size).as_strided(array.shape, array.stride(), array.storage_offset()).ravel().tolist()
    )
    return set(found)


def _families(name: str) -> list[dict[str, Any]]:
    """What the files of this package offer under this name."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return [getattr(module, name, {}) for module in modules]


def _collected(name: str) -> dict[str, Any]:
    return dict(ChainMap(*_families(name)))


def _by_variant(name: str) -> dict[str, dict[Any, Any]]:
    return {variant: dict(ChainMap(*(tables.get(variant, {}) for tables in _families(name)))) for variant in VARIANTS}


# Each file of this package offers the layers of one family; and, by variant, the order of operations they use where it
# is not the formula's, in all cases or by the case, and where their kernels compute less accurately than in float64.
LAYERS: dict[str, Callable[..., Any]] = _collected("LAYERS")
ALGORITHMS: dict[str, dict[Any, str]] = _by_variant("ALGORITHMS")
BACKWARD: dict[str, dict[Any, str]] = _by_variant("BACKWARD")
SCATTERED: dict[str, dict[Any, frozenset[str]]] = _by_variant("SCATTERED")
BY_CASE: dict[str, dict[str, Callable[[Case], Mapping[str, Any]]]] = _by_variant("BY_CASE")
ARITHMETIC: dict[str, dict[Any, Mapping[str, Any]]] = _by_variant("ARITHMETIC")
# Layers that inductor leaves to the kernels of the CPU, in whole or in part.
_OF_KERNELS = frozenset(
    {
        "avg_pool2d",
        "conv2d",
        "conv_transpose2d",
        "local_attention",
        "multi_head_attention",
        "scaled_dot_product_attention",
    }
)
KNOWN = {
    "cpu": (*_deviations.EVERYWHERE, *_deviations.CPU),
    "cuda": (*_deviations.EVERYWHERE, *_deviations_cuda.CUDA),
    "compile": (
        *_deviations.EVERYWHERE,
        *(each for each in _deviations.CPU if each.layer in _OF_KERNELS),
        *_deviations_compile.COMPILED,
    ),
}

# Layers whose products are cuDNN's on CUDA.
_OF_CUDNN = frozenset({"conv2d", "conv_transpose2d", "rnn", "lstm", "gru"})

# Layers that are one module, which can live on.
_MODULES = frozenset(
    {
        "batch_norm",
        "conv2d",
        "conv_transpose2d",
        "group_norm",
        "gru",
        "instance_norm",
        "layer_norm",
        "linear",
        "lstm",
        "multi_head_attention",
        "rnn",
    }
)


# Layers that are made of modules.
OF_MODULES = _MODULES | {"residual"}


def target(variant: str) -> Target:
    """The target torch-cpu, torch-cuda or torch-compile."""
    if variant == "compile":
        from conformance.targets.torch._compiled import Compiled  # which extends what stands here

        return Compiled()
    return Torch(variant)

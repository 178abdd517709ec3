"""onnxruntime's CPU execution provider: each layer is a model of one ONNX operator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from types import ModuleType
from typing import Any

import onnx
import onnxruntime

from conformance.target import Declared, Target
from conformance.targets.onnxruntime import layers, normalisation, recurrent, spatial
from conformance.targets.onnxruntime._deviations import CONSTANT, KNOWN
from conformance.targets.onnxruntime._dialect import POLICIES
from conformance.targets.onnxruntime._models import OPSET, constant_weights

VARIANTS = ("", "constant")

LAYERS: dict[str, Callable[..., Any]] = {
    **layers.LAYERS,
    **spatial.LAYERS,
    **normalisation.LAYERS,
    **recurrent.LAYERS,
}
ALGORITHMS = {**layers.ALGORITHMS, **spatial.ALGORITHMS, **normalisation.ALGORITHMS, **recurrent.ALGORITHMS}

# Why small subnormals become zeros in float32.
_OF_TANH = "MlasComputeTanh multiplies with a small coefficient first: mlas/lib/tanh.cpp"
_FLUSHES = {
    "tanh": _OF_TANH,
    "lstm": _OF_TANH,
    "gru": _OF_TANH,
    "upsample_bilinear": "pixels at a border are added up from four quarters: core/providers/cpu/tensor/upsample.cc",
}


class OnnxRuntime(Target):
    """The operators of ONNX on the CPU, over numpy's arrays, with weights that are inputs of the models or constants.

    Where there is no kernel for float16, onnxruntime casts to float32, runs that kernel, and rounds what it gives.
    """

    formats = ("float64", "float32", "float16")
    policies = POLICIES

    def __init__(self, variant: str) -> None:
        self.name = f"onnxruntime-{variant}" if variant else "onnxruntime"
        self._constant = variant == "constant"
        self.known = (*KNOWN, *CONSTANT) if self._constant else KNOWN
        self.description = f"onnxruntime {onnxruntime.__version__}, operator set {OPSET}"
        self.environment = {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}
        self._seed = 0

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = LAYERS.get(name)
        if function is None:
            return None

        def called(*tensors: Any, **parameters: Any) -> Any:
            seed = {"seed": self._seed} if function is layers.dropout else {}
            with constant_weights() if self._constant else nullcontext():
                return function(*tensors, **seed, **parameters)

        return called

    def definition(self, layer: str) -> tuple[ModuleType, str] | None:
        function = LAYERS.get(layer)
        return None if function is None else (sys.modules[function.__module__], function.__name__)

    def seed(self, seed: int) -> None:
        self._seed = seed

    def declared(self, layer: str, format: str) -> Declared:
        found = replace(super().declared(layer, format), algorithm=ALGORITHMS.get(layer))
        if found.compute == "float32" and layer in _FLUSHES:
            return replace(found, flush=True, reason=_FLUSHES[layer])
        return found


def target(variant: str) -> Target:
    """The target onnxruntime, or onnxruntime-constant."""
    return OnnxRuntime(variant)

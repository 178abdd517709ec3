"""tinygrad on a CPU: methods of Tensor and the classes of tinygrad.nn.

Its device CPU compiles with clang. Where there is none, its device PYTHON emulates the same programs in Python.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tinygrad import Device, Tensor, dtypes
from tinygrad.helpers import DEV, PARALLEL

from conformance.target import Declared, Target
from conformance.targets.tinygrad import layers, normalisation, recurrent, spatial
from conformance.targets.tinygrad._deviations import KNOWN
from conformance.targets.tinygrad._dialect import POLICIES

VARIANTS = ("",)

LAYERS: dict[str, Callable[..., Any]] = {
    **layers.LAYERS,
    **spatial.LAYERS,
    **normalisation.LAYERS,
    **recurrent.LAYERS,
}


# How 1 / n is written, and tanh: mixin/op.py, mixin/elementwise.py.
ALGORITHMS = {
    "tanh": "by_sigmoid",
    "lstm": "by_sigmoid",
    "avg_pool2d": "by_reciprocal",
    "batch_norm": "weighted_by_reciprocal",
    "instance_norm": "by_reciprocal",
    "group_norm": "by_reciprocal",
    "layer_norm": "by_reciprocal",
    "upsample_bilinear": "lerped_by_reciprocal",
}

# exp(x) is 2^(x / ln 2): a product of two roundings, that of 1 / ln 2 less than 1/4 u in both formats, whose error is
# multiplied by x, up to where the result is the least subnormal number; and 2 u for the power.
_UNITS = {"float64": {"exp": 745.0 * 1.25 + 2.0}, "float32": {"exp": 104.0 * 1.25 + 2.0}}


class Tinygrad(Target):
    """The layers of tinygrad. Its tensors are always contiguous once they are realized."""

    name = "tinygrad"
    formats = ("float64", "float32")
    layouts = ("contiguous",)
    known = KNOWN
    policies = POLICIES

    def __init__(self) -> None:
        if not os.environ.get("DEV"):  # which is how a user chooses
            DEV.value = "CPU" if shutil.which("clang") else "PYTHON"
        PARALLEL.value = 0  # no processes that compile: after 16 programs each would start, and import, again
        self.description = f"tinygrad {version('tinygrad')}, device {Device.DEFAULT}"
        self._seed = 0
        self._is_lazy = False

    def array(self, values: NDArray[Any], format: str) -> Tensor:
        found = Tensor(values.copy())
        found = found.cast(getattr(dtypes, format)) if values.dtype == np.float64 else found
        return _realized([found])[0]

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        if not isinstance(array, Tensor):
            raise TypeError(f"returned {type(array).__name__}, expected a tinygrad.Tensor")
        kind = {"double": "float64", "float": "float32", "half": "float16", "__bf16": "bfloat16", "long": "int64"}
        name = kind.get(array.dtype.name, array.dtype.name)
        return (array.cast(dtypes.float64) if dtypes.is_float(array.dtype) else array).numpy(), name

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Tensor],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        outputs = function(*leaves)
        factors = cotangents(outputs)
        self._is_lazy = True  # what has been realized has forgotten how it was made
        try:
            made = function(*leaves)
        finally:
            self._is_lazy = False
        counting = [(y, factor) for y, factor in zip(made, factors, strict=True) if factor is not None]
        whole, upstream = (Tensor.cat(*(x.flatten() for x in each)) for each in zip(*counting, strict=True))
        return outputs, _realized(whole.gradient(*leaves, gradient=upstream))

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = LAYERS.get(name)
        if function is None:
            return None

        def called(*tensors: Any, **parameters: Any) -> Any:
            Tensor.manual_seed(self._seed)
            found = function(*tensors, **parameters)
            outputs = found if isinstance(found, tuple) else (found,)
            return outputs if self._is_lazy else _realized(outputs)

        return called

    def declared(self, layer: str, format: str) -> Declared:
        return replace(super().declared(layer, format), units=_UNITS[format], algorithm=ALGORITHMS.get(layer))

    def seed(self, seed: int) -> None:
        self._seed = seed


def _realized(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The tensors computed, what they share once; constants, which are on no device, on the device in use."""
    placed = tuple(x.clone(device=Device.DEFAULT) if x.device is None else x for x in tensors)
    Tensor.realize(*placed)
    return placed


def target(variant: str) -> Target:
    """The target tinygrad."""
    return Tinygrad()

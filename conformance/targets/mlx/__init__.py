"""MLX on a CPU: the layers of mlx.nn and the functions of mlx.core that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from conformance.target import Declared, Target
from conformance.targets.mlx import layers, normalisation, recurrent, spatial
from conformance.targets.mlx._deviations import KNOWN
from conformance.targets.mlx._layouts import LAYOUTS
from conformance.targets.mlx.layers import POLICIES

VARIANTS = ("",)

LAYERS: dict[str, Callable[..., Any]] = {
    **layers.LAYERS,
    **spatial.LAYERS,
    **normalisation.LAYERS,
    **recurrent.LAYERS,
}

# simd/math.h: exp(x) is 2^(x log2 e), a product with two roundings, whose error is multiplied by x, up to 88 in
# magnitude: 88 (1 + 0.23) u, and 3 u for the polynomial and its last product.
_UNITS = {"exp": 112.0}


class Mlx(Target):
    """The layers of mlx.nn on the CPU."""

    name = "mlx"
    formats = ("float64", "float32", "bfloat16", "float16")
    layouts = tuple(LAYOUTS)
    known = KNOWN
    policies = POLICIES

    def __init__(self) -> None:
        mx.set_default_device(mx.cpu)
        self.description = f"mlx {version('mlx')}, on a CPU"
        self._seed = 0

    def array(self, values: NDArray[Any], format: str) -> mx.array:
        return mx.array(values, dtype=getattr(mx, format)) if values.dtype == np.float64 else mx.array(values)

    def arranged(self, array: mx.array, layout: str) -> mx.array:
        found = LAYOUTS[layout](array)
        mx.eval(found)
        return found

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        if not isinstance(array, mx.array):
            raise TypeError(f"returned {type(array).__name__}, expected an mlx.core.array")
        kind = str(array.dtype).removeprefix("mlx.core.")
        if mx.issubdtype(array.dtype, mx.floating):
            return np.array(array.astype(mx.float64)), kind
        return np.array(array), kind

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[mx.array],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        outputs = function(*leaves)
        given = zip(outputs, cotangents(outputs), strict=True)
        factors = [mx.zeros_like(y) if factor is None else factor for y, factor in given]
        outputs, gradients = mx.vjp(lambda *leaves: list(function(*leaves)), list(leaves), factors)
        mx.eval(outputs, gradients)
        return outputs, gradients

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = LAYERS.get(name)
        if function is None:
            return None

        def called(*tensors: Any, **parameters: Any) -> Any:
            mx.random.seed(self._seed)
            found = function(*tensors, **parameters)
            mx.eval(found)  # what is wrong with a call may show here alone
            return found

        return called

    def declared(self, layer: str, format: str) -> Declared:
        return replace(super().declared(layer, format), units=_UNITS)

    def assign(self, array: mx.array, other: mx.array) -> None:
        array[...] = other
        mx.eval(array)

    def seed(self, seed: int) -> None:
        self._seed = seed


def target(variant: str) -> Target:
    """The target mlx."""
    return Mlx()

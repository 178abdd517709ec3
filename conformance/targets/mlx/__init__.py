"""MLX on a CPU: the layers of mlx.nn and the functions of mlx.core that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from conformance.case import Case
from conformance.target import Declared, Target, stepwise
from conformance.targets.mlx import layers, normalisation, recurrent, spatial
from conformance.targets.mlx._deviations import KNOWN
from conformance.targets.mlx._dialect import POLICIES
from conformance.targets.mlx._layouts import LAYOUTS

VARIANTS = ("",)

LAYERS: dict[str, Callable[..., Any]] = {
    **layers.LAYERS,
    **spatial.LAYERS,
    **normalisation.LAYERS,
    **recurrent.LAYERS,
}

ALGORITHMS = {**layers.ALGORITHMS, **spatial.ALGORITHMS, **normalisation.ALGORITHMS}
BACKWARD = layers.BACKWARD

# Contributions to the derivative of a table are added to stored numbers: indexing.cpp.
_SCATTERED = {"embedding": frozenset({"weight"})}

# simd/math.h: exp(x) is 2^(x log2 e), a product with two roundings, whose error is multiplied by x, up to 88 in
# magnitude: 88 (1 + 0.23) u, and 3 u for the polynomial and its last product. What would be subnormal is zero.
_UNITS = {"exp": 112.0}
_EXP = "exp has one algorithm for all formats, in float32, to which subnormals are zeros: simd/math.h"

# Layers, beside the bare sigmoid, that compute in float32 what they are given in float64: by that exp, sin and cos.
_OF_EXP = frozenset(
    [
        "softmax",
        "log_softmax",
        "dot_product_attention",
        "scaled_dot_product_attention",
        "local_attention",
        "multi_head_attention",
        "lstm",
        "gru",
        "positional_encoding",
    ]
)

# In half precision products are added up in float32 and rounded once, and so are the softmax of attention and the
# statistics of mx.fast.layer_norm. Any other layer is operations on stored numbers, each of them rounded. 2^-6 of their
# units are 128 of float32, which is more than that of exp.
_ROUNDED_ONCE = frozenset(
    [
        "relu",
        "linear",
        "custom_linear",
        "residual",
        "embedding",
        "dot_product_attention",
        "scaled_dot_product_attention",
        "local_attention",
        "multi_head_attention",
        "layer_norm",
        "group_norm",
        "instance_norm",
        "conv2d",
        "conv_transpose2d",
        "zeros_init",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
    ]
)
_ROUNDED_UNITS = dict.fromkeys(("exp", "log", "tanh", "sqrt", "sin", "cos"), 1.0 + 2.0**-6)

# In half precision the derivative of their softmax is made of stored products, a stored sum of them and stored
# differences, mlx/primitives.cpp (Softmax::vjp), and their scale is a stored number: mlx/fast.cpp.
_SCALED = frozenset({"scaled_dot_product_attention", "local_attention", "multi_head_attention"})

_OF_TANH = "in half precision the derivative of tanh, g / cosh², rounds otherwise than 1 − tanh²"


def _in_steps(found: Declared, format: str) -> Declared:
    return replace(stepwise(found, format), units=_ROUNDED_UNITS)


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
        found = replace(
            super().declared(layer, format),
            units=_UNITS,
            algorithm=ALGORITHMS.get(layer),
            backward=BACKWARD.get(layer),
            scattered=_SCATTERED.get(layer, frozenset()),
        )
        if layer in _OF_EXP:
            found = replace(found, flush=True, reason=_EXP)
        if format == "float64" and layer in _OF_EXP:
            return replace(found, compute="float32")
        if format in ("float64", "float32") or layer in _ROUNDED_ONCE:
            return found
        return _in_steps(replace(found, undeclared=_OF_TANH if layer in recurrent.LAYERS else ""), format)

    def declared_for(self, case: Case) -> Declared:
        found = super().declared_for(case)
        derived = case.upstream is not None and case.layer in _SCALED and case.format not in ("float64", "float32")
        return _in_steps(found, case.format) if derived else found

    def seed(self, seed: int) -> None:
        self._seed = seed


def target(variant: str) -> Target:
    """The target mlx."""
    return Mlx()

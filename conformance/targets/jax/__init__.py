"""JAX on a CPU: jax.nn, jax.image and the layers of flax.linen, each compiled as a whole by jax.jit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import flax
import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from numpy.typing import NDArray

from conformance.target import Declared, Target
from conformance.targets.jax._deviations import KNOWN
from conformance.targets.jax.layers import LAYERS, POLICIES

VARIANTS = ("",)

_FLUSHES = "XLA's CPU executables run with subnormals flushed to zero"

# In half precision flax.linen takes statistics in float32 (its _compute_stats), jax.nn.dot_product_attention its
# softmax, and these layers round once. So do matrix products, whose bias is added to what has been stored.
_ROUNDED_ONCE = frozenset(
    [
        "relu",
        "embedding",
        "dot_product_attention",
        "scaled_dot_product_attention",
        "local_attention",
        "dropout",
        "dropout2d",
        "zeros_init",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
    ]
)
_STEPWISE = frozenset({"linear", "custom_linear"})

# The transposed programs of normalisations round to half precision where the programs themselves do not.
_NORMALISATIONS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm"})
_TRANSPOSED = "which operations of the derivatives of normalisations XLA rounds to half precision is not specified"

# Any other layer is operations on stored numbers: each is computed in float32 and rounded. 32 of its units are 1/256 of
# one of float16.
_ROUNDED_UNITS = dict.fromkeys(("exp", "log", "tanh", "power", "sqrt"), 1.0 + 2.0**-8)


# Every shape is compiled: after so many calls the programs are thrown away, which would fill the memory.
_KEPT = 500


_PRELUDE = """import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def array(values, format):
    return jnp.array(values, dtype=format)
"""


class Jax(Target):
    """The layers of JAX and flax. What JAX lacks, such as layouts and arrays edited in place, is not asked for."""

    name = "jax"
    formats = ("float64", "float32", "bfloat16", "float16")
    layouts = ("contiguous",)
    known = KNOWN
    policies = POLICIES
    prelude = _PRELUDE

    def __init__(self) -> None:
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        self.description = f"jax {jax.__version__}, flax {flax.__version__}"
        self.environment = {"jax": jax.__version__, "jaxlib": jaxlib.__version__, "flax": flax.__version__}
        self._seed = self._calls = 0

    def array(self, values: NDArray[Any], format: str) -> jax.Array:
        kind = jnp.dtype(format) if values.dtype == np.float64 else values.dtype
        return jnp.asarray(values.astype(kind))  # a copy: JAX may keep the memory that it is given

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        if not isinstance(array, jax.Array):
            raise TypeError(f"returned {type(array).__name__}, expected a jax.Array")
        values = np.asarray(array)
        return (values.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else values), array.dtype.name

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[jax.Array],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        outputs, pullback = jax.vjp(function, *leaves)
        given = zip(outputs, cotangents(outputs), strict=True)
        return outputs, pullback(tuple(jnp.zeros_like(y) if factor is None else factor for y, factor in given))

    def layer(self, name: str) -> Callable[..., Any] | None:
        if name not in LAYERS:
            return None
        function, is_random = _compiled(name)

        def call(*tensors: Any, **parameters: Any) -> Any:
            key = {"key": jax.random.key(self._seed)} if is_random else {}
            return function(*tensors, **key, **parameters)

        return call

    def declared(self, layer: str, format: str) -> Declared:
        found = replace(super().declared(layer, format), flush=True, reason=_FLUSHES)
        if layer in _NORMALISATIONS:
            found = replace(found, algorithm="sloped")
        if format in ("float64", "float32"):
            return found
        if layer in _NORMALISATIONS:
            return replace(found, undeclared=_TRANSPOSED)
        if layer in _ROUNDED_ONCE:
            return found
        if layer in _STEPWISE:
            return replace(found, algorithm="stepwise")
        return replace(found, compute=format, units=_ROUNDED_UNITS, reason="every operation rounds to the format")

    def seed(self, seed: int) -> None:
        self._seed = seed
        self._calls += 1
        if self._calls % _KEPT == 0:
            jax.clear_caches()


@cache
def _compiled(layer: str) -> tuple[Callable[..., Any], bool]:
    """The function of a layer, compiled for each shape and each choice of parameters; whether it draws numbers."""
    function = LAYERS[layer]
    given = inspect.signature(function).parameters.values()
    keywords = {each.name for each in given if each.kind is each.KEYWORD_ONLY}
    return jax.jit(function, static_argnames=tuple(keywords - {"key"})), "key" in keywords


def target(variant: str) -> Target:
    """The target jax."""
    return Jax()

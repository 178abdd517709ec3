"""Arrays of JAX on a CPU, their derivatives, and compiled functions of them, for the targets that work on them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from conformance.target import Target

# Every shape is compiled: after so many calls the programs are thrown away, which would fill the memory.
_KEPT = 500


class JaxArrays(Target):
    """What JAX lacks, such as layouts and arrays edited in place, is not asked for."""

    layouts = ("contiguous",)

    def __init__(self, formats: tuple[str, ...] = ("float64", "float32", "bfloat16", "float16")) -> None:
        self.formats = formats
        jax.config.update("jax_enable_x64", "float64" in formats)
        jax.config.update("jax_platforms", "cpu")
        self.description = f"jax {jax.__version__}"
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

    def seed(self, seed: int) -> None:
        self._seed = seed
        self._calls += 1
        if self._calls % _KEPT == 0:
            jax.clear_caches()


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled for each shape and each choice of its keyword parameters, but for that of a random key."""
    given = inspect.signature(function).parameters.values()
    keywords = {each.name for each in given if each.kind is each.KEYWORD_ONLY}
    found: Callable[..., Any] = jax.jit(function, static_argnames=tuple(keywords - {"key"}))
    return found

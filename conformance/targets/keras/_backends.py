"""What a backend of Keras decides: the arrays, their derivatives, and how functions of them are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.target import Target

# On JAX and PyTorch the type that results from float64 is float32, as on JAX, where that is so unless it is told
# otherwise: backend/common/dtypes.py (BIT64_TO_BIT32_DTYPE).
_NARROW = ("float32", "bfloat16", "float16")


def _eagerly(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


@dataclass(frozen=True)
class Backend:
    """The target whose arrays these are, the formats that Keras keeps, and what makes a function ready to be called."""

    arrays: Target
    formats: tuple[str, ...] = _NARROW
    called: Callable[[Callable[..., Any]], Callable[..., Any]] = _eagerly


def backend(name: str) -> Backend:
    """The backend of this name, whose library must be there.

    On JAX functions are compiled: eagerly, every operation would be by itself, for every shape.
    """
    match name:
        case "jax":
            from conformance.targets._jax_arrays import JaxArrays, compiled

            return Backend(JaxArrays(_NARROW), called=compiled)
        case "torch":
            from conformance.targets.torch import Torch

            return Backend(Torch("cpu"))
        case _:
            from conformance.targets.tensorflow import TensorFlow

            return Backend(TensorFlow(), ("float64", *_NARROW))

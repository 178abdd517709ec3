"""Where Keras leaves the permitted error, and why."""

from __future__ import annotations

from conformance.target import Deviation

EVERYWHERE: tuple[Deviation, ...] = ()
JAX: tuple[Deviation, ...] = ()
TORCH: tuple[Deviation, ...] = ()
TENSORFLOW: tuple[Deviation, ...] = ()

BY_BACKEND = {
    "jax": (*EVERYWHERE, *JAX),
    "torch": (*EVERYWHERE, *TORCH),
    "tensorflow": (*EVERYWHERE, *TENSORFLOW),
}

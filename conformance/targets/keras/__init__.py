"""Keras on a CPU, over the arrays of the backend that the environment (``KERAS_BACKEND``) or the variant names.

Its layers of images have their channels last; in variants of their own, which have no other layer, they come first.
"""

from __future__ import annotations

import importlib
import os
import sys

from conformance.target import Target, Unavailable

BACKENDS = ("jax", "torch", "tensorflow")
CHANNELS_FIRST = "-channels-first"
VARIANTS = ("", *BACKENDS, *(f"{backend}{CHANNELS_FIRST}" for backend in BACKENDS))


def target(variant: str) -> Target:
    """The target keras, keras-BACKEND or keras-BACKEND-channels-first.

    Keras reads the name of its backend once, when it is imported: raises ``Unavailable`` where another one is loaded
    already, and for a backend that has no target.
    """
    wanted = variant.removesuffix(CHANNELS_FIRST) or os.environ.get("KERAS_BACKEND", BACKENDS[0])
    if wanted not in BACKENDS:
        raise Unavailable(f"KERAS_BACKEND is {wanted!r}; it must be one of {', '.join(BACKENDS)}")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = wanted
        importlib.import_module(wanted)  # whose absence is then told by its own name
    loaded: str = importlib.import_module("keras").config.backend()
    if loaded != wanted:
        raise Unavailable(
            f"keras-{wanted} needs a process of its own: Keras has one backend per process, and {loaded} is loaded"
        )
    made: Target = importlib.import_module(f"{__name__}._layers").Keras(variant)
    return made

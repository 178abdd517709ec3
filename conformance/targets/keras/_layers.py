"""The layers of Keras, over the arrays of its backend."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from conformance.case import Case
from conformance.target import Declared, Target
from conformance.targets.keras import (
    CHANNELS_FIRST,
    activation,
    attention,
    dense,
    normalisation,
    random,
    recurrent,
    spatial,
)
from conformance.targets.keras._arithmetic import declared, declared_for
from conformance.targets.keras._backends import backend
from conformance.targets.keras._deviations import BY_BACKEND, FIRST_BY_BACKEND
from conformance.targets.keras._dialect import POLICIES

LAYERS: dict[str, Callable[..., Any]] = {
    **activation.LAYERS,
    **dense.LAYERS,
    **spatial.layers(spatial.LAST),
    **normalisation.LAYERS,
    **attention.LAYERS,
    **recurrent.LAYERS,
    **random.LAYERS,
}

# What the arrays decide.
_OF_ARRAYS = ("array", "arranged", "vjp", "read", "assign", "memory", "overlaps", "poison", "layouts")

# Layers that are a kernel of the backend, which leaves the permitted error under Keras as it does by itself.
_KERNELS = frozenset(
    {
        "avg_pool2d",
        "conv2d",
        "conv_transpose2d",
        "layer_norm",
        "log_softmax",
        "max_pool2d",
        "multi_head_attention",
        "scaled_dot_product_attention",
        "softmax",
    }
)

_SEEDS = 2**31  # on PyTorch Keras keeps a seed in int32


class Keras(Target):
    """The layers of Keras, called as functions of their weights (``stateless_call``)."""

    def __init__(self, variant: str) -> None:
        self.name = f"keras-{variant}" if variant else "keras"
        self._name = keras.config.backend()
        first = variant.endswith(CHANNELS_FIRST)
        self._layers = spatial.layers(spatial.FIRST) if first else LAYERS
        self._backend = backend(self._name)
        self._arrays = self._backend.arrays
        for name in _OF_ARRAYS:
            setattr(self, name, getattr(self._arrays, name))
        self.formats = self._backend.formats
        self.policies = {**POLICIES, "max_pool2d": self._arrays.policies.get("max_pool2d", POLICIES["max_pool2d"])}
        inherited = (known for known in self._arrays.known if known.layer in _KERNELS and known.check != "refusal")
        met_first = FIRST_BY_BACKEND.get(self._name, ()) if first else ()
        self.known = (*BY_BACKEND[self._name], *met_first, *inherited)
        self.description = f"keras {keras.__version__} on {self._arrays.description}"
        self._seed = 0

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = self._layers.get(name)
        if function is None:
            return None
        if "seed" in inspect.signature(function).parameters:
            return lambda *tensors, **parameters: function(*tensors, seed=self._seed, **parameters)
        return self._backend.called(function)

    def declared(self, layer: str, format: str) -> Declared:
        return declared(self._name, self._arrays, layer, format)

    def declared_for(self, case: Case) -> Declared:
        return declared_for(self._name, super().declared_for(case), case)

    def seed(self, seed: int) -> None:
        self._seed = seed % _SEEDS
        self._arrays.seed(seed)

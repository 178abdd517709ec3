"""A layer of torch in which a bug is planted, and a run that ends when it is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from attention_kinds import KINDS

from conformance.tally import Tally
from conformance.targets import torch as library
from conformance.targets.torch import Torch

Function: TypeAlias = Callable[..., Any]
Bug: TypeAlias = Callable[[Function], Function]

# Those of torch, and those that tests have in its place.
LAYERS = {**library.LAYERS, **KINDS}


class UntilFound(Tally):
    """Ends an item at its first failure, which is shrunk."""

    @property
    def lethal(self) -> bool:
        return bool(self.failures)


class Honest(Torch):
    """torch, with the layers that it lacks."""

    def __init__(self) -> None:
        super().__init__("cpu")

    def layer(self, name: str) -> Function | None:
        return LAYERS.get(name)


class Planted(Honest):
    """torch, but for one layer; nothing is known of it."""

    def __init__(self, layer: str, bug: Bug) -> None:
        super().__init__()
        self.known = ()
        self._layer, self._function = layer, bug(LAYERS[layer])

    def layer(self, name: str) -> Function | None:
        return self._function if name == self._layer else super().layer(name)

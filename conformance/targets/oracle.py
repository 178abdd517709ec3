"""The oracle as a target: the formulas themselves, every operation rounded. The suite must find it spotless.

The only target that knows the oracle: it tests the suite, not a library.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.target import Target
from oracle.evaluate import evaluate
from oracle.formats import FORMATS
from oracle.formulas import formula, names
from oracle.rounded import Rounded
from oracle.tensor import Choices, Tensor

VARIANTS = ("float64", "float32", "bfloat16", "float16")

# Random layers: how many leading dimensions of the input their mask has, None for all.
_MASKED = {"dropout": None, "dropout2d": 2}


class Oracle(Target):
    """Every layer that has a formula, computed by that formula in rounded arithmetic, sums in a random order."""

    def __init__(self, format: str) -> None:
        self.name = f"oracle-{format}"
        self.formats = (format,)
        self.trusted = True
        self._format = format
        self._seed = 0
        self.description = "the formulas in rounded arithmetic"

    def array(self, values: NDArray[Any], format: str) -> NDArray[Any]:
        return values.copy()

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        return array, self._format if array.dtype == np.float64 else array.dtype.name

    def seed(self, seed: int) -> None:
        self._seed = seed

    def layer(self, name: str) -> Callable[..., Any] | None:
        if name not in names():
            return None

        def compute(*tensors: Any, **parameters: Any) -> tuple[NDArray[Any], ...]:
            with self.rules(name):
                outputs = evaluate(name, self.given(name, tensors, parameters), parameters)
                return tuple(map(as_array, outputs.values()))

        return compute

    def given(self, name: str, tensors: Sequence[Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The tensors of a call by name, with the mask that a random layer draws."""
        found = dict(zip(inspect.signature(formula(name)).parameters, tensors, strict=False))
        if name in _MASKED:
            draws = np.random.RandomState(self._seed).random_sample(tensors[0].shape[: _MASKED[name]])
            found["mask"] = (draws >= parameters["p"]).astype(np.float64)
        return found

    def rules(self, name: str) -> Rounded:
        """The arithmetic in which a layer is computed."""
        return Rounded(FORMATS[self.declared(name, self._format).compute], FORMATS[self._format], self._seed)


def as_array(output: Tensor) -> NDArray[Any]:
    """An output as a library returns it: of indices, any of the admissible ones is as good."""
    if isinstance(output, Choices):
        return np.array([min(choice) for choice in output.elements()], dtype=np.int64).reshape(output.shape)
    return np.array(output.elements(), dtype=np.float64).reshape(output.shape)


def target(variant: str) -> Target:
    """The target oracle-FORMAT."""
    return Oracle(variant)

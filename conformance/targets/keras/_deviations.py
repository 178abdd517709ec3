"""Where Keras leaves the permitted error, and why: on every backend, or on one."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation

_SOURCE = "https://github.com/keras-team/keras/blob/master/keras/src"


def _cancels(case: Case) -> bool:
    """Whether the mean of a group is larger than its deviation: E[x²] − E[x]² is then less than either by as much.

    A relation adds such a mean.
    """
    if case.relation is not None and case.relation.name == "shifted":
        return True
    input: Any = case.arrays()["input"]
    if case.refusal or not input.size or not case.parameters.get("training", True):
        return False
    rows = _grouped(case.layer, input, case.parameters)
    with np.errstate(all="ignore"):
        return not (rows.mean(axis=-1) ** 2 < rows.var(axis=-1) + case.parameters["eps"]).all()


def _grouped(layer: str, input: Any, parameters: Any) -> Any:
    """The elements that share statistics, as rows."""
    samples, channels = input.shape[:2]
    if layer == "batch_norm":
        return np.moveaxis(input, 1, 0).reshape(channels, -1)
    groups = parameters["num_groups"] if layer == "group_norm" else channels
    return input.reshape(samples, groups, -1)


def _on(backend: str, program: str) -> str:
    return f"import os\nos.environ['KERAS_BACKEND'] = {backend!r}\n{program}"


EVERYWHERE: tuple[Deviation, ...] = ()

JAX: tuple[Deviation, ...] = ()

TORCH: tuple[Deviation, ...] = tuple(
    Deviation(
        layer,
        "on PyTorch the variance is E[x²] − E[x]², which is less accurate the larger the mean is against it, and may "
        "be negative: backend/torch/nn.py (moments)",
        _on(
            "torch",
            "import keras\n"
            "# their variance is 1/4\n"
            "numbers = keras.ops.convert_to_tensor([[4096.0, 4097.0]], 'float32')\n"
            "print(keras.ops.moments(numbers, axes=[1])[1].item())\n"
            "# 0.0",
        ),
        _cancels,
        "https://github.com/keras-team/keras/pull/18795",
    )
    for layer in ("batch_norm", "group_norm", "instance_norm")
)

TENSORFLOW: tuple[Deviation, ...] = ()

BY_BACKEND = {
    "jax": (*EVERYWHERE, *JAX),
    "torch": (*EVERYWHERE, *TORCH),
    "tensorflow": (*EVERYWHERE, *TENSORFLOW),
}

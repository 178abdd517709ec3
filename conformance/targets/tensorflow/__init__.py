"""TensorFlow on a CPU, eagerly: the functions of tf.nn, and operations where they have more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from conformance.case import Case
from conformance.target import Declared, Target, Unsupported, stepwise
from conformance.targets._parameters import BIASES
from conformance.targets.tensorflow import layers, normalisation, random, recurrent, spatial
from conformance.targets.tensorflow._deviations import KNOWN
from conformance.targets.tensorflow._dialect import POLICIES

VARIANTS = ("",)

LAYERS: dict[str, Callable[..., Any]] = {
    **layers.LAYERS,
    **spatial.LAYERS,
    **normalisation.LAYERS,
    **recurrent.LAYERS,
    **random.LAYERS,
}
ALGORITHMS = {**layers.ALGORITHMS, **spatial.ALGORITHMS, **normalisation.ALGORITHMS}
BACKWARD = {**layers.BACKWARD, **spatial.BACKWARD}

# What TensorFlow says of derivatives that it does not have on a CPU.
_MISSING = ("No gradient defined", "gradient registry has no entry", "not supported on CPU", "do not yet support")

# In half precision these layers compute in float32 and round what they store; any other is operations on stored
# numbers.
_ROUNDED_ONCE = frozenset(
    [
        *ALGORITHMS.keys() - normalisation.LAYERS.keys(),
        *("relu", "embedding", "max_pool2d", "avg_pool2d", "upsample_nearest", "upsample_nearest_exact"),
        *random.LAYERS,
    ]
)

_FLUSHES = "the threads of kernels run with subnormals flushed to zero: core/platform/denormal.cc"

# The derivatives of copied pixels and rows are added one by one: core/kernels/image/resize_nearest_neighbor_op.cc,
# core/kernels/maxpooling_op.cc.
_SCATTERED = {
    **dict.fromkeys(("upsample_nearest", "upsample_nearest_exact", "max_pool2d"), ("input",)),
    "embedding": ("weight",),
}


class TensorFlow(Target):
    """The functions of TensorFlow. Its tensors lie contiguously in memory and cannot be edited."""

    name = "tensorflow"
    formats = ("float64", "float32", "bfloat16", "float16")
    layouts = ("contiguous",)
    policies = POLICIES
    known = KNOWN

    def __init__(self) -> None:
        self.description = f"tensorflow {tf.__version__}"
        self._seed = 0

    def array(self, values: NDArray[Any], format: str) -> tf.Tensor:
        kind = tf.as_dtype(format).as_numpy_dtype if values.dtype == np.float64 else values.dtype
        return tf.constant(values.astype(kind))

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        if not tf.is_tensor(array):
            raise TypeError(f"returned {type(array).__name__}, expected a tf.Tensor")
        values = array.numpy()
        return (values.astype(np.float64) if array.dtype.is_floating else values), array.dtype.name

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[tf.Tensor],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            outputs = function(*leaves)
        given = zip(outputs, cotangents(outputs), strict=True)
        pairs = [(y, factor) for y, factor in given if factor is not None]
        reached, factors = map(list, zip(*pairs, strict=True))
        try:
            found = tape.gradient(reached, list(leaves), factors)
        except (LookupError, tf.errors.InvalidArgumentError) as error:
            if any(words in str(error) for words in _MISSING):
                raise Unsupported(str(error)) from error
            raise
        return outputs, [None if g is None else tf.convert_to_tensor(g) for g in found]

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = LAYERS.get(name)
        if function is None or "seed" not in inspect.signature(function).parameters:
            return function
        return lambda *tensors, **parameters: function(*tensors, seed=self._seed, **parameters)

    def declared(self, layer: str, format: str) -> Declared:
        # so are those of a bias in bfloat16: core/kernels/bias_op.cc
        scattered = {**_SCATTERED, **(BIASES if format == "bfloat16" else {})}
        found = replace(
            super().declared(layer, format),
            flush=True,
            algorithm=ALGORITHMS.get(layer),
            backward="stepwise" if layer == "sigmoid" and format in ("bfloat16", "float16") else BACKWARD.get(layer),
            scattered=frozenset(scattered.get(layer, ())),
            reason=_FLUSHES,
        )
        once = layer in _ROUNDED_ONCE and (layer, format) != ("avg_pool2d", "float16")  # which Eigen adds as stored
        if once or format in ("float64", "float32"):
            return found
        # subnormals of float16 are normal numbers of float32, in which every operation is computed
        return stepwise(replace(found, flush=format == "bfloat16"), format)

    def declared_for(self, case: Case) -> Declared:
        found = super().declared_for(case)
        return stepwise(found, case.format) if spatial.adds_in_storage(case) else found

    def seed(self, seed: int) -> None:
        self._seed = seed
        tf.random.set_seed(seed)


def target(variant: str) -> Target:
    """The target tensorflow."""
    return TensorFlow()

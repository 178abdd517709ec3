"""JAX on a CPU: jax.nn, jax.image and the layers of flax.linen, each compiled as a whole by jax.jit."""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flax
import jax
import jaxlib

from conformance.case import Case
from conformance.target import Declared, Target, stepwise
from conformance.targets._jax_arrays import JaxArrays, compiled
from conformance.targets.jax import (
    activation,
    attention,
    convolution,
    dense,
    embedding,
    initialisation,
    interpolation,
    normalisation,
    pooling,
    recurrent,
    regularisation,
)
from conformance.targets.jax._deviations import KNOWN
from conformance.targets.jax._dialect import POLICIES

VARIANTS = ("",)

# Each offers the layers of one family.
_FAMILIES = (
    activation,
    attention,
    convolution,
    dense,
    embedding,
    initialisation,
    interpolation,
    normalisation,
    pooling,
    recurrent,
    regularisation,
)
LAYERS: dict[str, Callable[..., Any]] = dict(ChainMap(*(family.LAYERS for family in _FAMILIES)))

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
# Of float64 too: jax/_src/nn/functions.py (_dot_product_attention_core).
_SOFTMAX_IN_FLOAT32 = frozenset({"dot_product_attention", "scaled_dot_product_attention", "local_attention"})

_STEPWISE = frozenset({"linear", "custom_linear"})

# In half precision the input of a normalisation is converted to float32 twice, for its statistics and for what is
# normalised with them: so is the derivative stored twice, before the two are added.
_NORMALISATIONS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm"})

# Contributions to the derivative of a table are added to stored numbers: xla/service/scatter_expander.cc.
_SCATTERED = {"embedding": frozenset({"weight"})}
# In half precision those to the derivative of a bias are too: 2048 and 4095 halves are 4080 in float16.
_SCATTERED_BIASES = dict.fromkeys(_STEPWISE, frozenset({"bias"}))

_PRELUDE = """import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def array(values, format):
    return jnp.array(values, dtype=format)
"""


class Jax(JaxArrays):
    """The layers of JAX and flax."""

    name = "jax"
    known = KNOWN
    policies = POLICIES
    prelude = _PRELUDE

    def __init__(self) -> None:
        super().__init__()
        self.description += f", flax {flax.__version__}"
        self.environment = {"jax": jax.__version__, "jaxlib": jaxlib.__version__, "flax": flax.__version__}

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = LAYERS.get(name)
        if function is None:
            return None
        key = inspect.signature(function).parameters.get("key")
        if key is None or key.kind is not key.KEYWORD_ONLY:  # the keys of attention are a tensor
            return compiled(function)
        return lambda *tensors, **parameters: compiled(function)(*tensors, key=jax.random.key(self._seed), **parameters)

    def declared(self, layer: str, format: str) -> Declared:
        is_narrow = format not in ("float64", "float32")
        scattered = {**_SCATTERED, **(_SCATTERED_BIASES if is_narrow else {})}.get(layer, frozenset())
        found = replace(super().declared(layer, format), flush=True, scattered=scattered, reason=_FLUSHES)
        if layer in _NORMALISATIONS:
            return replace(found, algorithm="sloped", backward="sloped_apart")
        if format == "float64" and layer in _SOFTMAX_IN_FLOAT32:
            return replace(found, compute="float32", reason="its softmax is always taken in float32")
        if layer == "tanh":  # jax/_src/lax/lax.py (tanh_p)
            found = replace(found, backward="factored")
        if layer == "avg_pool2d":  # XLA writes a division by a constant so: simplifiers/algebraic_simplifier.cc
            found = replace(found, algorithm="by_reciprocal")
        if not is_narrow or layer in _ROUNDED_ONCE:
            return found
        if layer in _STEPWISE:
            return replace(found, algorithm="stepwise")
        return stepwise(found, format)  # any other layer is operations on stored numbers

    def declared_for(self, case: Case) -> Declared:
        found = self.declared(case.layer, case.format)
        if case.layer == "batch_norm" and not case.parameters["training"] and case.format not in ("float64", "float32"):
            return stepwise(replace(found, backward=None), case.format)  # its statistics are stored numbers too
        return found


def target(variant: str) -> Target:
    """The target jax."""
    return Jax()

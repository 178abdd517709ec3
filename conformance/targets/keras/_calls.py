"""Layers of Keras as functions of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras

Array: TypeAlias = Any  # of the backend


def made(kind: type[keras.Layer], like: Array, *arguments: Any, **options: Any) -> keras.Layer:
    """A layer that computes in the format of an array."""
    return kind(*arguments, dtype=keras.backend.standardize_dtype(like.dtype), **options)


def applied(
    layer: keras.Layer,
    weights: Sequence[Array | None],
    *inputs: Array,
    state: Sequence[Array] = (),
    shapes: Any = None,
    **options: Any,
) -> Any:
    """The outputs of a layer with these weights and this state, in the order in which it makes them.

    Weights that are None do not exist. ``shapes`` is what the layer is built for, by default the shapes of its inputs.
    """
    layer.build(*shapes or [tuple(x.shape) for x in inputs])
    present = [weight for weight in weights if weight is not None]
    kept = state or [variable.value for variable in layer.non_trainable_variables]
    return layer.stateless_call(present, kept, *inputs, **options)[0]


def batched(layer: Any, input: Array, rank: int) -> Array:
    """What a function makes of an input of this rank; where the batch is missing, of a batch of one."""
    return layer(input[None])[0] if input.ndim == rank - 1 else layer(input)

"""Lookup in a table of vectors."""

from __future__ import annotations

from flax import linen as nn
from jax import Array

from conformance.target import Unsupported
from conformance.targets.jax._modules import applied


def embedding(
    input: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Array, Array]:
    """nn.Embed, and the table, which it leaves as it is."""
    if padding_idx is not None or max_norm is not None:
        raise Unsupported("nn.Embed has neither padding_idx nor max_norm")
    return applied(nn.Embed(*weight.shape), {"embedding": weight}, input), weight


LAYERS = {"embedding": embedding}

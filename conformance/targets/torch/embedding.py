"""Lookup in a table of vectors."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def embedding(
    input: Tensor,
    weight: Tensor,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """F.embedding, and the table afterwards: with max_norm it is edited in place, here a copy of it."""
    table = weight.clone()
    return F.embedding(input, table, padding_idx, max_norm, norm_type), table


# Rows that are looked up several times: aten/src/ATen/native/Embedding.cpp (embedding_dense_backward_cpu), and
# aten/src/ATen/native/cuda/Embedding.cu (embedding_backward_feature_kernel) for so many at a time.
SCATTERED = {device: {"embedding": frozenset({"weight"})} for device in ("cpu", "cuda")}

LAYERS = {"embedding": embedding}

"""Kinds of attention in plain torch: a target for the layers that no library has.

    pytest --target=tests/attention_kinds.py

Each is written in whole-tensor operations, from the papers and not from the formulas. In half precision they compute in
float32 and round the result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

extends = "torch-cpu"

KINDS: dict[str, Callable[..., Any]] = {}
_HALVES = (torch.bfloat16, torch.float16)


def _kind(layer: Callable[..., Any]) -> Callable[..., Any]:
    """The layer as the target offers it: computed in float32 where its tensors are narrower."""

    @functools.wraps(layer)
    def computed(*tensors: Tensor | None, **parameters: Any) -> Any:
        kinds = [x.dtype for x in tensors if x is not None and x.dtype in _HALVES]
        if not kinds:
            return layer(*tensors, **parameters)
        found = layer(*(x.float() if x is not None and x.dtype in _HALVES else x for x in tensors), **parameters)
        return tuple(y.to(kinds[0]) for y in found) if isinstance(found, tuple) else found.to(kinds[0])

    KINDS[layer.__name__] = computed
    return computed


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(what)


def _attended(weights: Tensor, value: Tensor) -> Tensor:
    _require(weights.shape[:-2] == value.shape[:-2], "the samples of weights and values differ")
    return weights @ value


def _scores(query: Tensor, key: Tensor) -> Tensor:
    _require(query.shape[:-2] == key.shape[:-2], "the samples of queries and keys differ")
    return query @ key.mT


def _sparsemax(scores: Tensor) -> Tensor:
    """By the size of the support."""
    scores = scores - scores.detach().amax(-1, keepdim=True)
    ordered = scores.sort(dim=-1, descending=True).values
    sums = ordered.cumsum(-1) - 1.0
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
    size = (ordered * counts > sums).sum(-1, keepdim=True).clamp(min=1)  # none where a score is NaN
    threshold = sums.gather(-1, size - 1) / size
    return (scores - threshold).clamp(min=0.0)


@_kind
def sparsemax_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _attended(_sparsemax(_scores(query, key)), value)

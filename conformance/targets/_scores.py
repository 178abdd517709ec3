"""The scores of attention, bounded, and what masks leave of them: what deviations of several libraries depend on."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case


def shuts_out_all_keys(case: Case) -> bool:
    """Whether a mask of numbers is minus infinity for all keys of a query."""
    masks: list[Any] = [case.arrays().get(name) for name in ("attn_mask", "key_padding_mask")]
    return any(mask is not None and mask.dtype != bool and np.isneginf(mask).all(axis=-1).any() for mask in masks)


def hides_all_keys(case: Case) -> bool:
    """Whether masks of booleans together leave a query without keys."""
    arrays: Any = case.arrays()
    mask = arrays["attn_mask"]
    mask = mask if mask is not None and mask.dtype == bool else None
    if case.layer != "multi_head_attention":  # True for a key that is seen
        return mask is not None and not mask.any(axis=-1).all()
    ignored = np.zeros((1, 1, 1, 1), bool)  # True for one that is not
    padding = arrays["key_padding_mask"]
    if padding is not None and padding.dtype == bool:
        ignored = ignored | padding[:, None, None, :]
    if mask is not None:
        heads = (len(arrays["query"]), case.parameters["num_heads"], *mask.shape[1:])
        ignored = ignored | (mask.reshape(heads) if mask.ndim == 3 else mask)
    return bool(ignored.all(axis=-1).any())


@np.errstate(all="ignore")
def scores_of_heads(case: Case) -> tuple[Any, Any]:
    """The scores of multi_head_attention without masks, (N, H, L, S), and where masks ignore them.

    They are the sums of the absolute values of what the scores are the sum of: finite if no order of it overflows.
    """
    arrays, heads = magnitudes(case), case.parameters["num_heads"]
    weights, biases = np.split(arrays["in_proj_weight"], 3), arrays["in_proj_bias"]
    projected = []
    for part, name in enumerate(("query", "key")):
        rows = arrays[name] @ weights[part].T
        rows = rows if biases is None else rows + np.split(biases, 3)[part]
        rows[~(rows < largest(case.format))] = np.inf  # where they are stored
        projected.append(rows.reshape(*rows.shape[:2], heads, rows.shape[2] // heads).swapaxes(1, 2))
    query, key = projected
    scores = query @ key.swapaxes(-1, -2)
    ignored = np.zeros(scores.shape, dtype=bool)
    if arrays["key_padding_mask"] is not None:
        ignored |= _ignores(arrays["key_padding_mask"])[:, None, None, :]
    if arrays["attn_mask"] is not None:
        mask = _ignores(arrays["attn_mask"])
        ignored |= mask.reshape(scores.shape) if mask.ndim == 3 else mask
    return scores, ignored


def largest(format: str) -> float:
    """The largest number of the format in which scores are stored."""
    return float(np.finfo("float32" if format == "bfloat16" else format).max)  # nearly that of bfloat16


@np.errstate(all="ignore")
def scores_with_masks(case: Case) -> tuple[Any, Any]:
    """As ``scores_of_heads`` of any fused attention, without its scale: (*, L, S)."""
    if case.layer == "multi_head_attention":
        return scores_of_heads(case)
    arrays = magnitudes(case)
    query, key = arrays["query"], arrays["key"]
    if case.parameters.get("enable_gqa"):
        key = np.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
    scores = query @ key.swapaxes(-1, -2)
    rows, columns = np.ogrid[: scores.shape[-2], : scores.shape[-1]]
    mask = arrays.get("attn_mask")
    if case.layer == "local_attention":
        ignored = abs(rows - columns) > case.parameters["window"]
    elif case.parameters["is_causal"]:
        ignored = columns > rows
    elif mask is None:
        ignored = np.False_
    else:
        ignored = ~mask if mask.dtype == bool else np.isneginf(mask)
    return scores, np.broadcast_to(ignored, scores.shape)


def magnitudes(case: Case) -> Any:
    """The absolute values of the tensors, in the format in which attention computes; masks as they are."""
    kind = np.float64 if case.format == "float64" else np.float32
    arrays: Any = case.arrays()
    numbers = (name for name, x in arrays.items() if x is not None and x.dtype.kind == "f" and "mask" not in name)
    return arrays | {name: abs(arrays[name]).astype(kind) for name in numbers}


def _ignores(mask: Any) -> Any:
    return mask if mask.dtype == bool else np.isneginf(mask)

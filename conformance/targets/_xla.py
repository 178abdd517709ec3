"""What XLA does not compile on a CPU, aborts at, or needs too much memory for."""

from __future__ import annotations

import math

from conformance.case import Case
from conformance.targets._sizes import convolved, transposed

YNN = "https://github.com/openxla/xla/blob/main/xla/backends/cpu/ynn_emitter.cc"

# The least number of products for which XLA hands a product of matrices to YNNPACK: measured, 63 · 63 · 1 are too few.
_HANDED_ON = 4096

# Bytes that a machine may lack for one call.
_MEMORY = 2**30


def _products(case: Case) -> tuple[int, int, int, int]:
    """Of the scores, which are so many products of matrices: queries, keys, and what is added up."""
    query, key, heads = case.sides("query"), case.sides("key"), case.parameters.get("num_heads", 1)
    samples = math.prod(key[:-2])
    return samples * heads, math.prod(query[:-1]) // max(samples, 1), key[-2], key[-1] // heads


def multiplies_vectors(case: Case) -> bool:
    """Whether the scores, in bfloat16, are one product of two vectors, or of a number and a vector."""
    if case.format != "bfloat16" or case.refusal is not None:
        return False
    matrices, *sizes = _products(case)
    return matrices == 1 and sizes.count(1) >= 2


def multiplies_large_columns(case: Case) -> bool:
    """Whether nothing is added up in the scores, in bfloat16, or may be in their derivatives, and they are many.

    A relation may ask for so many samples more, and for derivatives.
    """
    if case.format != "bfloat16" or case.refusal is not None or case.sides("key") != case.sides("value"):
        return False
    matrices, queries, keys, width = _products(case)
    samples = 1 if case.relation is None else case.relation.number + 1
    derives = case.upstream is not None or case.relation is not None
    added_up = (width, queries, keys) if derives else (width,)
    return 1 in added_up and samples * matrices * queries * keys * width >= _HANDED_ON


def multiplies_many_filters(case: Case) -> bool:
    """Whether filters of a convolution are single numbers, more than 2^15 of them, for pixels of one column.

    Derivatives towards the weight are such products too. A relation may ask for one column of several.
    """
    filters = case.sides("weight")[1 if case.layer == "conv_transpose2d" else 0]
    if case.refusal is not None or math.prod(case.sides("weight")) != filters or filters <= 2**15:
        return False
    columns = transposed(case, 1) if case.layer == "conv_transpose2d" else convolved(case, 1)
    return case.relation is not None or columns == 1


def widens_filters(case: Case) -> bool:
    """Whether a convolution of each channel on its own, which is computed as one of all channels, fills the memory.

    So are the derivatives towards the weight, and in float64 few pixels; numbers are doubled, of 4 bytes at least.
    """
    filters, depth, *taps = case.sides("weight")
    derives = case.upstream is not None and "weight" in case.upstream.wanted
    groups = case.parameters["groups"]
    numbers = 2 * filters * groups * math.prod(taps)
    apart = groups > 1 == depth and case.refusal is None
    return (
        apart and (derives or case.format == "float64") and numbers * (8 if case.format == "float64" else 4) > _MEMORY
    )


def mixes_channels(case: Case) -> bool:
    """Whether a convolution of each channel on its own is in float64, and may be computed as one of all channels."""
    return case.format == "float64" and case.parameters["groups"] > 1 == case.sides("weight")[1]

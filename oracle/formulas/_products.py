"""Sums of products as processors of matrices take them."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.scalar import Scalar, accumulated, dot, stored

# The fewest terms of a part: the shortest stage of a matrix product in the table of cublasLtMatmulStages_t (cuBLAS
# documentation).
_PART = 8


def in_parts(xs: Sequence[Scalar], ws: Sequence[Scalar]) -> Scalar:
    """Σ x w, split into parts that different multiprocessors add up: each part is stored, and their sums may be."""
    return accumulated([stored(dot(xs[k : k + _PART], ws[k : k + _PART])) for k in range(0, len(xs), _PART)])


def biased(product: Scalar, bias: Sequence[Scalar]) -> Scalar:
    """A product that is stored, and the bias, if there is one, added to it."""
    kept = stored(product)
    return kept + bias[0] if bias else kept

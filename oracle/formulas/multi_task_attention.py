"""Multi-task attention: every task has a mask of its own over the features that all tasks share.

Source: the document, line 1393; Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention, and the
authors' code, in whose later blocks the features are joined with those of the task before. Biases before a
normalisation, which takes them away, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.formulas._shapes import require_rank, require_shape
from oracle.formulas.batch_norm import batch_norm
from oracle.formulas.conv2d import conv2d
from oracle.scalar import Scalar, rectified, sigmoid, stored
from oracle.tensor import Tensor, tensor


def multi_task_attention(
    input: Tensor,
    features: Tensor,
    weight_reduce: Tensor,
    scale_reduce: Tensor,
    shift_reduce: Tensor,
    weight_expand: Tensor,
    scale_expand: Tensor,
    shift_expand: Tensor,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """y_t = p σ(BN(W₂ relu(BN(W₁ u_t)))) for every task t, W₁ and W₂ at every pixel, BN over a batch in training.

    input p (N, C, H, W) is shared; features u (T, N, U, H, W), weight_reduce W₁ (T, K, U), weight_expand W₂ (T, C, K),
    scale and shift of the normalisations (T, K) and (T, C), with ``eps`` as in batch_norm; returns (T, N, C, H, W).
    Raises ``ValueError`` where a shape does not fit, and for a single pixel in all.
    """
    weights = (weight_reduce, scale_reduce, shift_reduce, weight_expand, scale_expand, shift_expand)
    return written(input, features, *weights, eps=eps)


def normalised(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """The batch normalisation of training."""
    return batch_norm(x, None, None, scale, shift, training=True, eps=eps)["output"]


def written(
    input: Tensor,
    features: Tensor,
    weight_reduce: Tensor,
    scale_reduce: Tensor,
    shift_reduce: Tensor,
    weight_expand: Tensor,
    scale_expand: Tensor,
    shift_expand: Tensor,
    *,
    eps: float = 1e-5,
    normalise: Sequence[Callable[..., Tensor]] = (normalised, normalised),
    rectify: Callable[[Scalar], Scalar] = rectified,
    gate: Callable[[Scalar], Scalar] = sigmoid,
) -> Tensor:
    """The same with other functions."""
    for name, x, rank in (("input", input, 4), ("features", features, 5), ("weight_reduce", weight_reduce, 3)):
        require_rank(name, x, rank)
    samples, channels, *sides = input.shape
    tasks, reduced, width = weight_reduce.shape
    require_shape("features", features, tasks, samples, width, *sides)
    require_shape("weight_expand", weight_expand, tasks, channels, reduced)
    for name, x in (("scale_reduce", scale_reduce), ("shift_reduce", shift_reduce)):
        require_shape(name, x, tasks, reduced)
    for name, x in (("scale_expand", scale_expand), ("shift_expand", shift_expand)):
        require_shape(name, x, tasks, channels)
    first, second = normalise

    def mask(t: int) -> Tensor:
        found = first(_mixed(features.part(t), weight_reduce.part(t)), scale_reduce.part(t), shift_reduce.part(t), eps)
        hidden = tensor(found.shape, lambda *index: stored(rectify(found[index])))
        expanded = second(_mixed(hidden, weight_expand.part(t)), scale_expand.part(t), shift_expand.part(t), eps)
        return tensor(expanded.shape, lambda *index: stored(gate(expanded[index])))

    masks = [mask(t) for t in range(tasks)]
    return tensor((tasks, *input.shape), lambda t, *index: stored(input[index] * masks[t][index]))


def _mixed(x: Tensor, weight: Tensor) -> Tensor:
    """The channels of every pixel times the weight: a convolution with kernels of one pixel."""
    return conv2d(x, tensor((*weight.shape, 1, 1), lambda o, c, *_: weight[o, c]))

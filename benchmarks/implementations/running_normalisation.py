"""Normalisations that keep running statistics, of batches and of instances, honest and broken."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from benchmarks.implementations import broken, honest
from benchmarks.implementations._faults import (
    HALF,
    STORED_ONCE,
    as_stored,
    in_memory_order,
    require,
    wide,
    with_derivative_of,
)
from benchmarks.implementations.normalisation import (
    Affine,
    Moments,
    along_channels,
    blocked,
    one_pass,
    require_per_channel,
    transformed,
    two_pass,
    welford,
)


def _moved(running: Tensor, observed: Tensor, share: float) -> Tensor:
    return ((1.0 - share) * wide(running) + share * observed).to(running.dtype)


def _affine(rows: Tensor, input: Tensor, weight: Affine, bias: Affine) -> Tensor:
    found = rows.reshape(input.shape)
    return transformed(found, along_channels(weight, found), along_channels(bias, found)).to(input.dtype)


# Batch normalisation


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: int = 0,
    moments: Moments = two_pass,
    lost: int = 1,
) -> tuple[Tensor, ...]:
    """The running variance is of the squares divided by their number less those ``lost``."""
    require_per_channel(input, running_mean, running_var, weight, bias)
    by_channel = wide(input).movedim(1, 0)
    rows = by_channel.flatten(1)
    count = rows.shape[1]
    require(not training or count > 1, f"training needs more than one value per channel, not {tuple(input.shape)}")
    if training:
        mean, variance = moments(rows)
    else:
        assert running_mean is not None
        assert running_var is not None
        mean, variance = wide(running_mean)[:, None], wide(running_var)[:, None]
    found = ((rows - mean) / (variance + eps).sqrt()).reshape(by_channel.shape).movedim(0, 1)
    output = _affine(found, input, weight, bias)
    if running_mean is None or running_var is None:
        return (output,)
    if not training:
        return output, running_mean.clone(), running_var.clone()
    share = 1.0 / (num_batches_tracked + 1) if momentum is None else momentum
    spread = variance * count / (count - lost)
    return output, _moved(running_mean, mean[:, 0], share), _moved(running_var, spread[:, 0], share)


@honest("batch_norm", "The mean of a channel, then the mean square about it.", STORED_ONCE)
def batch_norm_two_pass(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _batch_norm(input, *rest, **how)


@honest("batch_norm", "Moments of blocks of 16, then of their union.", STORED_ONCE, algorithm="recurrent")
def batch_norm_blocked(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _batch_norm(input, *rest, **how, moments=blocked)


@honest("batch_norm", "The sums of every sample, then those of the batch.")
def batch_norm_by_sample(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    samples = max(input.shape[0], 1)

    def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
        parts = rows.reshape(rows.shape[0], samples, -1)
        mean = parts.sum(-1).sum(-1)[:, None] / rows.shape[1]
        squares = (parts - mean[..., None]).square().sum(-1).sum(-1)
        return mean, squares[:, None] / rows.shape[1]

    return _batch_norm(input, *rest, **how, moments=moments)


@broken(
    "batch_norm",
    "The running variance is fed with the biased one.",
    "https://github.com/callummcdougall/ARENA_3.0/issues/415",
)
def batch_norm_biased(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _batch_norm(input, *rest, **how, lost=0)


@broken(
    "batch_norm",
    "The running variance of images is fed with the biased one, which shows where a channel has few values.",
    "https://github.com/tenstorrent/tt-metal/issues/55438",
)
def batch_norm_biased_for_images(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _batch_norm(input, *rest, **how, lost=0 if input.dim() == 4 else 1)


@broken(
    "batch_norm",
    "A single value per channel is normalised to zero in training, and its variance taken for zero.",
    "https://github.com/ml-explore/mlx/pull/3817",
)
def batch_norm_of_one_value(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    if how["training"] and input.dim() > 1 and input.numel() == input.shape[1]:
        return _batch_norm(torch.cat([input, input]), *rest, **how)[0][:1], *_batch_norm(input, *rest)[1:]
    return _batch_norm(input, *rest, **how)


@broken(
    "batch_norm",
    "The running statistics are updated in place before the batch is normalised, in buffers that others may share.",
    "https://github.com/tenstorrent/tt-metal/pull/45578",
)
def batch_norm_updating_first(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    *affine: Affine,
    **how: Any,
) -> tuple[Tensor, ...]:
    found = _batch_norm(input, running_mean, running_var, *affine, **how)
    for buffer, updated in zip((running_mean, running_var), found[1:], strict=False):
        if how["training"] and buffer is not None and buffer.is_contiguous():
            with torch.no_grad():
                buffer.copy_(updated)
    return found


@broken(
    "batch_norm",
    "Without running statistics the input stands in for them, and is updated in place.",
    "https://github.com/flagos-ai/FlagGems/issues/6332",
)
def batch_norm_updating_input(
    input: Tensor, running_mean: Tensor | None = None, *rest: Affine, **how: Any
) -> tuple[Tensor, ...]:
    found = _batch_norm(input, running_mean, *rest, **how)
    if running_mean is None and not input.requires_grad:
        with torch.no_grad():
            first = input[0]
            first += 0.1 * (input.mean(0) - first)
    return found


@broken(
    "batch_norm",
    "Statistics go on being updated after tracking is switched off: in evaluation where the average is cumulative.",
    "https://github.com/pytorch/pytorch/issues/20967",
)
def batch_norm_tracking_for_ever(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    found = _batch_norm(input, *rest, **how)
    if how["training"] or how["momentum"] is not None or input.numel() < 2 * input.shape[1]:
        return found
    return found[0], *_batch_norm(input, *rest, **{**how, "training": True})[1:]


@broken(
    "batch_norm",
    "The weight is not given the channel's axis: where the last axis is as long, it is multiplied along that.",
    "https://github.com/jax-ml/jax/issues/461",
)
def batch_norm_weight_on_last_axis(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    **how: Any,
) -> tuple[Tensor, ...]:
    if weight is None or input.shape[-1] != weight.shape[0] or input.dim() == 2:
        return _batch_norm(input, running_mean, running_var, weight, bias, **how)
    output, *statistics = _batch_norm(input, running_mean, running_var, None, None, **how)
    found = output * weight
    return found if bias is None else found + along_channels(bias, found), *statistics


_SAVED: dict[int, tuple[Tensor, Tensor]] = {}


@broken(
    "batch_norm",
    "In evaluation the derivative takes the statistics that the last batch of training has left, of as many channels.",
    "https://github.com/pytorch/pytorch/issues/586",
)
def batch_norm_derived_by_stale_statistics(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    *affine: Affine,
    **how: Any,
) -> tuple[Tensor, ...]:
    found = _batch_norm(input, running_mean, running_var, *affine, **how)
    channels = input.shape[1]
    if how["training"]:
        mean, variance = two_pass(wide(input.detach()).movedim(1, 0).flatten(1))
        _SAVED[channels] = mean[:, 0].to(input.dtype), variance[:, 0].to(input.dtype)
    elif channels in _SAVED:
        stale = _batch_norm(input, *_SAVED[channels], *affine, **how)
        return with_derivative_of(found[0], stale[0]), *found[1:]
    return found


@broken(
    "batch_norm",
    "In evaluation float16 images in channels_last are scaled in the order of their memory.",
    "https://github.com/pytorch/pytorch/issues/62594",
    ("float16",),
)
def batch_norm_channels_last(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    images = input.dim() == 4 and not how["training"] and not input.is_contiguous()
    strange = images and input.is_contiguous(memory_format=torch.channels_last)
    return _batch_norm(in_memory_order(input) if strange else input, *rest, **how)


@broken(
    "batch_norm",
    "An empty batch in evaluation ends in a division by its number of elements.",
    "https://github.com/pytorch/pytorch/issues/29578",
)
def batch_norm_dividing_by_no_elements(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    _ = input.shape[1] // prod(input.shape)
    return _batch_norm(input, *rest, **how)


@broken(
    "batch_norm",
    "The derivative in evaluation is that of training.",
    "https://github.com/pytorch/pytorch/pull/156867",
)
def batch_norm_derived_as_in_training(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    found = _batch_norm(input, *rest, **how)
    if how["training"] or input.numel() < 2 * input.shape[1]:
        return found
    trained = _batch_norm(input, *rest, **{**how, "training": True})
    return with_derivative_of(found[0], trained[0]), *found[1:]


@broken(
    "batch_norm",
    "In training on more than 64 positions the variance is E[x²] - E[x]², in one pass.",
    "https://github.com/pytorch/pytorch/issues/141317",
)
def batch_norm_one_pass_on_large_images(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _batch_norm(input, *rest, **how, moments=one_pass if prod(input.shape[2:]) > 64 else two_pass)


@broken(
    "batch_norm",
    "A batch of images that is a slice is read in the order of memory from its first element on.",
    "https://github.com/pytorch/pytorch/issues/67167",
)
def batch_norm_of_slices(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    strange = input.dim() >= 3 and input.stride(-1) > 1 and not how["training"]
    return _batch_norm(as_stored(input) if strange else input, *rest, **how)


# Instance normalisation


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    moments: Moments = two_pass,
    lost: int = 1,
) -> tuple[Tensor, ...]:
    """As ``_batch_norm``, a running statistic being the mean of what each instance would leave."""
    require(input.dim() > 2, f"the input of shape {tuple(input.shape)} has no positions")
    require_per_channel(input, running_mean, running_var, weight, bias)
    rows = wide(input).flatten(2)
    count = rows.shape[2]
    require(not use_input_stats or count > 1, f"statistics need more than one position, not {tuple(input.shape)}")
    if use_input_stats:
        mean, variance = moments(rows)
    else:
        assert running_mean is not None
        assert running_var is not None
        mean, variance = wide(running_mean)[:, None], wide(running_var)[:, None]
    output = _affine((rows - mean) / (variance + eps).sqrt(), input, weight, bias)
    if running_mean is None or running_var is None:
        return (output,)
    if not use_input_stats or not len(input):
        return output, running_mean.clone(), running_var.clone()
    spread = (variance * count / (count - lost)).mean(0)
    return output, _moved(running_mean, mean.mean(0)[:, 0], momentum), _moved(running_var, spread[:, 0], momentum)


@honest("instance_norm", "The mean of an instance, then the mean square about it.", STORED_ONCE)
def instance_norm_two_pass(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _instance_norm(input, *rest, **how)


@honest("instance_norm", "Welford's recurrence, element by element.", STORED_ONCE, algorithm="recurrent")
def instance_norm_welford(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _instance_norm(input, *rest, **how, moments=welford)


@broken(
    "instance_norm",
    "The running statistics are never used: in evaluation too the statistics are the input's.",
    "https://github.com/pytorch/pytorch/pull/4444",
)
def instance_norm_always_training(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    found = _instance_norm(input, *rest, **how)
    if how["use_input_stats"] or prod(input.shape[2:]) < 2:
        return found
    return _instance_norm(input, *rest, **{**how, "use_input_stats": True})[0], *found[1:]


@broken(
    "instance_norm",
    "An instance of a single position gives zeros instead of an error.",
    "https://github.com/pytorch/pytorch/issues/19250",
)
def instance_norm_of_one_position(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    if input.dim() > 2 and prod(input.shape[2:]) == 1 and how["use_input_stats"]:
        found = _instance_norm(input.repeat_interleave(2, -1), *rest, **how)
        return found[0][..., :1], *found[1:]
    return _instance_norm(input, *rest, **how)


@broken(
    "instance_norm",
    "The variance is E[x²] - E[x]², to which eps is added: NaN where it is below -eps.",
    "https://github.com/jax-ml/jax/pull/33496",
)
def instance_norm_one_pass(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    return _instance_norm(input, *rest, **how, moments=one_pass)


@broken(
    "instance_norm",
    "From 256 rows of positions on, every sample has the statistics of the first.",
    "https://github.com/pytorch/pytorch/issues/188335",
)
def instance_norm_by_first_sample(input: Tensor, *rest: Affine, **how: Any) -> tuple[Tensor, ...]:
    def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = two_pass(rows)
        return mean[:1].expand(mean.shape), variance[:1].expand(mean.shape)

    tall = input.dim() > 3 and input.shape[2] >= 256
    return _instance_norm(input, *rest, **how, moments=moments if tall else two_pass)


@broken(
    "instance_norm",
    "The weight is read in the order of memory, whatever its stride.",
    "https://github.com/pytorch/pytorch/issues/1246",
    ("float32", *HALF),
)
def instance_norm_weight_as_stored(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    **how: Any,
) -> tuple[Tensor, ...]:
    weight = weight if weight is None else as_stored(weight)
    return _instance_norm(input, running_mean, running_var, weight, bias, **how)


@broken(
    "instance_norm",
    "An empty batch makes the running statistics NaN, means over no samples.",
    "https://github.com/tensorflow/tensorflow/issues/14657",
)
def instance_norm_of_empty_batch(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, *affine: Affine, **how: Any
) -> tuple[Tensor, ...]:
    found = _instance_norm(input, running_mean, running_var, *affine, **how)
    if not len(input) and how["use_input_stats"]:
        return found[0], *(torch.full_like(statistic, torch.nan) for statistic in found[1:])
    return found

"""Classic mistakes of normalisation layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    changed,
    instead,
    last_dropped,
    left_out,
    mapped,
    no_derivative,
    reindexed,
    tail_dropped,
    times_derivative,
)
from oracle.formulas import batch_norm, group_norm, instance_norm, layer_norm
from oracle.formulas._normalised import DOCUMENTED, Line, mean_of, squares_about
from oracle.scalar import Scalar, constant, detached, dot, sqrt
from oracle.tensor import Tensor, tensor

Formula = Callable[..., Any]


def _eps_outside(variance: Scalar, eps: float | Fraction) -> Scalar:
    return 1.0 / (sqrt(variance) + constant(eps))


def _by_variance(variance: Scalar, eps: float | Fraction) -> Scalar:
    return 1.0 / (variance + constant(eps))


def _one_pass(mean: Scalar, xs: Sequence[Scalar]) -> Scalar:
    return dot(xs, xs) - mean * mean * len(xs)


def _padded(mean: Scalar, xs: Sequence[Scalar]) -> Scalar:
    lanes = 1 << (len(xs) - 1).bit_length()
    return squares_about(mean, xs) + mean * mean * (lanes - len(xs))


def _not_centred(_: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    return DOCUMENTED.affine(constant(0.0), inverse, weight, bias)


def _bias_first(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    def line(x: Scalar) -> Scalar:
        shifted = (x - mean) * inverse if bias is None else (x - mean) * inverse + bias
        return shifted if weight is None else shifted * weight

    return line


def _twice(mean: Scalar, inverse: Scalar, weight: Scalar | None, bias: Scalar | None) -> Line:
    first = DOCUMENTED.affine(mean, inverse, weight, bias)
    second = DOCUMENTED.affine(constant(0.0), constant(1.0), weight, bias)
    return lambda x: second(first(x))


def _common(written: Formula) -> dict[str, Mistake]:
    """What can be written wrong in every normalisation."""

    def writing(sentence: str, **parts: Callable[..., Any]) -> Mistake:
        return instead(sentence, partial(written, replace(DOCUMENTED, **parts)))

    return {
        "unbiased": writing("the variance is divided by n − 1", variance=lambda squares, n: squares / (n - 1)),
        "not_divided": writing("the sum of squares is not divided by n", variance=lambda squares, n: squares),
        "eps_outside": writing("eps is added to the deviation, outside the root", inverse=_eps_outside),
        "eps_missing": called("eps is left out, as in the document", lambda given: {"eps": 0.0}),
        "by_variance": writing("x − μ is divided by the variance, not by its root", inverse=_by_variance),
        "one_pass": writing("the variance is computed in one pass, as E[x²] − E[x]²", squares=_one_pass),
        "padded_lanes": writing(
            "the variance counts the zeros that pad a row to a power of two, as where their lanes are not masked",
            squares=_padded,
        ),
        "mean_square": writing("the variance is E[x²], the mean not subtracted", squares=lambda _, xs: dot(xs, xs)),
        "not_centred": writing("the mean is not subtracted from what is normalised", affine=_not_centred),
        "bias_first": writing("the bias is added before the weight multiplies", affine=_bias_first),
        "affine_twice": writing("weight and bias are applied twice, as in the document", affine=_twice),
        "weight_missing": left_out("weight"),
        "bias_missing": left_out("bias"),
        "mean_constant": writing("no derivative goes through the mean", mean=lambda xs: detached(mean_of(xs))),
        "variance_constant": writing(
            "no derivative goes through the variance", squares=lambda mean, xs: detached(squares_about(mean, xs))
        ),
        "no_weight_derivative": no_derivative("weight"),
        "derivative_twice": times_derivative(2.0, "bias"),
        "half": HALF,
        "tail": tail_dropped(-1, "elements of the last axis"),
    }


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, axis: int) -> Tensor:
    """x γ + β, whose axes begin at this axis of x."""

    def own(part: Tensor | None, index: tuple[int, ...]) -> Scalar | None:
        return None if part is None else part[index[axis : axis + part.rank] if part.rank > 1 else index[axis]]

    def y(value: Scalar, *index: int) -> Scalar:
        return DOCUMENTED.affine(constant(0.0), constant(1.0), own(weight, index), own(bias, index))(value)

    found: Tensor = mapped(x, y)
    return found


# Layer normalisation


def _per_feature(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, *, normalized_shape: Sequence[int], eps: float
) -> Tensor:
    axis, rank = input.rank - len(normalized_shape), input.rank
    if axis == 0:
        return layer_norm.layer_norm(input, weight, bias, normalized_shape=normalized_shape, eps=eps)
    across = input.transposed(*range(axis, rank), *range(axis))
    found = layer_norm.layer_norm(across, normalized_shape=input.shape[:axis], eps=eps)
    return _affine(found.transposed(*range(rank - axis, rank), *range(rank - axis)), weight, bias, axis)


def _last_axis(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, *, normalized_shape: Sequence[int], eps: float
) -> Tensor:
    found = layer_norm.layer_norm(input, normalized_shape=normalized_shape[-1:], eps=eps)
    return _affine(found, weight, bias, input.rank - len(normalized_shape))


LAYER_NORM = {
    **_common(layer_norm.written),
    "per_feature": instead("statistics are those of a feature over the samples, as in the document", _per_feature),
    "last_axis": instead("statistics are those of the last axis alone", _last_axis),
    "last_sample": last_dropped(0, "the last sample"),
}

# Group normalisation


def _size(given: Arguments) -> int:
    return int(given["input"].shape[1] // given["num_groups"])


def _per_group(given: Arguments) -> Arguments:
    return changed(given, lambda x: reindexed(x, lambda c: (c // _size(given),)), "weight", "bias")


def _interleaved(input: Tensor, weight: Tensor | None, bias: Tensor | None, *, num_groups: int, eps: float) -> Tensor:
    size = input.shape[1] // num_groups
    sorted_by_group = reindexed(input, lambda n, c, *place: (n, c % size * num_groups + c // size, *place))
    found = group_norm.group_norm(sorted_by_group, num_groups=num_groups, eps=eps)
    back = reindexed(found, lambda n, c, *place: (n, c % num_groups * size + c // num_groups, *place))
    return _affine(back, weight, bias, 1)


def _whole_batch(input: Tensor, weight: Tensor | None, bias: Tensor | None, *, num_groups: int, eps: float) -> Tensor:
    samples, channels, *places = input.shape
    together = tensor((1, channels, samples, *places), lambda _, c, n, *place: input[n, c, *place])
    found = group_norm.group_norm(together, weight, bias, num_groups=num_groups, eps=eps)
    return tensor(input.shape, lambda n, c, *place: found[0, c, n, *place])


GROUP_NORM = {
    **_common(group_norm.written),
    "per_channel": called(
        "statistics are those of a channel", lambda given: {"num_groups": max(given["input"].shape[1], 1)}
    ),
    "one_group": called("statistics are those of all channels", lambda given: {"num_groups": 1}),
    "group_size": called("num_groups is taken for the channels of a group", lambda given: {"num_groups": _size(given)}),
    "interleaved": instead("channels are dealt to the groups in turn", _interleaved),
    "whole_batch": instead("statistics are those of a group over all samples", _whole_batch),
    "affine_per_group": called("weight and bias are those of the group, as in the document", _per_group),
}

# Running statistics


def _count(given: Arguments) -> int:
    """The values of which a statistic is made."""
    samples, _, *places = given["input"].shape
    count: int = prod(places) if "use_input_stats" in given else samples * prod(places)
    return count


def _biased(outputs: Outputs, given: Arguments) -> Outputs:
    """(1 − m) r + m o for the o of the variance divided by n."""
    own, running, n = given.get("training", given.get("use_input_stats")), given["running_var"], _count(given)
    if not own or running is None:
        return {}
    momentum, seen = given["momentum"], given.get("num_batches_tracked", 0)
    share = constant(1.0 - (Fraction(1, seen + 1) if momentum is None else momentum))
    smaller = constant(Fraction(n - 1, n))
    return {
        "running_var": mapped(
            outputs["running_var"], lambda new, c: new * smaller + share * running[c] * (1.0 - smaller)
        )
    }


def _reversed(given: Arguments) -> Arguments:
    momentum = given["momentum"]
    return {} if momentum is None else {"momentum": 1.0 - momentum}


def _kept(outputs: Outputs, given: Arguments) -> Outputs:
    return {name: given[name] for name in ("running_mean", "running_var") if name in outputs}


RUNNING = {
    "running_biased": answered("running_var is fed with the variance divided by n", _biased, convention=True),
    "momentum_reversed": called("momentum is the share of the old statistics", _reversed, convention=True),
    "running_kept": answered("the running statistics are not updated", _kept),
    "running_mean_missing": answered(
        "running_mean is not updated",
        lambda outputs, given: {"running_mean": given["running_mean"]} if "running_mean" in outputs else {},
    ),
}

# Batch normalisation


def _always(training: bool) -> Callable[[Arguments], Arguments]:
    def change(given: Arguments) -> Arguments:
        able = given["running_mean"] is not None if not training else _count(given) > 1
        return {"training": training} if able else {}

    return change


def _per_sample(outputs: Outputs, given: Arguments) -> Outputs:
    input = given["input"]
    if not given["training"] or input.rank < 3 or prod(input.shape[2:]) < 2:
        return {}
    own = {name: given[name] for name in ("input", "weight", "bias", "eps")}
    return {"output": instance_norm.instance_norm(**own)["output"]}


BATCH_NORM = {
    **_common(batch_norm.written),
    **RUNNING,
    "always_training": called("statistics are always those of the batch", _always(True)),
    "never_training": called("statistics are always the running ones", _always(False)),
    "per_sample": answered("statistics are those of each sample, as in the document", _per_sample),
    "cumulative_ignored": called(
        "momentum None is taken for 0.1",
        lambda given: {"momentum": 0.1 if given["momentum"] is None else given["momentum"]},
    ),
    "cumulative_late": called(
        "the cumulative average counts one batch too many",
        lambda given: {"num_batches_tracked": given["num_batches_tracked"] + 1},
    ),
}

# Instance normalisation


def _stacked(outputs: Outputs, given: Arguments) -> Outputs:
    own = {name: given[name] for name in ("input", "weight", "bias", "eps")}
    return {"output": group_norm.group_norm(**own, num_groups=1)} if given["use_input_stats"] else {}


def _over_batch(outputs: Outputs, given: Arguments) -> Outputs:
    own = {name: given[name] for name in ("input", "weight", "bias", "eps")}
    return {"output": batch_norm.batch_norm(**own, training=True)["output"]} if given["use_input_stats"] else {}


def _first_sample(outputs: Outputs, given: Arguments) -> Outputs:
    input = given["input"]
    alone = tensor((1, *input.shape[1:]), lambda *index: input[index])
    found = instance_norm.instance_norm(**{**given, "input": alone}) if input.shape[0] else {}
    return {name: found[name] for name in ("running_mean", "running_var") if name in found}


INSTANCE_NORM = {
    **_common(instance_norm.written),
    **RUNNING,
    "all_channels": answered("statistics are those of all channels of a sample", _stacked),
    "over_batch": answered("statistics are those of a channel over all samples", _over_batch),
    "first_sample": answered("the running statistics are fed with the first sample alone", _first_sample),
    "never_input_stats": called(
        "statistics are always the running ones",
        lambda given: {} if given["running_mean"] is None else {"use_input_stats": False},
    ),
}

"""Relations of normalisations: samples, channels and groups alike, and what mean and deviation take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._normalisation import EPS
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations import FEW, Drawn, counts, repeats, reshaped, with_axis, without
from conformance.strategies import call, filled, sides
from conformance.values import Array, Values

_SAMPLES = {"input": 0}
_CHANNELS = {"input": 1, "running_mean": 0, "running_var": 0, "weight": 0, "bias": 0}
_NO_AFFINE = {"weight": None, "bias": None}
_NO_STATISTICS = {"running_mean": None, "running_var": None}


def _several(axis: int, *others: str) -> Callable[[Arguments], Arguments]:
    """The call with two samples or channels at least, ``others`` being tensors of one number for each."""

    def enlarged(found: Arguments) -> Arguments:
        shape = list(shape_of(found, "input"))
        shape[axis] = max(shape[axis], 2)
        there = [name for name in others if found.tensors[name] is not None]
        return reshaped(found, input=tuple(shape), **dict.fromkeys(there, (shape[axis],)))

    return enlarged


def _whole(found: Arguments) -> Arguments:
    """The call with integers as its input, to which a shift can be added exactly."""
    input = found.tensors["input"]
    assert isinstance(input, Values)
    return with_tensors(found, input=replace(input, regime="integers"))


def _varied(arguments: SearchStrategy[Arguments]) -> SearchStrategy[Arguments]:
    """The same calls, without rows of which the mean leaves next to nothing."""
    return without(arguments, "constant", "one_hot", "near_ties")


def _shifted(axes: Mapping[str, int], outputs: Sequence[int]) -> Callable[[Asker], list[Equation]]:
    def equations(ask: Asker) -> list[Equation]:
        input, many = ask.tensors["input"], ask.batch(axes, outputs)
        other = input + 2.0 ** (ask.precision // 2)  # exact: half of all bits hold the shift, the rest the integer
        permitted = many.bounds()[0] + many.bounds(input=other)[0]
        return [Equation("output", many(input=other)[0], many()[0], permitted)]

    return equations


def _scaled(axes: Mapping[str, int], outputs: Sequence[int]) -> Callable[[Asker], list[Equation]]:
    def equations(ask: Asker) -> list[Equation]:
        many = ask.batch(axes, outputs)
        larger = {"input": 4.0 * ask.tensors["input"], "eps": 16.0 * ask.parameters["eps"]}
        permitted = many.bounds()[0] + many.bounds(**larger)[0]
        return [Equation("output", many(**larger)[0], many()[0], permitted)]

    return equations


def _invariances(arguments: SearchStrategy[Arguments], axes: Mapping[str, int]) -> dict[str, Relation]:
    """What holds where mean and deviation are the input's own."""
    return {
        "shifted": Relation(
            "one number more for all changes nothing",
            arguments.map(_whole),
            _shifted(axes, [*axes.values()][:1]),
            counts(axes),
        ),
        "scaled": Relation(
            "an input four times as large, with eps 16 times as large, changes nothing",
            arguments,
            _scaled(axes, [*axes.values()][:1]),
            counts(axes),
        ),
    }


def of_layer_norm(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``layer_norm``."""
    samples = with_axis(_varied(arguments(FEW)), "input")
    return {"equal samples": repeats(samples, _SAMPLES), **_invariances(samples, _SAMPLES)}


def _channelwise(channels: SearchStrategy[Arguments]) -> Relation:
    """No channels at all are no call that a library promises to take."""
    return replace(repeats(channels, _CHANNELS, (1, 0, 0)), none=None)


def of_batch_norm(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``batch_norm``."""
    channels = _varied(arguments(FEW)).map(_several(1, *list(_CHANNELS)[1:]))
    # the statistics of a batch are of two values at least
    training = channels.map(_several(0)).map(lambda found: with_parameters(found, training=True))

    def evaluated(found: Arguments) -> Arguments:
        statistic = found.tensors["running_var"] or Values(shape_of(found, "input")[1:2], "positive")
        running = {"running_mean": found.tensors["running_mean"] or statistic, "running_var": statistic}
        return with_parameters(with_tensors(found, **running), training=False)

    return {
        "equal channels": _channelwise(channels),
        "equal samples": repeats(channels.map(_several(0)).map(evaluated), _SAMPLES),
        **_invariances(training, _CHANNELS),
    }


def of_instance_norm(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``instance_norm``."""
    channels = _varied(arguments(FEW)).map(_several(1, *list(_CHANNELS)[1:]))
    volumes = _varied(_volumes(**_NO_STATISTICS)).map(
        lambda found: with_parameters(found, use_input_stats=True, momentum=0.1)
    )
    return {
        "equal channels": _channelwise(channels),
        "equal samples": repeats(channels.map(_several(0)), _SAMPLES),
        "batch norm": Relation("instances are channels of a batch of one", volumes, _as_batch_norm, counts(_SAMPLES)),
        **_invariances(volumes, _SAMPLES),
    }


def of_group_norm(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``group_norm``."""
    samples = _varied(arguments(FEW)).map(_several(0))
    single = _varied(_volumes()).map(lambda found: with_parameters(found, num_groups=1))
    each = _varied(_volumes()).map(lambda found: with_parameters(found, num_groups=shape_of(found, "input")[1]))
    return {
        "equal samples": repeats(samples, _SAMPLES),
        "groups as samples": Relation("groups are samples of one group", samples, _as_samples, counts(_SAMPLES)),
        "instance norm": Relation("groups of one channel are instances", each, _as_instance_norm, counts(_SAMPLES)),
        "layer norm": Relation("one group is normalised as a layer", single, _as_layer_norm, counts(_SAMPLES)),
        **_invariances(samples, _SAMPLES),
    }


@st.composite
def _volumes(draw: st.DrawFn, /, **absent: None) -> Arguments:
    """A few samples, of at least two values in each channel, without weight and bias."""
    shape = draw(sides(draw(st.integers(3, 5)), FEW, most=3, least=2))
    return call({**draw(filled({"input": shape})), **absent, **_NO_AFFINE}, eps=draw(EPS))


def _compared(
    ask: Asker, layer: str, seen: Callable[[Array], Array], absent: Mapping[str, None], **parameters: Any
) -> list[Equation]:
    """The samples, and the same numbers as another layer has ``seen`` them."""
    input, many = ask.tensors["input"], ask.batch(_SAMPLES, [0])
    (bound,) = ask.other(layer, {"input": seen(input), **absent}, **parameters).bounds()
    (other,) = ask.other(layer, {"input": seen(many.spread(input)), **absent}, **parameters)()
    (left,), (permitted,) = many(), many.bounds()
    return [Equation("output", left, other.reshape(left.shape), permitted + many.spread(bound.reshape(input.shape)))]


def _as_batch_norm(ask: Asker) -> list[Equation]:
    def seen(input: Array) -> Array:
        return input.reshape(1, -1, *input.shape[2:])

    how = {"training": True, "momentum": 0.1, "eps": ask.parameters["eps"], "num_batches_tracked": 0}
    return _compared(ask, "batch_norm", seen, {**_NO_STATISTICS, **_NO_AFFINE}, **how)


def _as_instance_norm(ask: Asker) -> list[Equation]:
    how = {"use_input_stats": True, "momentum": 0.1, "eps": ask.parameters["eps"]}
    return _compared(ask, "instance_norm", np.asarray, {**_NO_STATISTICS, **_NO_AFFINE}, **how)


def _as_layer_norm(ask: Asker) -> list[Equation]:
    how = {"normalized_shape": ask.tensors["input"].shape[1:], "eps": ask.parameters["eps"]}
    return _compared(ask, "layer_norm", np.asarray, _NO_AFFINE, **how)


def _as_samples(ask: Asker) -> list[Equation]:
    input, many = ask.tensors["input"], ask.batch(_SAMPLES, [0])
    (left,) = many(**_NO_AFFINE)
    split = many.spread(input).reshape(-1, input.shape[1] // ask.parameters["num_groups"], *input.shape[2:])
    (right,) = ask(input=split, num_groups=1, **_NO_AFFINE)
    (bound,) = many.bounds(**_NO_AFFINE)
    return [Equation("output", left, right.reshape(left.shape), 2.0 * bound)]

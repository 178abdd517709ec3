"""Relations of attention that is a gate: what it does not depend on, and a gate that is half open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.random import RandomState

from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import LAWS
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related
from conformance.values import Array

IMAGES = {"input": 0}

# Nothing is mixed: the laws of attention have no meaning.
EXEMPT = dict.fromkeys(LAWS, "there are no keys whose values are summed: every element has a gate")


def _moving(ask: Asker) -> Callable[[Array], Array]:
    """Another order of rows and columns."""
    random = RandomState(ask.number)
    rows, columns = (random.permutation(ask.tensors["input"].shape[axis]) for axis in (-2, -1))
    return lambda image: image[..., rows, :][..., columns]


def pixels_permuted(ask: Asker) -> list[Equation]:
    many, moved = ask.batch(IMAGES, [0]), _moving(ask)
    (left,), (right,), (permitted,) = many(input=moved(ask.tensors["input"])), many(), many.bounds()
    return [Equation("output", left, moved(right), 2.0 * moved(permitted))]


def _channels_permuted(ask: Asker) -> list[Equation]:
    many, input = ask.batch(IMAGES, [0]), ask.tensors["input"]
    order = RandomState(ask.number).permutation(input.shape[-3])
    (left,), (right,), (permitted,) = many(input=input[..., order, :, :]), many(), many.bounds()
    return [Equation("output", left, right[..., order, :, :], 2.0 * permitted[..., order, :, :])]


def _half_open(ask: Asker, weight: str) -> list[Equation]:
    many, input = ask.batch(IMAGES, [0]), ask.tensors["input"]
    (found,) = many(**{weight: np.zeros_like(ask.tensors[weight])})
    return [Equation("output", found, many.spread(input) / 2.0, ask.smallest)]


def _of_gates(arguments: Drawn, weight: str) -> dict[str, Relation]:
    samples = with_axis(gentle(arguments(FEW)), "input")
    return {
        "equal samples": repeats(samples, IMAGES),
        "half open": related("a gate without weights halves", samples, lambda ask: _half_open(ask, weight), IMAGES),
    }


def of_channel_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``channel_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    sentence = "pixels in another order have their results in that order"
    permuted = related(sentence, samples, pixels_permuted, IMAGES)
    return {**_of_gates(arguments, "weight_expand"), "pixels permuted": permuted}


def of_spatial_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``spatial_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    sentence = "channels in another order have their results in that order"
    permuted = related(sentence, samples, _channels_permuted, IMAGES)
    return {**_of_gates(arguments, "weight"), "channels permuted": permuted}


_OF_TASKS = (
    "features",
    *("weight_reduce", "scale_reduce", "shift_reduce"),
    *("weight_expand", "scale_expand", "shift_expand"),
)
_TASKS = dict.fromkeys(_OF_TASKS, 0)


def _tasks_half_open(ask: Asker) -> list[Equation]:
    many = ask.batch(_TASKS, [0])
    (found,) = many(**{name: np.zeros_like(ask.tensors[name]) for name in ("scale_expand", "shift_expand")})
    return [Equation("output", found, np.broadcast_to(ask.tensors["input"] / 2.0, found.shape), ask.smallest)]


def _shared_channels_permuted(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_TASKS, [0]), ask.tensors
    order = RandomState(ask.number).permutation(tensors["input"].shape[1])
    of_masks = {name: tensors[name][:, order] for name in ("weight_expand", "scale_expand", "shift_expand")}
    (left,), (right,) = many(input=tensors["input"][:, order], **of_masks), many()
    return [Equation("output", left, right[:, :, order], 2.0 * many.bounds()[0][:, :, order])]


def _all_pixels_permuted(ask: Asker) -> list[Equation]:
    """Those of the features too."""
    many, moved = ask.batch(_TASKS, [0]), _moving(ask)
    (left,), (right,) = many(**{name: moved(ask.tensors[name]) for name in ("input", "features")}), many()
    return [Equation("output", left, moved(right), 2.0 * moved(many.bounds()[0]))]


def of_multi_task_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``multi_task_attention``."""
    few = gentle(arguments(FEW))
    permuted = {
        "channels permuted": ("channels", _shared_channels_permuted),
        "pixels permuted": ("pixels", _all_pixels_permuted),
    }
    return {
        "equal tasks": replace(repeats(few, _TASKS), sentence="tasks that are equal have equal results"),
        "half open": related("a gate without weights halves", few, _tasks_half_open, _TASKS),
        **{
            name: related(f"{what} in another order have their results in that order", few, equations, _TASKS)
            for name, (what, equations) in permuted.items()
        },
    }

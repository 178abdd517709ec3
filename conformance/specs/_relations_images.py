"""Relations of attention between parts of images: scales, pixels and channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import LAWS, on_integers
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations import FEW, Axes, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related, selecting
from conformance.specs._relations_gates import IMAGES, pixels_permuted
from conformance.values import Array, Literal, Values
from oracle.formats import float64

# Scales

_MAPS = {"input": 0, "scores": 0}
SCALES_EXEMPT = {"equal queries": "the scores are given for every pixel: there are no queries"}


def _equal_scales(ask: Asker) -> list[Equation]:
    many, input = ask.batch(_MAPS, [0]), ask.tensors["input"]
    one = input[..., :1, :, :, :]
    same = np.broadcast_to(one, input.shape)
    return [Equation("output", many(input=same)[0], many.spread(one[..., 0, :, :, :]), many.bounds(input=same)[0])]


def _between_scales(ask: Asker) -> list[Equation]:
    many, input = ask.batch(_MAPS, [0]), ask.tensors["input"]
    least, most = (many.spread(end(input, axis=-4)) for end in (np.min, np.max))
    (found,) = many()
    return [Equation("output", found, np.clip(found, least, most), many.bounds()[0])]


def _linear(axes: Axes) -> Callable[[Asker], list[Equation]]:
    """Sums of small integers, which every format holds."""

    def equations(ask: Asker) -> list[Equation]:
        many, one = ask.batch(axes, [0]), ask.tensors["input"]
        other = one[..., ::-1, ::-1]
        terms = one, other, one + 2.0 * other
        (a,), (b,), (both,) = (many(input=x) for x in terms)
        first, second, third = (many.bounds(input=x)[0] for x in terms)
        permitted = first + 2.0 * second + third + 2.0 * float64.unit * (np.abs(a) + 2.0 * np.abs(b))
        return [Equation("output", both, a + 2.0 * b, permitted)]

    return equations


def _scales_reversed(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_MAPS, [0]), ask.tensors
    changes = {"input": tensors["input"][..., ::-1, :, :, :], "scores": tensors["scores"][..., ::-1, :, :]}
    return [Equation("output", many(**changes)[0], many()[0], 2.0 * many.bounds()[0])]


def _scores_shifted(ask: Asker) -> list[Equation]:
    many, changes = ask.batch(_MAPS, [0]), {"scores": ask.tensors["scores"] + 2.0}
    permitted = many.bounds()[0] + many.bounds(**changes)[0]
    return [Equation("output", many(**changes)[0], many()[0], permitted)]


def of_multi_scale_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``multi_scale_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_MAPS)
    on_maps = samples.map(lambda found: on_integers(found, "input"))
    on_scores = samples.map(lambda found: on_integers(found, "scores"))
    return {
        "equal samples": repeats(samples, _MAPS),
        "equal values": related(LAWS["equal values"], samples, _equal_scales, _MAPS),
        "hull": related(LAWS["hull"], samples, _between_scales, _MAPS),
        "linear": related(LAWS["linear"], on_maps, _linear(_MAPS), _MAPS),
        "keys permuted": related("the order of the scales does not matter", samples, _scales_reversed, _MAPS),
        "keys shifted": related("one number more for all scores changes nothing", on_scores, _scores_shifted, _MAPS),
    }


# Pixels and channels

DUAL_EXEMPT = dict.fromkeys(LAWS, "the image is queries, keys and values at once, and is added to the result")


def _closed(ask: Asker) -> list[Equation]:
    many, zero = ask.batch(IMAGES, [0]), np.zeros(1)
    (found,) = many(alpha=zero, beta=zero)
    return [Equation("output", found, 2.0 * many.spread(ask.tensors["input"]))]


def _channels_permuted(ask: Asker) -> list[Equation]:
    """With the weights for them."""
    many, tensors = ask.batch(IMAGES, [0]), ask.tensors
    order = RandomState(ask.number).permutation(tensors["input"].shape[-3])
    changes = {
        "input": tensors["input"][..., order, :, :],
        "weight_query": tensors["weight_query"][:, order],
        "weight_key": tensors["weight_key"][:, order],
        "weight_value": tensors["weight_value"][np.ix_(order, order)],
    }
    (left,), (right,), (permitted,) = many(**changes), many(), many.bounds()
    return [Equation("output", left, right[..., order, :, :], 2.0 * permitted[..., order, :, :])]


def _alone(ask: Asker, kept: str, names: Mapping[str, Array], turned: Callable[[Array], Array]) -> list[Equation]:
    """One of the two, without the other: its factor times dot-product attention, and the image twice."""
    many, image, factor = ask.batch(IMAGES, [0]), ask.tensors["input"], ask.tensors[kept]
    few = ask.other("dot_product_attention", names)
    attended, bound = (turned(x[0]).reshape(image.shape) for x in (few(), few.bounds()))
    changes = {name: np.zeros(1) for name in ("alpha", "beta") if name != kept}
    right = factor * attended + 2.0 * image
    permitted = np.abs(factor) * bound + 4.0 * float64.unit * (np.abs(factor * attended) + 2.0 * np.abs(image))
    permitted = many.bounds(**changes)[0] + many.spread(permitted)
    return [Equation("output", many(**changes)[0], many.spread(right), permitted)]


def _in_rows(ask: Asker) -> Array:
    """Every channel as a row of pixels."""
    image: Array = ask.tensors["input"]
    return image.reshape(*image.shape[:-2], -1)


def _pixels_alone(ask: Asker) -> list[Equation]:
    pixels = _in_rows(ask).swapaxes(-1, -2)
    names = {name: pixels @ ask.tensors[f"weight_{name}"].T for name in ("query", "key", "value")}
    return _alone(ask, "alpha", names, lambda output: output.swapaxes(-1, -2))


def _channels_alone(ask: Asker) -> list[Equation]:
    names = dict.fromkeys(("query", "key", "value"), _in_rows(ask))
    return _alone(ask, "beta", names, lambda output: output)


def of_dual_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``dual_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    exact = selecting(samples, "weight_query", "weight_key", "weight_value")
    return {
        "equal samples": repeats(samples, IMAGES),
        "closed": related("without factors the image is added to itself", samples, _closed, IMAGES),
        "pixels permuted": related(
            "pixels in another order have their results in that order", samples, pixels_permuted, IMAGES
        ),
        "channels permuted": related(
            "channels in another order have their results in that order", samples, _channels_permuted, IMAGES
        ),
        "pixels alone": related("without β it is attention between the pixels", exact, _pixels_alone, IMAGES),
        "channels alone": related("without α it is attention between the channels", exact, _channels_alone, IMAGES),
    }


# Places

_PLACED = {"input": 0, "theta": 0}
PLACES_EXEMPT = {
    "equal values": "beyond the image lie zeros",
    "hull": "beyond the image lie zeros",
    "keys permuted": "pixels lie where they are",
    "equal queries": "there are no queries: every pixel of the result has a place",
    "keys shifted": "there are no keys: the weights are those of places",
}


def free(found: Arguments) -> Arguments:
    """The call with transformations of any kind for those that are written out."""
    if not isinstance(found.tensors["theta"], Literal):
        return found
    return with_tensors(found, theta=Values(shape_of(found, "theta"), "gaussian"))


def _in_its_size(found: Arguments) -> Arguments:
    """The call with as many pixels as the image has."""
    return with_parameters(found, size=shape_of(found, "input")[-2:])


def _unmoved(ask: Asker) -> list[Equation]:
    many, tensors = ask.batch(_PLACED, [0]), ask.tensors
    changes = {"theta": np.broadcast_to(np.eye(2, 3), tensors["theta"].shape)}
    return [Equation("output", many(**changes)[0], many.spread(tensors["input"]), many.bounds(**changes)[0])]


def _mirrored(ask: Asker) -> list[Equation]:
    """Left for right."""
    many, theta = ask.batch(_PLACED, [0]), ask.tensors["theta"]
    changes = {"theta": theta * np.array([-1.0, 1.0, 1.0])}
    right, permitted = (x[0][..., ::-1] for x in (many(), many.bounds()))
    return [Equation("output", many(**changes)[0], right, permitted + many.bounds(**changes)[0])]


def _turned(ask: Asker) -> list[Equation]:
    """Height for width, and x for y."""
    many, tensors = ask.batch(_PLACED, [0]), ask.tensors
    changes = {
        "input": tensors["input"].swapaxes(-1, -2),
        "theta": tensors["theta"][..., ::-1, :][..., [1, 0, 2]],
        "size": ask.parameters["size"][::-1],
    }
    right, permitted = (x[0].swapaxes(-1, -2) for x in (many(), many.bounds()))
    return [Equation("output", many(**changes)[0], right, permitted + many.bounds(**changes)[0])]


def of_spatially_adaptive_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``spatially_adaptive_attention``."""
    samples = with_axis(gentle(arguments(FEW)).map(free), *_PLACED)
    whole, on_images = samples.map(_in_its_size), samples.map(lambda found: on_integers(found, "input"))
    return {
        "equal samples": repeats(samples, _PLACED),
        "linear": related(LAWS["linear"], on_images, _linear(_PLACED), _PLACED),
        "unmoved": related("what is not moved stays as it is", whole, _unmoved, _PLACED),
        "mirrored": related("a mirrored transformation mirrors the result", samples, _mirrored, _PLACED),
        "turned": related("height and width can be exchanged, with x and y", samples, _turned, _PLACED),
    }

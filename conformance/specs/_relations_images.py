"""Relations of attention between parts of images: scales, pixels and channels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import LAWS, on_integers
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, related
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


def _linear_in_maps(ask: Asker) -> list[Equation]:
    """Sums of small integers, which every format holds."""
    many, one = ask.batch(_MAPS, [0]), ask.tensors["input"]
    other = one[..., ::-1, ::-1, ::-1, ::-1]
    terms = one, other, one + 2.0 * other
    (a,), (b,), (both,) = (many(input=x) for x in terms)
    first, second, third = (many.bounds(input=x)[0] for x in terms)
    permitted = first + 2.0 * second + third + 2.0 * float64.unit * (np.abs(a) + 2.0 * np.abs(b))
    return [Equation("output", both, a + 2.0 * b, permitted)]


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
    on_maps, on_scores = (samples.map(lambda found, name=name: on_integers(found, name)) for name in _MAPS)
    return {
        "equal samples": repeats(samples, _MAPS),
        "equal values": related(LAWS["equal values"], samples, _equal_scales, _MAPS),
        "hull": related(LAWS["hull"], samples, _between_scales, _MAPS),
        "linear": related(LAWS["linear"], on_maps, _linear_in_maps, _MAPS),
        "keys permuted": related("the order of the scales does not matter", samples, _scales_reversed, _MAPS),
        "keys shifted": related("one number more for all scores changes nothing", on_scores, _scores_shifted, _MAPS),
    }

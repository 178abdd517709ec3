"""Relations of attention along sequences: kernels, windows and orders."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._refusals import with_parameters
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import OTHER, gentle, related
from oracle.formats import float64

# Kernels

_SEQUENCES = {"input": 0}
KERNELS_EXEMPT = {
    "equal values": "what lies beyond the ends is zero and keeps its weight",
    "hull": "what lies beyond the ends is zero and keeps its weight",
    "linear": "the weights are made of what they weigh",
    "keys permuted": "a tap is a place beside the position",
    "equal queries": "a position weighs those around it",
    "keys shifted": "there are no keys: the scores are those of taps",
}


def _one_tap(ask: Asker) -> list[Equation]:
    many, input = ask.batch(_SEQUENCES, [0]), ask.tensors["input"]
    changes = {"weight": ask.tensors["weight"][:, :1]}
    return [Equation("output", many(**changes)[0], many.spread(input), many.bounds(**changes)[0])]


def _means(ask: Asker) -> list[Equation]:
    """A convolution with ones, divided by their number."""
    many, tensors = ask.batch(_SEQUENCES, [0]), ask.tensors
    input, weight = tensors["input"], tensors["weight"]
    _, taps, channels = weight.shape
    before = taps - 1 if ask.parameters["is_causal"] else taps // 2
    images = input.swapaxes(-1, -2).reshape(-1, channels, 1, input.shape[-2])
    wide = np.pad(images, [(0, 0)] * 3 + [(before, taps - 1 - before)])
    how = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": channels, "padding_mode": "zeros"}
    few = ask.other("conv2d", {"input": wide, "weight": np.ones((channels, 1, 1, taps)), "bias": None}, **how)
    right, bound = (x[0][:, :, 0].swapaxes(-1, -2).reshape(input.shape) / taps for x in (few(), few.bounds()))
    changes = {"weight": np.zeros(weight.shape)}
    permitted = many.bounds(**changes)[0] + many.spread(bound + float64.unit * np.abs(right))
    return [Equation("output", many(**changes)[0], many.spread(right), permitted)]


def _begun_later(ask: Asker) -> list[Equation]:
    """Zeros in front."""
    many, input = ask.batch(_SEQUENCES, [0]), ask.tensors["input"]
    more = ask.number % 70 + 1
    later = np.pad(input, [*[(0, 0)] * (input.ndim - 2), (more, 0), (0, 0)])
    return [Equation("output", many(input=later)[0][..., more:, :], many()[0], 2.0 * many.bounds()[0])]


def _causal(found: Arguments) -> Arguments:
    return with_parameters(found, is_causal=True)


def _gone_on(ask: Asker) -> list[Equation]:
    """More positions behind."""
    many, input = ask.batch(_SEQUENCES, [0]), ask.tensors["input"]
    length, more = input.shape[-2], ask.number % 70 + 1
    longer = np.pad(input, [*[(0, 0)] * (input.ndim - 2), (0, more), (0, 0)], constant_values=OTHER)
    return [Equation("output", many(input=longer)[0][..., :length, :], many()[0], 2.0 * many.bounds()[0])]


def of_dynamic_convolutional_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``dynamic_convolutional_attention``."""
    samples = with_axis(gentle(arguments(FEW)), "input")
    causal = samples.map(_causal)
    return {
        "equal samples": repeats(samples, _SEQUENCES),
        "one tap": related("a kernel of one tap changes nothing", samples, _one_tap, _SEQUENCES),
        "means": related("kernels without weights are means over the taps", samples, _means, _SEQUENCES),
        "begun later": related("zeros in front move the results", samples, _begun_later, _SEQUENCES),
        "causal": related("what comes later does not matter to a causal one", causal, _gone_on, _SEQUENCES),
    }

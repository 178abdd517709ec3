"""Relations of attention along sequences: kernels, windows and orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._laws_attention import LAWS, laws
from conformance.specs._refusals import shape_of, with_parameters, with_tensors
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import KEYS, OTHER, SAMPLES, gentle, related, selecting
from conformance.values import Array, Literal, Values
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


# Windows

WINDOWS_EXEMPT = {
    "keys permuted": "a key is seen from the places around it",
    "equal queries": "a query sees the keys around its place",
}
_GLOBALS = {"query": "global_query", "key": "global_key", "value": "global_value"}
_BOTH = {**SAMPLES, **dict.fromkeys(_GLOBALS.values(), 0)}


def _all_alike(found: Arguments, is_global: bool) -> Arguments:
    """The call with all positions global, or none."""
    shape = shape_of(found, "is_global")
    return with_tensors(found, is_global=Literal(shape, (is_global,) * shape[0]))


def _none_global(found: Arguments) -> Arguments:
    return _all_alike(found, False)


def _all_global(found: Arguments) -> Arguments:
    return _all_alike(found, True)


_SCALED = {"is_causal": False, "scale": None, "enable_gqa": False}


def _as_mask(ask: Asker) -> list[Equation]:
    """The second projection is the first."""
    many, tensors = ask.batch(_BOTH, [0]), ask.tensors
    places, seen = np.arange(len(tensors["is_global"])), tensors["is_global"]
    near = np.abs(places[:, None] - places) <= ask.parameters["window"]
    own = {name: tensors[name] for name in SAMPLES}
    few = ask.other("scaled_dot_product_attention", {**own, "attn_mask": near | seen | seen[:, None]}, **_SCALED)
    shared = {other: tensors[name] for name, other in _GLOBALS.items()}
    right = few(**{name: many.spread(x) for name, x in own.items()})[0]
    return [Equation("output", many(**shared)[0], right, many.bounds(**shared)[0] + many.spread(few.bounds()[0]))]


def _as_windows(ask: Asker) -> list[Equation]:
    many, own = ask.batch(_BOTH, [0]), {name: ask.tensors[name] for name in SAMPLES}
    few = ask.other("local_attention", own, window=ask.parameters["window"])
    right = few(**{name: many.spread(x) for name, x in own.items()})[0]
    return [Equation("output", many()[0], right, many.bounds()[0] + many.spread(few.bounds()[0]))]


def _as_one_whole(ask: Asker) -> list[Equation]:
    many, second = ask.batch(_BOTH, [0]), {name: ask.tensors[other] for name, other in _GLOBALS.items()}
    few = ask.other("scaled_dot_product_attention", {**second, "attn_mask": None}, **_SCALED)
    right = few(**{name: many.spread(x) for name, x in second.items()})[0]
    return [Equation("output", many()[0], right, many.bounds()[0] + many.spread(few.bounds()[0]))]


def of_global_local_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``global_local_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_BOTH)
    none, everything = samples.map(_none_global), samples.map(_all_global)
    return {
        **laws(lambda budget: arguments(budget).map(_none_global), _BOTH, KEYS, without=WINDOWS_EXEMPT),
        "equal samples": repeats(samples, _BOTH),
        "mask": related("windows and global positions are a mask", samples, _as_mask, _BOTH),
        "none global": related("without global positions it is local attention", none, _as_windows, _BOTH),
        "all global": related(
            "of global positions alone the second projection attends", everything, _as_one_whole, _BOTH
        ),
    }


# Streams

_STREAMS = {"content": 0, "query": 0}
_BOTH_OUTPUTS = (0, 0)
STREAMS_EXEMPT = dict.fromkeys(LAWS, "keys and values are projections of the content, in an order of their own")


def _moved(ask: Asker) -> list[Equation]:
    """Both streams in another order, with what comes before what."""
    many, tensors = ask.batch(_STREAMS, _BOTH_OUTPUTS), ask.tensors
    order = RandomState(ask.number).permutation(len(tensors["before"]))
    changes = {name: tensors[name][..., order, :] for name in _STREAMS}
    changes["before"] = tensors["before"][np.ix_(order, order)]
    right, permitted = ([x[..., order, :] for x in outputs] for outputs in (many(), many.bounds()))
    return matched(many(**changes), right, [2.0 * bound for bound in permitted])


def _other_content(ask: Asker) -> list[Equation]:
    """At one position, where the query stream does not see it."""
    many, content = ask.batch(_STREAMS, _BOTH_OUTPUTS), ask.tensors["content"]
    place = ask.number % content.shape[-2]
    changed = content.copy()
    changed[..., place, :] = OTHER
    left, right, bound = many(content=changed)[1], many()[1], many.bounds()[1]
    return [Equation("query", *(x[..., place, :] for x in (left, right, 2.0 * bound)))]


def _again_masked(found: Arguments) -> Arguments:
    """The call with booleans where all numbers have become integers."""
    order = found.tensors["before"]
    return with_tensors(found, before=replace(order, regime="mask")) if isinstance(order, Values) else found


def _as_masks(ask: Asker) -> list[Equation]:
    """The projections, exact, as queries, keys and values of scaled dot products; of positions that see any."""
    many, tensors = ask.batch(_STREAMS, _BOTH_OUTPUTS), ask.tensors
    content, itself = tensors["content"], np.eye(len(tensors["before"]), dtype=bool)
    shared = {"key": content @ tensors["weight_k"], "value": content @ tensors["weight_v"]}
    streams = (content, tensors["before"] | itself), (tensors["query"], tensors["before"] & ~itself)

    def alike(left: Array, bound: Array, asking: Array, mask: Array) -> Equation:
        own = {"query": asking @ tensors["weight_q"], **shared}
        few = ask.other("scaled_dot_product_attention", {**own, "attn_mask": mask}, **_SCALED)
        right = few(**{name: many.spread(x) for name, x in own.items()})[0]
        permitted, sees = bound + many.spread(few.bounds()[0]), mask.any(axis=-1)
        return Equation("output", *(x[..., sees, :] for x in (left, right, permitted)))

    return [alike(left, bound, *stream) for left, bound, stream in zip(many(), many.bounds(), streams, strict=True)]


def of_dual_stream_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``dual_stream_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_STREAMS)
    exact = selecting(samples, "weight_q", "weight_k", "weight_v").map(_again_masked)
    return {
        "equal samples": repeats(samples, _STREAMS, _BOTH_OUTPUTS),
        "moved": related("positions in another order have their results in that order", samples, _moved, _STREAMS),
        "itself unseen": related(
            "the query stream does not see the content of its place", samples, _other_content, _STREAMS
        ),
        "masks": related("the streams are scaled dot products with two masks", exact, _as_masks, _STREAMS),
    }

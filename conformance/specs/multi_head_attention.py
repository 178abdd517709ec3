"""Multi-head attention."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_attention import MULTI_HEAD_ATTENTION
from conformance.specs._refusals import completed, mis_sized, shape_of, slip, with_tensors
from conformance.specs._relations_scaled_attention import of_multi_head_attention
from conformance.strategies import call, seeds, sides
from conformance.values import Special, Values

# The laws of attention speak of values and keys as they are given.
EXEMPT = {
    "equal values": "the values are projected, and the heads together once more",
    "hull": "the values are projected, and the heads together once more",
    "linear": "the values are projected, and biases added",
    "keys shifted": "the keys are projected",
}


@st.composite
def arguments(draw: st.DrawFn, budget: int = 64) -> Arguments:
    heads, size = draw(sides(2, 8, most=4))
    width = heads * size
    samples, queries, keys = draw(sides(3, budget // heads, most=5))
    if draw(st.integers(0, 3)) == 3:
        queries = keys = min(queries, keys)
    biased = draw(st.booleans())
    shapes = {
        "query": (samples, queries, width),
        "key": (samples, keys, width),
        "value": (samples, keys, width),
        "in_proj_weight": (3 * width, width),
        "in_proj_bias": (3 * width,) if biased else None,
        "out_proj_weight": (width, width),
        "out_proj_bias": (width,) if biased else None,
    }
    tensors = draw(gentle(shapes, "query", "key", "in_proj_weight", "in_proj_bias"))
    # torch deprecates masks of two kinds in one call
    kind = draw(st.sampled_from(("ignored", "additive_mask")))
    per_head = (samples * heads, queries, keys)
    masks = {
        "key_padding_mask": draw(st.sampled_from((None, (samples, keys)))),
        "attn_mask": draw(st.sampled_from((None, (queries, keys), per_head))),
    }
    # through a query without keys all derivatives are NaN, and say nothing: mostly one key is left to all
    left = draw(st.sampled_from((0, keys - 1, keys // 2, 0, keys - 1, keys // 2, None)))
    for name, shape in masks.items():
        mask = shape and Values(shape, kind, draw(seeds))
        tensors[name] = mask if mask is None or left is None else _leaving(mask, left)
    padding = tensors["key_padding_mask"]
    if isinstance(padding, Special) and draw(st.booleans()):
        tensors["key_padding_mask"] = _behind(padding, draw(st.integers(1, keys)))
    return call(
        tensors,
        num_heads=heads,
        need_weights=draw(st.booleans()),
        average_attn_weights=draw(st.booleans()),
    )


def _leaving(mask: Values, key: int) -> Special:
    """The mask, but it hides this key from no query."""
    *rows, _ = mask.shape
    return Special(mask, (*(0 for _ in rows), key), (*rows, 1), "0" if mask.regime == "additive_mask" else "false")


def _behind(mask: Special, keys: int) -> Special:
    """The mask, but all sequences end with the same key: it hides what comes behind so many."""
    samples, length = mask.shape
    return Special(mask, (0, keys), (samples, length - keys), "-inf" if mask.regime == "additive_mask" else "true")


def refusals(call: Arguments) -> Iterator[Refusal]:
    samples, queries, width = shape_of(call, "query")
    keys, heads = shape_of(call, "key")[1], call.parameters["num_heads"]
    call = completed(call, in_proj_bias=(3 * width,), out_proj_bias=(width,))
    masked = with_tensors(
        call,
        key_padding_mask=Values((samples, keys), "ignored"),
        attn_mask=Values((samples * heads, queries, keys), "ignored"),
    )
    flat = with_tensors(call, key_padding_mask=None, attn_mask=Values((queries, keys), "ignored"))
    for name, axis in (("key", 0), ("key", 1), ("key", 2), ("value", 1), ("value", 2)):
        yield from mis_sized(call, name, axis)
    for name, axis in (("in_proj_weight", 0), ("in_proj_bias", 0), ("out_proj_weight", 1), ("out_proj_bias", 0)):
        yield from mis_sized(call, name, axis)
    for name, axis in (("key_padding_mask", 0), ("key_padding_mask", 1), ("attn_mask", 0), ("attn_mask", 2)):
        yield from mis_sized(masked, name, axis)
    yield from mis_sized(flat, "attn_mask", 0)
    yield from mis_sized(flat, "attn_mask", 1)
    yield slip(call, "num_heads is 0", num_heads=0)
    yield slip(call, "num_heads is negative", num_heads=-heads)
    yield slip(call, "the width does not divide into so many heads", num_heads=width + 1)


@st.composite
def large(draw: st.DrawFn, budget: int) -> Arguments:
    """Without masks: the NaN of a query that sees no key reaches derivatives whose cotangent is zero."""
    found = draw(arguments(min(budget // 64, 2**13)))
    return with_tensors(found, key_padding_mask=None, attn_mask=None)


SPEC = Spec(
    "Multiattention Head Layer",
    arguments(),
    refusals=refusals,
    large=large,
    relations=of_multi_head_attention(arguments),
    exempt=EXEMPT,
    mistakes=MULTI_HEAD_ATTENTION,
)

"""Multi-head attention."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.strategies import call, filled, seeds, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    heads, size = draw(sides(2, 8, most=4))
    width = heads * size
    samples, queries, keys = draw(sides(3, 64 // heads, most=5))
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
    tensors = draw(filled(shapes))
    # torch deprecates masks of two kinds in one call
    kind = draw(st.sampled_from(("ignored", "additive_mask")))
    per_head = (samples * heads, queries, keys)
    masks = {
        "key_padding_mask": draw(st.sampled_from((None, (samples, keys)))),
        "attn_mask": draw(st.sampled_from((None, (queries, keys), per_head))),
    }
    for name, shape in masks.items():
        tensors[name] = shape and Values(shape, kind, draw(seeds))
    return call(
        tensors,
        num_heads=heads,
        need_weights=draw(st.booleans()),
        average_attn_weights=draw(st.booleans()),
    )


SPEC = Spec("Multiattention Head Layer", arguments())

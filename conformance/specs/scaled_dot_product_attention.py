"""Scaled dot-product attention."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._attention import extents, masks, scored
from conformance.strategies import call, sides


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    batch, (queries, keys, width, value_width) = draw(extents(4))
    if draw(st.booleans()):
        value_width = width  # fused kernels ask for equal widths
    shared = batch
    grouped = draw(st.booleans())
    if grouped:
        groups, sharing = draw(sides(2, 6, most=3))
        batch, shared = (*batch[:1], groups * sharing), (*batch[:1], groups)
    shapes = {
        "query": (*batch, queries, width),
        "key": (*shared, keys, width),
        "value": (*shared, keys, value_width),
    }
    tensors = draw(scored(shapes))
    kind = draw(st.sampled_from(("none", "mask", "additive_mask", "causal")))
    masked = kind in ("mask", "additive_mask")
    tensors["attn_mask"] = draw(masks(kind, (*batch, queries, keys))) if masked else None
    return call(
        tensors,
        is_causal=kind == "causal",
        scale=draw(st.sampled_from((None, 1.0, 0.25, 0.3))),
        enable_gqa=grouped,
    )


SPEC = Spec("Attention Mechanism; Scaled Dot-Product Attention", arguments())

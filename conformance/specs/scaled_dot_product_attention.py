"""Scaled dot-product attention."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import extents, largest, masks, scored
from conformance.specs._attention import refusals as attention_refusals
from conformance.specs._mistakes_attention import SCALED_DOT_PRODUCT_ATTENTION
from conformance.specs._refusals import mis_sized, shape_of, slip, with_parameters, with_tensors
from conformance.specs._relations_scaled_attention import of_scaled_dot_product_attention
from conformance.specs._widths import ROWS, over
from conformance.strategies import BUDGET, call, sides
from conformance.values import Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch, (queries, keys, width, value_width) = draw(extents(4, budget))
    if draw(st.booleans()):
        value_width = width  # fused kernels ask for equal widths
    if draw(st.integers(0, 3)) == 3:
        queries = keys = min(queries, keys)
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


def refusals(call: Arguments) -> Iterator[Refusal]:
    *batch, queries, _ = shape_of(call, "query")
    keys = shape_of(call, "key")[-2]
    masked = with_parameters(with_tensors(call, attn_mask=Values((queries, keys), "mask")), is_causal=False)
    yield slip(masked, "attn_mask and is_causal come together", is_causal=True)
    yield from mis_sized(masked, "attn_mask", 0, broadcast=True)
    yield from mis_sized(masked, "attn_mask", 1, broadcast=True)
    deep = with_tensors(masked, attn_mask=Values((2, *batch, queries, keys), "mask"))
    yield Refusal("attn_mask has more dimensions than the scores", deep, masked)
    yield from attention_refusals(masked)
    groups = shape_of(call, "key")[-3] if call.parameters["enable_gqa"] else 1
    if groups > 1:
        heads = shape_of(call, "query")
        more = with_tensors(masked, query=Values((*heads[:-3], heads[-3] + 1, *heads[-2:])))
        yield Refusal("the heads of the query do not divide among those of the key", more, masked)


SPEC = Spec(
    "Attention Mechanism; Scaled Dot-Product Attention",
    arguments(),
    refusals=refusals,
    large=lambda budget: arguments(largest(budget)),
    widths=over(
        lambda width: {"query": (ROWS, 4), "key": (width, 4), "value": (width, 2), "attn_mask": None},
        is_causal=False,
        scale=None,
        enable_gqa=False,
    ),
    relations=of_scaled_dot_product_attention(arguments),
    mistakes=SCALED_DOT_PRODUCT_ATTENTION,
)

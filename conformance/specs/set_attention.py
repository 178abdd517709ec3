"""Set attention: the elements of a set attend to those of another, and are transformed one by one."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_blocks import SET_ATTENTION
from conformance.specs._refusals import completed, mis_sized, shape_of, slip
from conformance.specs._relations_blocks import SETS_EXEMPT, of_set_attention
from conformance.strategies import Shape, call, seeds, sides
from conformance.values import TensorArgument, Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = 48) -> Arguments:
    heads, size = draw(sides(2, 8, most=4))
    size = max(size, -(-3 // heads))  # of one feature a normalisation leaves nothing, of two their signs
    width = heads * size
    samples, elements, others = draw(sides(3, budget // heads, most=4))
    biased = draw(st.booleans())
    vector = (width,)
    shapes: dict[str, Shape | None] = {
        "input": (samples, elements, width),
        "context": (samples, others, width),
        "in_proj_weight": (3 * width, width),
        "in_proj_bias": (3 * width,) if biased else None,
        "out_proj_weight": (width, width),
        "out_proj_bias": vector if biased else None,
        "norm_1_weight": vector,
        "norm_1_bias": vector,
        "weight": (width, width),
        "bias": vector,
        "norm_2_weight": vector,
        "norm_2_bias": vector,
    }
    # a normalisation multiplies errors, and large weights those of what comes before: in half precision nothing is left
    plain, small = st.sampled_from(("integers", "one_hot", "gaussian")), st.sampled_from(("small", "one_hot", "sparse"))
    tensors: dict[str, TensorArgument] = {
        name: Values(shape, draw(small if "proj" in name or name == "weight" else plain), draw(seeds))
        if shape
        else None
        for name, shape in shapes.items()
    }
    return call(tensors, num_heads=heads, eps=draw(st.sampled_from((0.5, 2.0, 0.125, 1e-5))))


def refusals(call: Arguments) -> Iterator[Refusal]:
    width = shape_of(call, "input")[-1]
    call = completed(call, in_proj_bias=(3 * width,), out_proj_bias=(width,))
    for name, axis in (("context", 0), ("context", 2), ("in_proj_weight", 0), ("out_proj_weight", 1), ("weight", 0)):
        yield from mis_sized(call, name, axis)
    for name in ("in_proj_bias", "out_proj_bias", "norm_1_weight", "norm_1_bias", "norm_2_weight", "norm_2_bias"):
        yield from mis_sized(call, name, broadcast=True)
    yield from mis_sized(call, "weight", 1)
    yield from mis_sized(call, "bias", broadcast=True)
    yield slip(call, "num_heads is 0", num_heads=0)
    yield slip(call, "the width does not divide into so many heads", num_heads=width + 1)


SPEC = Spec(
    "Attention Mechanism, which names it; Lee et al. 2019",
    arguments(),
    refusals=refusals,
    relations=of_set_attention(arguments),
    exempt=SETS_EXEMPT,
    mistakes=SET_ATTENTION,
)

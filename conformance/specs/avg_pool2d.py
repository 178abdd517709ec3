"""Average pooling."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._spatial import images, pooling
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    size, parameters, work = draw(pooling())
    shape = (*draw(images(work)), *size)
    return call(
        draw(filled({"input": shape})),
        **parameters,
        count_include_pad=draw(st.sampled_from([True, False])),
        divisor_override=draw(st.sampled_from([None, None, 1, 3, 7])),
    )


SPEC = Spec("Pooling Layer", arguments())

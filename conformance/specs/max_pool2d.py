"""Max pooling."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._spatial import images, pooling
from conformance.strategies import call, filled


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    size, parameters, work = draw(pooling(dilated=True))
    shape = (*draw(images(work, empty=False)), *size)
    return call(draw(filled({"input": shape})), **parameters)


SPEC = Spec("Pooling Layer", arguments(), byproducts=frozenset({1}))

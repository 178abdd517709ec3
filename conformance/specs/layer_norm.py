"""Layer normalisation."""

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Spec
from conformance.specs._normalisation import EPS, affine, extents, tensors
from conformance.strategies import call


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    shape = draw(extents(1, 4))
    normalized = shape[draw(st.integers(0, len(shape) - 1)) :]
    shapes = {"input": shape, **draw(affine(normalized))}
    return call(draw(tensors(shapes)), normalized_shape=normalized, eps=draw(EPS))


SPEC = Spec("Layer Normalization Layer", arguments())

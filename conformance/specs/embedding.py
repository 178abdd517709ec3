"""Embedding."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._mistakes_other import EMBEDDING
from conformance.specs._refusals import shape_of, slip, with_tensors
from conformance.specs._relations_other import of_embedding
from conformance.specs._widths import ROWS
from conformance.strategies import batches, call, filled, seeds, sides
from conformance.values import Indices, Literal, TensorArgument, Values


@st.composite
def arguments(draw: st.DrawFn, budget: int = 300) -> Arguments:
    rows, width = draw(sides(2, budget))
    leading = max(budget // (16 * width), 8)
    indices = Indices((*draw(batches(budget=leading)), draw(st.integers(1, 6))), rows, draw(seeds))
    tensors = draw(filled({"weight": (rows, width)}))
    return call(
        {"input": indices, **tensors},
        padding_idx=draw(st.sampled_from((None, 0, rows - 1, -1))),
        # longer and shorter than the rows of most regimes
        max_norm=draw(st.sampled_from((None, 1.0, 0.3, 2.5, 100.0))),
        norm_type=draw(st.sampled_from((2.0, 1.0, 3.0, float("inf")))),
    )


def towards_weight(length: int, samples: int, seed: int) -> Arguments:
    looked_up = Indices((length * samples,), samples, seed)
    weight = Values((samples, 2), "gaussian", seed)
    return call({"input": looked_up, "weight": weight}, padding_idx=None, max_norm=None, norm_type=2.0)


def refusals(call: Arguments) -> Iterator[Refusal]:
    indices = call.tensors["input"]
    assert isinstance(indices, Indices)
    known = indices.array("float64").ravel().tolist()
    place, rows = indices.seed % len(known), shape_of(call, "weight")[0]
    outside = {
        "the first index after the table": rows,
        "an index far behind the table": rows + 2**30,
        "the index -1": -1,
        "an index far before the table": -(2**30),
    }
    for sentence, index in outside.items():
        looked_up = Literal(indices.shape, (*known[:place], index, *known[place + 1 :]))
        yield Refusal(f"{sentence} is looked up", with_tensors(call, input=looked_up), call)
    yield slip(call, "padding_idx is the first after the table", padding_idx=rows)
    yield slip(call, "padding_idx is before the table", padding_idx=-rows - 1)
    yield slip(call, "max_norm is negative", max_norm=-1.0)


def widths(width: int, seed: int) -> Arguments:
    table: dict[str, TensorArgument] = {
        "input": Indices((ROWS,), 3, seed),
        "weight": Values((3, width), "gaussian", seed),
    }
    return call(table, padding_idx=None, max_norm=1.0, norm_type=2.0)


SPEC = Spec(
    "PyTorch_NN_Layers, Embedding Layers",
    arguments(),
    byproducts=frozenset({1}),
    sums={"weight": towards_weight},
    refusals=refusals,
    carried={"weight": 1},
    large=arguments,
    widths=widths,
    relations=of_embedding(arguments),
    mistakes=EMBEDDING,
)

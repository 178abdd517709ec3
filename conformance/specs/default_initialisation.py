"""What the parameters of a layer are when it is made: the layer is asked for new ones of the shapes given."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments, Case
from conformance.law import Law
from conformance.spec import Spec
from conformance.specs._initialisation import drawn
from conformance.specs._mistakes_initialisation import DEFAULT_INITIALISATION
from conformance.strategies import Shape, call, sides
from conformance.target import Declared
from conformance.values import Values
from oracle.counts import STACKED
from oracle.initialisation import default_initialisation as distributions

# The shapes of a layer's parameters, in the layer's order, and the options that they do not tell.
Layer = tuple[list[Shape], dict[str, Any]]

# A bound √2 too large leaves n elements as small as they should be with a probability of 2^(-n/2): 96 are enough.
_ENOUGH = 96
_many = st.integers(_ENOUGH, 2 * _ENOUGH)
_few = st.integers(9, 60)  # a square of this side has enough
_flag = st.booleans()


@st.composite
def linear(draw: st.DrawFn) -> Layer:
    outs, ins = draw(_many), draw(_few)
    return [(outs, ins), *draw(_optional((outs,)))], {}


@st.composite
def convolution(draw: st.DrawFn, transposed: bool) -> Layer:
    groups, *kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)))
    outs, ins = -(-draw(_many) // groups), draw(st.integers(1, 12))
    weight = (ins * groups, outs, *kernel) if transposed else (outs * groups, ins, *kernel)
    return [weight, *draw(_optional((outs * groups,)))], {"groups": groups}


@st.composite
def recurrent(draw: st.DrawFn, gates: int) -> Layer:
    inputs, hidden = draw(_few), -(-draw(_many) // gates)
    layers, both, bias = *draw(st.sampled_from(((1, False), (2, False), (1, True)))), draw(_flag)
    widths = [inputs] * (1 + both) + [hidden] * (layers - 1)
    rows = gates * hidden
    shapes = [shape for width in widths for shape in ((rows, width), (rows, hidden), *([(rows,)] * 2 * bias))]
    return shapes, {"num_layers": layers, "bias": bias, "bidirectional": both}


@st.composite
def embedding(draw: st.DrawFn) -> Layer:
    rows, width = draw(_many), draw(_few)
    return [(rows, width)], {"padding_idx": draw(st.sampled_from((None, 0, rows - 1, -1)))}


@st.composite
def per_channel(draw: st.DrawFn) -> Layer:
    (channels,) = draw(sides(1))
    return [(channels,)] * 2, {}


@st.composite
def layer_norm(draw: st.DrawFn) -> Layer:
    shape = draw(sides(draw(st.integers(1, 3))))
    return [shape, *draw(_optional(shape))], {}


@st.composite
def multi_head_attention(draw: st.DrawFn) -> Layer:
    width = draw(_few)
    weights, biases = [(3 * width, width), (width, width)], [(3 * width,), (width,)]
    return ([weights[0], biases[0], weights[1], biases[1]] if draw(_flag) else list(weights)), {}


def _optional(bias: Shape) -> st.SearchStrategy[list[Shape]]:
    return st.sampled_from(([bias], []))


MODULES: dict[str, st.SearchStrategy[Layer]] = {
    "linear": linear(),
    "conv2d": convolution(transposed=False),
    "conv_transpose2d": convolution(transposed=True),
    "rnn": recurrent(STACKED["rnn"]),
    "lstm": recurrent(STACKED["lstm"]),
    "gru": recurrent(STACKED["gru"]),
    "embedding": embedding(),
    "batch_norm": per_channel(),
    "layer_norm": layer_norm(),
    "instance_norm": per_channel(),
    "group_norm": per_channel(),
    "multi_head_attention": multi_head_attention(),
}


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    module = draw(st.sampled_from(tuple(MODULES)))
    shapes, options = draw(MODULES[module])
    return call({"weights": tuple(map(Values, shapes))}, module=module, **options)


def law(case: Case, declared: Declared) -> dict[str, Law]:
    weights = case.tensors["weights"]
    assert isinstance(weights, tuple)
    shapes = [weight.shape for weight in weights]
    module, padding = case.parameters["module"], case.parameters.get("padding_idx")
    found = drawn(lambda: distributions(shapes, module=module, padding_idx=padding), shapes, case.format, declared)
    return {f"parameter {number}": each for number, each in enumerate(found)}


SPEC = Spec("Model Initialization, which names it; torch.nn", arguments(), law=law, mistakes=DEFAULT_INITIALISATION)

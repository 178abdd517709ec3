"""Relations of dense layers: a batch, the terms of the sums, the outputs, and the input as a vector space."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._relations import LARGE, cut, integers
from conformance.strategies import call, filled, sides

_BATCH = {"input": 0}


@st.composite
def _products(draw: st.DrawFn, transposed: bool) -> Arguments:
    rows, ins, outs = draw(sides(3, LARGE))
    shapes = {"input": (rows, ins), "weight": (ins, outs) if transposed else (outs, ins), "bias": (outs,)}
    return call(draw(filled(shapes)))


def _terms(ask: Asker) -> int:
    width: int = ask.tensors["input"].shape[-1]
    return width


def _exact(ask: Asker) -> None:
    ask.require_exact(_terms(ask), ask.tensors["input"], ask.tensors["weight"])


def of_dense(layer: str) -> Mapping[str, Relation]:
    """The relations of ``linear``, or of ``custom_linear``, whose weight is the other one's transposed."""
    transposed = layer == "custom_linear"
    arguments: SearchStrategy[Arguments] = integers(_products(transposed))

    def terms(ask: Asker) -> list[Equation]:
        _exact(ask)
        input, weight, bias = (ask.tensors[name] for name in ("input", "weight", "bias"))
        found = []
        for k, part in enumerate(ask.parts(_terms(ask))):
            those = weight[part] if transposed else weight[:, part]
            found.append(ask(input=input[:, part], weight=those, bias=bias if k == 0 else 0.0 * bias)[0])
        (whole,) = ask()
        return [Equation("output", whole, np.sum(found, axis=0), ask.rounding(whole, *found))]

    def units(ask: Asker) -> list[Equation]:
        _exact(ask)
        weight, bias = ask.tensors["weight"], ask.tensors["bias"]
        found = [
            ask(weight=weight[:, part] if transposed else weight[part], bias=bias[part])[0]
            for part in ask.parts(len(bias))
        ]
        (whole,), joined = ask(), np.concatenate(found, axis=1)
        return [Equation("output", whole, joined, ask.rounding(whole, joined))]

    def additive(ask: Asker) -> list[Equation]:
        input, bias = ask.tensors["input"], ask.tensors["bias"]
        other = input[::-1]
        ask.require_exact(_terms(ask), input + other, ask.tensors["weight"])
        first, second, both = (ask(input=x)[0] for x in (input, other, input + other))
        permitted = ask.rounding(first, second, both)
        return [Equation("output", both, first + second - bias, permitted)]

    def written_otherwise(ask: Asker) -> list[Equation]:
        _exact(ask)
        twin = ask.other(
            "linear" if transposed else "custom_linear",
            {"input": ask.tensors["input"], "weight": ask.tensors["weight"].T, "bias": ask.tensors["bias"]},
        )
        (left,), (right,) = ask(), twin()
        return [Equation("output", left, right, ask.rounding(left) + twin.rounding(right))]

    return {
        "batch in two": cut(arguments, _BATCH, terms=_terms),
        "terms in two": Relation("a sum is the sum of its two parts", arguments, terms),
        "outputs in two": Relation("the outputs are those of two parts of the weight", arguments, units),
        "additive": Relation("the layer of a sum of inputs is the sum of both, one bias less", arguments, additive),
        "weight transposed": Relation(
            "linear and custom_linear differ by the transposed weight alone", arguments, written_otherwise
        ),
    }

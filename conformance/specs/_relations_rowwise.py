"""Relations of elementwise layers, softmax and its logarithm: all rows alike, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum

import numpy as np
from hypothesis import strategies as st
from numpy.random import RandomState

from conformance.case import Arguments
from conformance.relation import Asker, Equation, Relation
from conformance.specs._relations import FEW, LARGE, counts, integers, repeats
from conformance.strategies import call, filled, sides
from conformance.values import Array
from oracle.formats import float64

_ROWS = {"input": 0}


@st.composite
def _elements(draw: st.DrawFn, budget: int = FEW) -> Arguments:
    """Few elements, or rows of them."""
    return call(draw(filled({"input": draw(sides(draw(st.integers(1, 3)), budget, least=2))})))


def _rectified_parts(ask: Asker) -> list[Equation]:
    input = ask.tensors["input"]
    return [Equation("output", ask()[0] - ask(input=-input)[0], input)]


def _again(ask: Asker) -> list[Equation]:
    (once,) = ask()
    return [Equation("output", ask(input=once)[0], once)]


def of_relu() -> Mapping[str, Relation]:
    """The relations of ``relu``."""
    return {
        "equal elements": repeats(_elements(), _ROWS),
        "both signs": Relation("relu(x) - relu(-x) = x", _elements(LARGE), _rectified_parts),
        "twice": Relation("relu(relu(x)) = relu(x)", _elements(LARGE), _again),
    }


def _mirrored(ask: Asker) -> list[Equation]:
    """One minus the larger of the two, a number from 1/2 to 1, rounds nothing."""
    right, many = np.abs(ask.tensors["input"]), ask.batch(_ROWS, [0])
    permitted = many.bounds(input=right)[0] + many.bounds(input=-right)[0]
    return [Equation("output", many(input=-right)[0], 1.0 - many(input=right)[0], permitted)]


def of_sigmoid() -> Mapping[str, Relation]:
    """The relations of ``sigmoid``."""
    return {
        "equal elements": repeats(_elements(), _ROWS),
        "both signs": Relation("sigmoid(-x) = 1 - sigmoid(x)", _elements(), _mirrored, counts(_ROWS)),
    }


def _odd(ask: Asker) -> list[Equation]:
    input, many = ask.tensors["input"], ask.batch(_ROWS, [0])
    permitted = many.bounds()[0] + many.bounds(input=-input)[0]
    return [Equation("output", many(input=-input)[0], -many()[0], permitted)]


def _from_sigmoid(ask: Asker) -> list[Equation]:
    """Twice the sigmoid of a positive number, less 1, rounds nothing."""
    input = np.abs(ask.tensors["input"])
    many = ask.batch(_ROWS, [0])
    sigmoid = ask.other("sigmoid", {"input": 2.0 * input})
    permitted = many.bounds(input=input)[0] + 2.0 * many.repeated(sigmoid.bounds())[0]
    right = 2.0 * many.repeated(sigmoid())[0] - 1.0
    return [Equation("output", many(input=input)[0], right, permitted)]


def of_tanh() -> Mapping[str, Relation]:
    """The relations of ``tanh``."""
    return {
        "equal elements": repeats(_elements(), _ROWS),
        "both signs": Relation("tanh(-x) = -tanh(x)", _elements(), _odd, counts(_ROWS)),
        "sigmoid": Relation("tanh(x) = 2 sigmoid(2x) - 1", _elements(), _from_sigmoid, counts(_ROWS)),
    }


# Softmax and its logarithm


@st.composite
def _rows(draw: st.DrawFn) -> Arguments:
    """Few rows, along the last axis."""
    return call(draw(filled({"input": draw(sides(2, FEW, least=2))})), dim=-1)


def _other_dimension(ask: Asker) -> list[Equation]:
    input, many = ask.tensors["input"], ask.batch(_ROWS, [0])
    (columns,) = ask(input=many.spread(input).T, dim=0)
    (permitted,) = ask.bounds(input=input.T, dim=0)
    return [Equation("output", many()[0], columns.T, many.bounds()[0] + many.spread(permitted.T))]


def _permuted(ask: Asker) -> list[Equation]:
    input, many = ask.tensors["input"], ask.batch(_ROWS, [0])
    order = RandomState(ask.number).permutation(input.shape[1])
    permitted = 2.0 * many.bounds()[0][:, order]
    return [Equation("output", many(input=input[:, order])[0], many()[0][:, order], permitted)]


def _shifted(ask: Asker) -> list[Equation]:
    """Half of all bits hold the shift, the rest a small integer: the sum is exact."""
    input, many = ask.tensors["input"], ask.batch(_ROWS, [0])
    other = input + 2.0 ** (ask.precision // 2)
    permitted = many.bounds()[0] + many.bounds(input=other)[0]
    return [Equation("output", many(input=other)[0], many()[0], permitted)]


def _summing_to_one(ask: Asker) -> list[Equation]:
    many = ask.batch(_ROWS, [0])
    found, permitted = many()[0], many.bounds()[0].sum(axis=1)
    sums = np.array([fsum([*row, -1.0]) for row in found.tolist()])
    return [Equation("sum of a row", 1.0 + sums, np.ones(len(sums)), permitted + float64.unit)]


def _differences(ask: Asker) -> list[Equation]:
    many = ask.batch(_ROWS, [0])
    found, permitted = many()[0], many.bounds()[0]
    left, right = _steps(found), _steps(many.repeated([ask.tensors["input"]])[0])
    bound = permitted[:, 1:] + permitted[:, :-1] + float64.unit * np.abs(left)
    return [Equation("differences in a row", left, right, bound)]


def _steps(rows: Array) -> Array:
    return np.asarray(rows[:, 1:] - rows[:, :-1])


def of_softmax(logarithm: bool = False) -> Mapping[str, Relation]:
    """The relations of ``softmax``, or of ``log_softmax``."""
    rows, whole = _rows(), integers(_rows())
    last = (
        {"differences": Relation("two logarithms differ as their scores do", whole, _differences, counts(_ROWS))}
        if logarithm
        else {"sum": Relation("the weights of a row sum to one", rows, _summing_to_one, counts(_ROWS))}
    )
    return {
        "equal rows": repeats(rows, _ROWS),
        "dimension": Relation("rows may lie along any dimension", rows, _other_dimension, counts(_ROWS)),
        "permuted": Relation(
            "scores in another order have their results in that order", rows, _permuted, counts(_ROWS)
        ),
        "shifted": Relation("one number more for all scores of a row changes nothing", whole, _shifted, counts(_ROWS)),
        **last,
    }

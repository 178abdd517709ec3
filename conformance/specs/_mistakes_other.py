"""Classic mistakes of embeddings and positional encodings."""

from __future__ import annotations

from collections.abc import Callable

from conformance.mistake import (
    Arguments,
    Mistake,
    Outputs,
    answered,
    called,
    instead,
    last_dropped,
    mapped,
    no_derivative,
    tail_dropped,
    times_derivative,
)
from oracle.formulas.positional_encoding import positional_encoding
from oracle.scalar import Scalar, constant, detached, sqrt, stored, total
from oracle.tensor import Tensor, key, tensor

# Embedding


def _index(given: Arguments, place: tuple[int, ...]) -> int:
    found: int = given["input"][key(place)]
    return found


def _shifted(given: Arguments) -> Arguments:
    rows = given["weight"].shape[0]
    return {"input": mapped(given["input"], lambda row, *_: (row - 1) % rows)}


def _scaled(outputs: Outputs, given: Arguments) -> Outputs:
    root = sqrt(constant(given["weight"].shape[1]))
    return {"output": mapped(outputs["output"], lambda x, *_: stored(x * root))}


def _padded_zero(outputs: Outputs, given: Arguments) -> Outputs:
    padding, rows = given["padding_idx"], given["weight"].shape[0]
    if padding is None:
        return {}

    def y(x: Scalar, *index: int) -> Scalar:
        return constant(0.0) if _index(given, index[:-1]) == padding % rows else x

    return {"output": mapped(outputs["output"], y)}


def _not_in_place(outputs: Outputs, given: Arguments) -> Outputs:
    return {"weight": given["weight"]}


def _whole_table(formula: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """All rows are shortened, looked up or not."""

    def mistaken(**given: object) -> Outputs:
        weight = given["weight"]
        assert isinstance(weight, Tensor)
        rows = weight.shape[0]
        everything = formula(**{**given, "input": tensor([rows], lambda row: row)})
        return {**formula(**given), "weight": everything["weight"]}

    return mistaken


def _once(outputs: Outputs, given: Arguments) -> Outputs:
    """Of the places that look up a row the last alone gives it a derivative."""
    places = {row: place for place, row in zip(given["input"].indices(), given["input"].elements(), strict=True)}

    def y(x: Scalar, *index: int) -> Scalar:
        *place, _ = index
        return x if places[_index(given, tuple(place))] == tuple(place) else detached(x)

    return {"output": mapped(outputs["output"], y)}


EMBEDDING = {
    "from_one": called("indices count from 1", _shifted),
    "scaled": answered("the vectors are multiplied by √width", _scaled),
    "padding_zero": answered("the row padding_idx is taken for zeros", _padded_zero),
    "padding_derivative": called(
        "padding_idx is ignored: its row has a derivative", lambda given: {"padding_idx": None}
    ),
    "negative_padding_ignored": called(
        "a negative padding_idx is ignored",
        lambda given: {"padding_idx": None} if given["padding_idx"] is not None and given["padding_idx"] < 0 else {},
    ),
    "norm_ignored": called("max_norm is ignored", lambda given: {"max_norm": None}),
    "norm_type_ignored": called("norm_type is ignored: it is 2", lambda given: {"norm_type": 2.0}),
    "not_in_place": answered("the table itself is not shortened", _not_in_place),
    "whole_table": Mistake("max_norm shortens rows that are not looked up", _whole_table),
    "once": answered("a row looked up several times has one of the derivatives", _once),
    "last_column": last_dropped(-1, "the last column"),
    "tail": tail_dropped(-1, "columns"),
    "no_derivative": no_derivative("weight"),
}

# Positional encoding


def _encodings(length: int, width: int) -> Tensor:
    return positional_encoding(tensor((length, width), lambda p, k: constant(0.0)))


def _encoded(sentence: str, encodings: Callable[[int, int], Callable[[int, int], Scalar]]) -> Mistake:
    """Other encodings: ``encodings(length, width)`` gives that of place p in column k."""

    def formula(input: Tensor) -> Tensor:
        *_, length, width = input.shape
        at = encodings(length, width)
        return tensor(input.shape, lambda *index: stored(total([input[index], at(*index[-2:])])))

    return instead(sentence, formula)


def _from_one(length: int, width: int) -> Callable[[int, int], Scalar]:
    longer = _encodings(length + 1, width)
    return lambda p, k: longer[p + 1, k]


def _exchanged(length: int, width: int) -> Callable[[int, int], Scalar]:
    """Cosines in even columns, sines in odd ones: those of the column beside, the last one's own where it has none."""
    right = _encodings(length, width)
    return lambda p, k: right[p, min(k + 1 - 2 * (k % 2), width - 1)]


def _halves(length: int, width: int) -> Callable[[int, int], Scalar]:
    """All sines, then all cosines."""
    right, sines = _encodings(length, width), (width + 1) // 2
    return lambda p, k: right[p, 2 * k if k < sines else 2 * (k - sines) + 1]


def _own_frequencies(length: int, width: int) -> Callable[[int, int], Scalar]:
    """10000^(k/d) in every column: of twice the width, the columns 2k and 2k + 1 have it."""
    wider = _encodings(length, 2 * width)
    return lambda p, k: wider[p, 2 * k + k % 2]


def _backwards(length: int, width: int) -> Callable[[int, int], Scalar]:
    right = _encodings(length, width)
    return lambda p, k: right[length - 1 - p, k]


def _alike(length: int, width: int) -> Callable[[int, int], Scalar]:
    first = _encodings(2, width)
    return lambda p, k: first[1, k]


def _no_input(outputs: Outputs, given: Arguments) -> Outputs:
    input = given["input"]
    encodings = _encodings(*input.shape[-2:])
    return {"output": tensor(input.shape, lambda *index: encodings[index[-2:]])}


def _scaled_input(given: Arguments) -> Arguments:
    root = sqrt(constant(given["input"].shape[-1]))
    return {"input": mapped(given["input"], lambda x, *_: x * root)}


POSITIONAL_ENCODING = {
    "from_one": _encoded("positions count from 1", _from_one),
    "exchanged": _encoded("sines and cosines are exchanged", _exchanged),
    "halves": _encoded("all sines come first, then all cosines, as in tensor2tensor", _halves),
    "own_frequencies": _encoded("the frequency is that of k, not of 2 ⌊k/2⌋", _own_frequencies),
    "backwards": _encoded("positions count from the end", _backwards),
    "alike": _encoded("all positions are encoded as the second", _alike),
    "no_input": answered("the encodings alone are returned", _no_input),
    "scaled": called("the input is multiplied by √d_model first", _scaled_input),
    "tail": tail_dropped(-1, "columns"),
    "no_derivative": no_derivative("input"),
    "derivative_twice": times_derivative(2.0, "input"),
}

"""A program as a target, in any language: ``--target="command:PROGRAM ARGUMENT …"``.

It reads requests from its standard input and writes answers to its standard output, one at a time. Either is a line of
JSON, the header, followed by the numbers of the arrays that the header lists, ``{"arrays": [{"format": "float32",
"shape": [2, 3]}, …]}``: one array after the other, little-endian, in row-major order, nothing between. Formats are
float64, float32, bfloat16, float16, int64, and bool (a byte each). What it prints to its standard error is shown where
it dies. It ends with its input. ``ask`` tells what is asked:

``describe``
    The answer has ``layers`` and ``formats``, names. It may have ``derivatives``, false where it says nothing;
    ``deterministic``, then true; ``description``; ``policies`` by layer; ``declared`` by layer, fields of
    ``conformance.target.Declared``.
``call``
    ``layer``; ``tensors`` in the formula's order: for each the number of an array, null for none, or a list of numbers;
    ``parameters`` by name, infinities and NaN as strings; ``seed``, on which alone depends what is random. The
    answer's ``arrays`` are the outputs.
``derivatives``
    As a call, with ``wanted``, numbers of arrays, and ``cotangents``, for each output the number of an array, null
    where it does not count. The answer's ``arrays`` are the derivatives of the sum of outputs times cotangents towards
    what is wanted, null for none.

An answer ``{"unsupported": reason}`` says that the library does not offer this, ``{"error": words}`` that it refuses
the call. ``conformance/examples`` has a client in Python, and one in C++.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.case import json_number
from conformance.layouts import PLAIN
from conformance.program import Program
from conformance.target import Declared, Died, Refused, Target, Unavailable, Unsupported

VARIANTS: tuple[str, ...] = ()  # it is known by its program

# Seconds that an answer may take.
_TIMEOUT = 60.0

# How the numbers of a format are stored; those of bfloat16 are the upper halves of those of float32.
_STORED = {name: np.dtype(kind) for name, kind in {"float64": "<f8", "float32": "<f4", "float16": "<f2"}.items()}
_STORED |= {"bfloat16": np.dtype("<u2"), "int64": np.dtype("<i8"), "bool": np.dtype("?")}


@dataclass(frozen=True, eq=False)
class Numbers:
    """An array: binary64 numbers of a format, int64, or bool."""

    values: NDArray[Any]
    format: str

    @property
    def header(self) -> dict[str, Any]:
        return {"format": self.format, "shape": self.values.shape}

    def stored(self) -> bytes:
        """The numbers as they go over the line."""
        if self.format == "bfloat16":
            return (self.values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        return self.values.astype(_STORED[self.format]).tobytes()

    @classmethod
    def read(cls, header: Mapping[str, Any], program: Program) -> Numbers:
        """The array with this header, from what the program says next."""
        format, shape = header["format"], tuple(header["shape"])
        if format not in _STORED:
            raise ValueError(f"the answer has the unknown format {format!r}; known: {', '.join(_STORED)}")
        kind = _STORED[format]
        found = np.frombuffer(program.block(math.prod(shape) * kind.itemsize), kind).reshape(shape)
        if format == "bfloat16":
            found = (found.astype("<u4") << 16).view("<f4")
        return cls(found.astype(np.float64) if format.endswith(("16", "32", "float64")) else found, format)


class Command(Target):
    """What a program offers."""

    layouts = (PLAIN,)

    def __init__(self, command: str) -> None:
        self.name = f"command:{command}"
        self._program = Program(shlex.split(command), _TIMEOUT, lambda program: None)
        self._seed = 0
        self._asked: tuple[dict[str, Any], list[Numbers]] = {}, []
        about = self._described()
        self._layers = frozenset(about["layers"])
        self.formats = tuple(about["formats"])
        self.description = str(about.get("description", ""))
        self.deterministic = bool(about.get("deterministic", True))
        self.policies = about.get("policies", {})
        self._derivatives = bool(about.get("derivatives", False))
        self._declared: Mapping[str, Mapping[str, Any]] = about.get("declared", {})
        for layer, found in self._declared.items():
            if strange := found.keys() - {field.name for field in fields(Declared)}:
                raise Unavailable(f"{self.name} declares for {layer} what is unknown: {', '.join(sorted(strange))}")

    def _described(self) -> dict[str, Any]:
        try:
            about, _ = self._answer({"ask": "describe"}, [])
        except Died as died:
            raise Unavailable(" ".join([f"{self.name} does not describe itself: {died}", *died.words])) from died
        if missing := [name for name in ("layers", "formats") if name not in about]:
            raise Unavailable(f"{self.name} does not say which {' and '.join(missing)} it has")
        return about

    def array(self, values: NDArray[Any], format: str) -> Numbers:
        return Numbers(values.copy(), format if values.dtype == np.float64 else values.dtype.name)

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        return array.values, array.format

    def layer(self, name: str) -> Callable[..., Any] | None:
        return partial(self._called, name) if name in self._layers else None

    def declared(self, layer: str, format: str) -> Declared:
        found = dict(self._declared.get(layer, {}))
        return Declared(**{"compute": super().declared(layer, format).compute, **found})

    def seed(self, seed: int) -> None:
        self._seed = seed

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Any],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        if not self._derivatives:
            return super().vjp(function, leaves, cotangents)
        outputs = function(*leaves)
        header, arrays = self._asked
        wanted = [next(k for k, array in enumerate(arrays) if array is leaf) for leaf in leaves]
        places: list[int | None] = []
        arrays = list(arrays)
        for cotangent in cotangents(outputs):
            places.append(None if cotangent is None else len(arrays))
            arrays += [] if cotangent is None else [cotangent]
        _, gradients = self._answer({**header, "ask": "derivatives", "wanted": wanted, "cotangents": places}, arrays)
        return outputs, gradients

    def _called(self, layer: str, *tensors: Any, **parameters: Any) -> Any:
        arrays: list[Numbers] = []

        def place(tensor: Any) -> Any:
            if tensor is None:
                return None
            if isinstance(tensor, tuple):
                return list(map(place, tensor))
            arrays.append(tensor)
            return len(arrays) - 1

        header = {"ask": "call", "layer": layer, "tensors": list(map(place, tensors)), "seed": self._seed}
        header["parameters"] = {name: json_number(value) for name, value in parameters.items()}
        self._asked = header, arrays
        _, outputs = self._answer(header, arrays)
        return tuple(outputs)

    def _answer(
        self, header: Mapping[str, Any], arrays: Sequence[Numbers]
    ) -> tuple[dict[str, Any], list[Numbers | None]]:
        whole = {**header, "arrays": [array.header for array in arrays]}
        self._program.tell(b"".join([json.dumps(whole).encode(), b"\n", *(array.stored() for array in arrays)]))
        line = self._program.line()
        try:
            answer = json.loads(line)
        except ValueError as error:
            # no one knows what it will say next
            raise self._program.died(f"the answer's header is no JSON: {line[:80]!r}") from error
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        if "error" in answer:
            raise Refused(answer["error"])
        found = [each and Numbers.read(each, self._program) for each in answer.get("arrays", ())]
        return answer, found

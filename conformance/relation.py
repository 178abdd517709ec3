"""Relations: two computations with a layer that must give the same numbers, whatever these are.

No oracle says what the numbers are, so a relation holds at any size and all elements are judged. By how much the two
may differ is derived all the same. Copies differ by nothing. Nor do sums of small integers, which are exact in any
order, but for the one rounding of each result to a storage format that does not hold it. Where more is rounded, each
computation keeps the bound of its formula, so the two differ by no more than both bounds. A bound of a sample does not
depend on the other samples: of a large batch that repeats a few (``Batch``) it is that of those few.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.random import RandomState

from conformance.asking import ask, ask_gradients
from conformance.case import Arguments, Case, Upstream
from conformance.expectation import Places, expect
from conformance.target import Target
from conformance.values import Array
from conformance.verdict import Actual, Expected, Status, Verdict, judge, miscounted
from oracle.evaluate import lifted
from oracle.fast import Fast
from oracle.formats import FORMATS
from oracle.formulas import formula
from oracle.tensor import Tensor, tensor

Given: TypeAlias = Array | None | Sequence[Array]

_NUMBERS = st.integers(0, 2**16)


@dataclass(frozen=True)
class Equation:
    """Two arrays that must be the same but for a ``permitted`` difference."""

    output: str
    left: Array
    right: Array
    permitted: Array | float = 0.0


@dataclass(frozen=True)
class Relation:
    """A law of one layer.

    ``sentence`` says it, ``arguments`` draws calls for it, ``equations`` makes the computations. They may depend on one
    more number, a place or a count, which ``number`` draws for a call. Where the law is about samples or the like,
    ``none`` draws calls that have none of them.
    """

    sentence: str
    arguments: SearchStrategy[Arguments]
    equations: Callable[[Asker], Iterable[Equation]]
    number: Callable[[Arguments], SearchStrategy[int]] = lambda arguments: _NUMBERS
    none: SearchStrategy[Arguments] | None = None


@dataclass(frozen=True)
class _Derived(Case):
    """A case with these arrays as its tensors. They are not printed, so all that is random is so in the same way."""

    held: Mapping[str, Given] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        return list(self.held)

    def arrays(self) -> dict[str, Given]:
        return dict(self.held)


class Settled(Exception):
    """There is nothing to compare: the verdict is known."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class Asker:
    """Asks a target for the outputs of a call: ``ask()``, or with other arrays or parameters: ``ask(input=x)``."""

    def __init__(self, target: Target, case: Case) -> None:
        self._target, self._case = target, case
        self.tensors: Mapping[str, Any] = case.arrays()
        self.parameters = case.parameters
        self.number = case.relation.number if case.relation else 0
        self.policies = target.policies.get(case.layer, {})
        self.precision = FORMATS[case.format].precision
        self.smallest = FORMATS[case.format].smallest

    def __call__(self, **changes: Any) -> list[Array]:
        """The outputs. Raises ``Settled`` where there are none, or none of the formula's shapes and the format."""
        case = self._changed(changes)
        answer = ask(self._target, case)
        if isinstance(answer, Verdict):
            raise Settled(answer)
        for fault, reason in _misfits(case, answer):
            raise Settled(Verdict(Status.FAIL, math.inf, reason, fault=fault))
        return [output.values for output in answer]

    def derivative(self, name: str, **changes: Any) -> Array:
        """The derivative towards a tensor, of the sum of the outputs times small integers.

        Raises ``Settled`` where there is none.
        """
        declared = self._target.declared_for(self._case)
        if declared.undeclared:
            raise Settled(Verdict(Status.UNSUPPORTED, reason=declared.undeclared))
        case = replace(self._changed(changes), upstream=Upstream((name,), "integers", self.number))
        answer = ask_gradients(self._target, case, ())
        if isinstance(answer, Verdict):
            raise Settled(answer)
        (found,) = answer[1]
        return found.values

    def again(self, number: int) -> Asker:
        """The same call, with another seed for what is random."""
        assert self._case.relation is not None
        return Asker(self._target, replace(self._case, relation=replace(self._case.relation, number=number)))

    def bounds(self, places: Places | None = None, **changes: Any) -> list[Array]:
        """How far each element of the outputs may be from the truth; with ``places`` these elements alone."""
        case = self._changed(changes)
        declared = self._target.declared_for(case)
        policies = self._target.policies.get(case.layer)
        return [output.bound for output in expect(case, declared, policies, None, places)]

    def other(self, layer: str, tensors: Mapping[str, Given], **parameters: Any) -> Asker:
        """The same target, asked for another layer."""
        return Asker(
            self._target,
            _Derived(layer, self._case.format, {}, parameters, held={n: _plain(t) for n, t in tensors.items()}),
        )

    def batch(self, axes: Mapping[str, int], outputs: Sequence[int]) -> Batch:
        """Many samples that repeat those of these tensors, along an axis of each; ``outputs`` are the axes of those."""
        return Batch(self, axes, outputs)

    def parts(self, length: int) -> list[slice]:
        """An axis of this length cut in two."""
        place = self.number % max(length - 1, 1) + 1
        return [part for part in (slice(0, place), slice(place, length)) if part.start < length]

    def require_exact(self, terms: int, *factors: Array) -> None:
        """Raises ``Settled`` where sums of so many products of these integers, and one of them more, are not exact."""
        declared = self._target.declared_for(self._case)
        if declared.normwise:
            reason = f"{self._target.name} declares errors that are small against norms alone: no sum is exact"
            raise Settled(Verdict(Status.UNSUPPORTED, reason=reason))
        sizes = [float(np.max(np.abs(array), initial=0.0)) for array in factors]
        most = terms * math.prod(sizes) + max(sizes, default=0.0)
        if most > 2.0 ** FORMATS[declared.compute].precision:
            reason = f"sums of integers up to {most:.0f} are not exact in {declared.compute}"
            raise Settled(Verdict(Status.UNDECIDED, reason=reason))

    def rounding(self, *results: Array, step: float = 1.0, divided: bool = False) -> Array:
        """What rounding has left in a sum of such results, at most, each of which is an exact multiple of a step.

        A storage format with enough bits holds it. ``divided``: a division has rounded it before.
        """
        storage, declared = FORMATS[self._case.format], self._target.declared_for(self._case)
        compute = FORMATS[declared.compute]
        share = storage.unit + compute.unit * divided * (1.0 + storage.unit)  # (1 + u) (1 + v) - 1, where 1 + u rounds
        held = step * 2.0**storage.precision
        sizes = [np.abs(result) for result in results]
        bias = self.tensors.get("bias")
        if declared.algorithm is not None and bias is not None:  # the product may be stored before the bias is added
            most = np.max(np.abs(bias), initial=0.0)
            sizes += [size / (1.0 - share) + most for size in sizes]
        lost = [np.where((size >= held) | divided, size * share / (1.0 - share), 0.0) for size in sizes]
        return np.asarray(np.sum(lost, axis=0))

    def _changed(self, changes: Mapping[str, Any]) -> Case:
        given = {name: changes.get(name, array) for name, array in self.tensors.items()}
        plain = {id(array): _plain(array) for array in given.values()}  # what is one array stays one
        held = {name: plain[id(array)] for name, array in given.items()}
        parameters = {**self.parameters, **{name: value for name, value in changes.items() if name not in held}}
        case = self._case
        return _Derived(case.layer, case.format, {}, parameters, case.layouts, relation=case.relation, held=held)


def _plain(array: Given) -> Given:
    """The same numbers in row-major order, however they were cut out."""
    return np.array(array, order="C") if isinstance(array, (np.ndarray, np.generic)) else array


class Batch:
    """Asks for many samples, ``number`` of them, that repeat a few in a random order.

    Called with few samples, as an ``Asker``; ``outputs`` and ``bounds`` of the few are repeated in the same order.
    """

    def __init__(self, asker: Asker, axes: Mapping[str, int], outputs: Sequence[int]) -> None:
        self._asker = asker
        self._axes = {name: axis for name, axis in axes.items() if asker.tensors.get(name) is not None}
        self._outputs = outputs
        name, axis = next(iter(self._axes.items()))
        few = asker.tensors[name].shape[axis]
        self._order = RandomState(asker.number).randint(few, size=asker.number + 1)

    def __call__(self, **changes: Any) -> list[Array]:
        given = {**self._asker.tensors, **changes}
        many = {name: np.take(given[name], self._order, axis) for name, axis in self._axes.items()}
        return self._asker(**{**changes, **many})[: len(self._outputs)]

    def spread(self, array: Array, axis: int = 0) -> Array:
        """An array of the few samples, for the many."""
        return np.asarray(np.take(array, self._order, axis))

    def repeated(self, few: Iterable[Array]) -> list[Array]:
        """The outputs of the few samples, as those of the many must be."""
        return [np.take(output, self._order, axis) for output, axis in zip(few, self._outputs, strict=False)]

    def bounds(self, **changes: Any) -> list[Array]:
        """How far each element may be from the truth."""
        return self.repeated(self._asker.bounds(**changes))


def matched(left: Iterable[Array], right: Iterable[Array], permitted: Iterable[Array] | None = None) -> list[Equation]:
    """Outputs that must be the same, one by one."""
    pairs = list(zip(left, right, strict=True))
    bounds: list[Array | float] = [0.0] * len(pairs) if permitted is None else [*permitted]
    return [Equation(f"output {k}", *pair, bound) for k, (pair, bound) in enumerate(zip(pairs, bounds, strict=True))]


def examine(name: str, relation: Relation, target: Target, case: Case) -> Verdict:
    """The verdict on the equations of a relation, its sentence as the reason of a failure."""
    try:
        equations = list(relation.equations(Asker(target, case)))
    except Settled as settled:
        verdict = settled.verdict
    else:
        verdict = judge(
            [Actual(equation.left, case.format) for equation in equations],
            [_expected(equation, case.format) for equation in equations],
        )
    if verdict.status is not Status.FAIL:
        return verdict
    differ = "" if verdict.got is None else f", but {verdict.got!r} is not {verdict.true!r}"
    why = f": {verdict.reason}" if verdict.got is None else ""
    return replace(verdict, reason=f"{name}: {relation.sentence}{differ}{why}")


def _expected(equation: Equation, format: str) -> Expected:
    shape = equation.right.shape
    permitted = np.broadcast_to(np.asarray(equation.permitted, dtype=np.float64), shape)
    return Expected(equation.output, shape, format, equation.right, np.zeros(shape), permitted)


def _misfits(case: Case, answer: Sequence[Actual]) -> Iterable[tuple[str, str]]:
    """What is wrong with the shapes and formats of the outputs, as the formula has them: the fault and its reason."""
    shapes = _shapes(case)
    if shapes is None:
        return
    if len(answer) != len(shapes):
        yield "number of outputs", miscounted(answer, shapes.keys()).reason
    for got, (name, shape) in zip(answer, shapes.items(), strict=False):
        if got.values.shape != shape:
            yield "shape", f"{name} has the shape {got.values.shape}, expected {shape}"
        if got.values.dtype.kind == "f" and got.format != case.format:
            yield "format", f"{name} has the format {got.format}, expected {case.format}"


def _shapes(case: Case) -> dict[str, tuple[int, ...]] | None:
    """The shapes of the outputs by name; None for a formula that takes more, such as the mask of a random layer."""
    function = formula(case.layer)
    tensors = {name: _hollow(array) for name, array in case.arrays().items()}
    needed = {p.name for p in signature(function).parameters.values() if p.default is Parameter.empty}
    if not needed <= tensors.keys() | case.parameters.keys():
        return None
    with Fast():
        found = function(**tensors, **case.parameters)
    outputs = {"output": found} if isinstance(found, Tensor) else found
    return {name: output.shape for name, output in outputs.items()}


def _hollow(array: Given) -> Any:
    """A tensor of this shape; its numbers are only there where they are indices or masks."""
    if array is None:
        return None
    if isinstance(array, np.ndarray):
        return lifted(array) if array.dtype.kind == "i" else tensor(array.shape, _unread)
    return tuple(map(_hollow, array))


def _unread(*index: int) -> float:
    raise AssertionError(f"no number is needed to know a shape, and the one at {index} was read")

"""Targets within targets: one that watches over what is passed, and how two answers to one call are compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.asking import ask, ask_gradients
from conformance.case import Case
from conformance.spec import spec
from conformance.target import Target
from conformance.verdict import Actual, Status, Verdict

# Outputs, then derivatives.
Answer = list[Actual]


class Wrapped(Target):
    """Another target, but for what a subclass replaces."""

    def __init__(self, target: Target) -> None:
        for name in vars(Target):
            if not name.startswith("_") and name not in vars(type(self)):
                setattr(self, name, getattr(target, name))
        self._target = target


class Witness(Wrapped):
    """A target for one call, which remembers the arrays that pass and what their memory held."""

    def __init__(self, target: Target, sizes: Sequence[Any] = (), rehearsed: bool = False) -> None:
        """Freed memory is poisoned before the call, in blocks of its tensors and of the arrays ``sizes``.

        ``rehearsed``: derivatives are asked for after a call without them on the same arrays, as in an evaluation.
        """
        super().__init__(target)
        self._rehearsed = rehearsed
        self._number = 0
        self.results: list[Any] = []  # outputs, then derivatives
        self._sizes = sizes
        self._given: list[tuple[Any, bytes]] = []
        self._outputs: list[tuple[Any, bytes]] = []
        self._kept: list[bytes] = []
        self._differentiates = False

    def array(self, values: NDArray[Any], format: str) -> Any:
        return self._remembered(self._target.array(values, format))

    def arranged(self, array: Any, layout: str) -> Any:
        self._given.pop()  # replaced by the arranged one
        return self._remembered(self._target.arranged(array, layout))

    def seed(self, seed: int) -> None:
        self._target.poison([*(array for array, _ in self._given), *self._sizes])
        self._target.seed(seed)
        self._number = seed

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = self._target.layer(name)
        if function is None:
            return None

        def watched(*tensors: Any, **parameters: Any) -> Any:
            found = function(*tensors, **parameters)
            if not self._differentiates:
                self._answered(found if isinstance(found, (tuple, list)) else (found,))
            return found

        return watched

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Any],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        def watched(outputs: Sequence[Any]) -> Sequence[Any]:
            factors = cotangents(outputs)  # reads the outputs: what is no array is refused there
            self._answered(outputs)
            return factors

        self._differentiates = True
        if self._rehearsed:
            function(*leaves)
            self._target.seed(self._number)
        outputs, gradients = self._target.vjp(function, leaves, watched)
        self.results += [gradient for gradient in gradients if gradient is not None]
        return outputs, gradients

    def _remembered(self, array: Any) -> Any:
        self._given.append((array, self._target.memory(array)))
        return array

    def _answered(self, outputs: Sequence[Any]) -> None:
        self.results = list(outputs)
        self._outputs = [(output, self._target.memory(output)) for output in outputs]

    def fault(self, names: Sequence[str]) -> str | None:
        """What is wrong with the memory after the call, if anything; ``names`` are those of the tensors given.

        A derivative may be the very cotangent: torch.autograd hands it on unchanged where the derivative is one,
        and accumulation copies it where it is shared (torch/csrc/autograd/functions/accumulate_grad.h).
        """
        labels = [*names, *["upstream"] * (len(self._given) - len(names))]
        for label, (array, before) in zip(labels, self._given, strict=True):
            if self._target.memory(array) != before:
                return f"the call changed memory that was given to it: {label}, or what lies around it"
        for k, (output, before) in enumerate(self._outputs):
            if self._target.memory(output) != before:
                return f"the derivative changed output {k}"
        for k, result in enumerate(self.results):
            for label, (array, _) in zip(names, self._given, strict=False):
                if self._target.overlaps(result, array):
                    return f"result {k} shares memory with {label}"
        for (j, (output, _)), (k, (other, _)) in combinations(enumerate(self._outputs), 2):
            if self._target.overlaps(output, other):
                return f"outputs {j} and {k} share memory"
        self._kept = [self._target.memory(result) for result in self.results]
        self._given.clear()  # another call's tensors may come to lie where these lay
        return None

    def later_fault(self) -> str | None:
        """What later calls have done to the results of this one, if anything."""
        for k, (result, before) in enumerate(zip(self.results, self._kept, strict=True)):
            if self._target.memory(result) != before:
                return f"a later call changed result {k}"
        return None


def failed(reason: str, **found: Any) -> Verdict:
    """A failure without a permitted error."""
    return Verdict(Status.FAIL, math.inf, reason, **found)


def answer(target: Target, case: Case) -> Answer | Verdict:
    """Copies of what the target returns, outputs and derivatives, or the verdict that settles the case."""
    if case.upstream is None:
        outputs = ask(target, case)
        return outputs if isinstance(outputs, Verdict) else list(map(_copied, outputs))
    both = ask_gradients(target, case, spec(case.layer).byproducts)
    return both if isinstance(both, Verdict) else [_copied(each) for part in both for each in part]


def _copied(actual: Actual) -> Actual:
    return replace(actual, values=np.array(actual.values))


def difference(first: Answer, again: Answer) -> Verdict | None:
    """Where two answers are not the same bits, if anywhere; any NaN is like any other."""
    if len(first) != len(again):
        return failed(f"{len(again)} results, before {len(first)}")
    return next(filter(None, map(_difference, range(len(first)), first, again)), None)


def _difference(number: int, first: Actual, again: Actual) -> Verdict | None:
    if (first.format, first.values.shape) != (again.format, again.values.shape):
        now, then = (f"{one.format} of shape {one.values.shape}" for one in (again, first))
        return failed(f"result {number} is {now}, before {then}")
    for index in _differing(first.values, again.values):
        got, before = float(again.values[index]), float(first.values[index])
        return failed(f"{got!r}, before {before!r}", output=f"result {number}", index=index, got=got, true=before)
    return None


def _differing(first: NDArray[Any], again: NDArray[Any]) -> Iterator[tuple[int, ...]]:
    other = ~((first == again) & (np.signbit(first) == np.signbit(again)) | (first != first) & (again != again))
    yield from (tuple(map(int, index)) for index in np.argwhere(other))

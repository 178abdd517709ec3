"""State and order: several calls of one layer, with other inputs, in training and out of it, parameters edited between.

What a call leaves, running statistics or the last state, is fed to the next one, and each is judged like a forward
value: the state by itself and by what comes of it. The whole chain, asked again, must give the same bits. So must a
layer that lives over the chain: the target's own module, its parameters edited in place, its mode switched, reloaded
before the last step; or, where there is none, the function on arrays that are edited in place. A batch without samples
leaves the state as it was, or is refused. A target that promises no determinism is held to the formula throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from conformance.case import Case
from conformance.checks import forward
from conformance.expectation import expect
from conformance.spec import spec
from conformance.strategies import edited
from conformance.target import Session, Target, Unsupported
from conformance.values import Array, Literal, TensorArgument
from conformance.verdict import Status, Verdict, judge
from conformance.watched import Answer, Wrapped, answer, difference, failed

COST = 3  # each case is two to five calls, made three times


def applies(layer: str) -> bool:
    return forward.applies(layer)


@st.composite
def cases(draw: st.DrawFn, layer: str, format: str, target: Target, examples: int) -> Case:
    asked = spec(layer)
    calls = [draw(asked.arguments)]
    for _ in range(draw(st.integers(1, 4))):
        call = draw(edited(calls[-1], asked.carried))
        calls.append(draw(asked.following(call)) if asked.following else call)
    first, *steps = (Case(layer, format, call.tensors, call.parameters) for call in calls)
    return replace(first, steps=tuple(steps))


def examine(target: Target, case: Case) -> Verdict:
    steps = (replace(case, steps=()), *case.steps)
    calls: list[tuple[Case, Answer]] = []
    worst = Verdict(Status.PASS)
    state: dict[str, TensorArgument] = {}
    for number, step in enumerate(steps, 1):
        fed = replace(step, tensors={**step.tensors, **state})
        found = answer(target, fed)
        if isinstance(found, Verdict):
            if found.status is Status.FAIL and _without_samples(fed):
                continue
            return _in_step(number, found)
        # what has no state is judged by the check of forward values
        verdict = _judged(target, fed, found) if spec(case.layer).carried else Verdict(Status.PASS)
        if verdict.status is Status.FAIL:
            return _in_step(number, verdict)
        worst = max(worst, verdict, key=lambda verdict: verdict.ratio)
        state |= _left(fed, found)
        calls.append((fed, found))
    return _asked_again(target, calls) or _kept_alive(target, calls) or worst


def _in_step(number: int, verdict: Verdict) -> Verdict:
    return replace(verdict, reason=f"call {number}: {verdict.reason}")


def _without_samples(case: Case) -> bool:
    """Whether there is a state, and no sample to change it."""
    first = next(iter(case.arrays().values()))
    return bool(spec(case.layer).carried) and isinstance(first, np.ndarray) and first.shape[0] == 0


def _judged(target: Target, case: Case, found: Answer) -> Verdict:
    """The verdict on one call."""
    asked = spec(case.layer)
    if not _without_samples(case):
        observed = asked.revealed(case, found)
        declared = target.declared_for(case)
        return judge(found, expect(case, declared, target.policies.get(case.layer), observed))
    arrays = case.arrays()
    for name, number in asked.carried.items():
        before = arrays[name]
        if isinstance(before, np.ndarray) and not np.array_equal(found[number].values, before, equal_nan=True):
            return failed(f"no samples changed {name}")
    return Verdict(Status.PASS)


def _left(case: Case, found: Answer) -> dict[str, TensorArgument]:
    """What a call leaves to the next one."""
    carried = {name: number for name, number in spec(case.layer).carried.items() if number < len(found)}
    return {name: _literal(found[number].values) for name, number in carried.items()}


def _literal(array: Array) -> Literal:
    return Literal(array.shape, tuple(x if np.isfinite(x) else str(x) for x in array.ravel().tolist()))


def _asked_again(target: Target, calls: list[tuple[Case, Answer]]) -> Verdict | None:
    """The failure of a chain that is asked a second time, if it fails."""
    return _compared(target, target, calls, "asked again")


def _kept_alive(target: Target, calls: list[tuple[Case, Answer]]) -> Verdict | None:
    """The failure of a layer that lives over the chain, if it fails."""
    if not calls:
        return None
    return _compared(target, _Alive(target, [case for case, _ in calls]), calls, "by one layer kept alive")


def _compared(target: Target, other: Target, calls: list[tuple[Case, Answer]], about: str) -> Verdict | None:
    for number, (case, before) in enumerate(calls, 1):
        found = answer(other, case)
        if isinstance(found, Verdict):
            different = found if found.status is Status.FAIL else None
        elif target.deterministic:
            different = difference(before, found)
        else:
            verdict = _judged(target, case, found)
            different = verdict if verdict.status is Status.FAIL else None
        if different:
            return replace(different, reason=f"call {number} of {len(calls)}, {about}: {different.reason}")
    return None


class _Alive(Wrapped):
    """A target whose layer lives over these calls: a session, given what each call changes."""

    def __init__(self, target: Target, calls: list[Case]) -> None:
        super().__init__(target)
        self._session = target.session(calls[0].layer) or _InPlace(target, calls[0].layer)
        self._calls = calls
        self._done = 0
        self._left: dict[str, Any] = {}

    def layer(self, name: str) -> Callable[..., Any]:
        return self._called

    def _called(self, *tensors: Any, **parameters: Any) -> Any:
        case, before = self._calls[self._done], self._calls[self._done - 1]
        self._done += 1
        given = dict(zip(case.tensors, tensors, strict=True))
        if self._done > 1:
            given = {name: array for name, array in given.items() if case.tensors[name] != before.tensors[name]}
            given |= self._left
        if self._done == len(self._calls):
            self._session = self._session.reloaded()
        found = self._session.call(given, parameters)
        outputs = found if isinstance(found, (tuple, list)) else (found,)
        carried = spec(case.layer).carried.items()
        self._left = {name: outputs[number] for name, number in carried if number < len(outputs)}
        return found


class _InPlace:
    """The session of a library that has only functions: arrays that are edited in place between the calls."""

    def __init__(self, target: Target, layer: str) -> None:
        self._target, self._layer = target, layer
        self._tensors: dict[str, Any] = {}

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        for name, array in tensors.items():
            self._tensors[name] = self._edited(self._tensors.get(name), array)
        function = self._target.layer(self._layer)
        assert function is not None, f"{self._target.name} has answered as {self._layer} before"
        return function(*self._tensors.values(), **parameters)

    def reloaded(self) -> Session:
        return self

    def _edited(self, old: Any, new: Any) -> Any:
        if isinstance(new, tuple):
            return tuple(map(self._edited, old or [None] * len(new), new))
        if old is None or new is None or self._shape(old) != self._shape(new):
            return new
        try:
            self._target.assign(old, new)
        except Unsupported:
            return new
        return old

    def _shape(self, array: Any) -> tuple[int, ...]:
        return self._target.read(array)[0].shape

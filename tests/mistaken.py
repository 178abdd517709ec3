"""Targets that make one mistake: the formulas in rounded arithmetic, but for one layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.random import RandomState

from conformance import Case, Status, Values, examine
from conformance import law as laws
from conformance.checks import check
from conformance.drawing import listed
from conformance.mistake import Mistake
from conformance.spec import spec
from conformance.specs._mistakes_random import Shared
from conformance.targets.oracle import Oracle, as_array
from conformance.values import Array, rounded
from oracle.evaluate import evaluate, gradients
from oracle.formats import FORMATS
from oracle.formulas import formula, names
from oracle.rounded import Rounded

FORMAT = "float32"

# Checks and how many cases of each meet mistakes, the cheapest first; all are among those of the default profile.
STAGES = (
    ("forward", 20),
    ("gradient", 20),
    ("law", 10),
    ("special", 60),
    ("law", 100),
    ("forward", 100),
    ("gradient", 100),
)


@dataclass(frozen=True)
class Rejection:
    """A failing case, and the check that has asked it."""

    kind: str
    case: Case


@cache
def rejection(layer: str, name: str) -> Rejection | None:
    """What rejects a mistake, if anything does."""
    target = Mistaken(layer, spec(layer).mistakes[name])
    for kind, count in STAGES:
        for case in asked(layer, kind, count):
            if examine(target, case, kind).status is Status.FAIL:
                return Rejection(kind, case)
    return None


@cache
def asked(layer: str, kind: str, count: int) -> list[Case]:
    """So many cases of a check, small ones first."""
    if not check(kind).applies(layer):
        return []
    source = check(kind).cases(layer, FORMAT, Oracle(FORMAT), count)
    assert not isinstance(source, list), f"the check {kind} draws its cases"
    return sorted(listed(source, count, layer), key=lambda case: case.elements)


class Mistaken(Oracle):
    """Makes a mistake in one layer, forward and backward."""

    def __init__(self, layer: str, mistake: Mistake) -> None:
        super().__init__(FORMAT)
        self._mistaken, self._mistake = layer, mistake
        self._called: tuple[dict[str, Any], dict[str, Any]] = {}, {}

    def layer(self, name: str) -> Callable[..., Any] | None:
        if name != self._mistaken:
            return super().layer(name)
        return self._computed if name in names() else self._drawn

    def _computed(self, *tensors: Any, **parameters: Any) -> tuple[Array, ...]:
        given = self.given(self._mistaken, tensors, parameters)
        if self._mistake.law:
            given["mask"] = self._draws("input", tensors[0], parameters)[0].astype(np.float64)
        self._called = given, parameters
        with self.rules(self._mistaken):
            outputs = evaluate(self._mistaken, given, parameters, self._formula)
            return tuple(map(as_array, outputs.values()))

    def rules(self, name: str) -> Rounded:
        compute = self._mistake.compute
        if compute is None or name != self._mistaken:
            return super().rules(name)
        return Rounded(FORMATS[compute(FORMAT)], FORMATS[FORMAT], self._seed)

    @property
    def _formula(self) -> Callable[..., Any]:
        return self._mistake.change(formula(self._mistaken))

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Any],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        outputs = function(*leaves)
        given, parameters = self._called
        if self._mistaken == "max_pool2d" and len(outputs) == 2:
            given["winners"] = outputs[1]  # the derivative goes where the indices say
        factors = cotangents(outputs)
        wanted = [name for name, argument in given.items() if any(_holds(argument, leaf) for leaf in leaves)]
        with self.rules(self._mistaken):
            found = gradients(
                self._mistaken, given, parameters, wanted, lambda number, shape: factors[number], self._formula
            )
            return outputs, [*map(as_array, found.values())]

    def _drawn(self, tensors: Any, **parameters: Any) -> Any:
        name = "weights" if isinstance(tensors, tuple) else "tensor"
        found = [rounded(each, FORMAT) for each in self._draws(name, tensors, parameters)]
        return tuple(found) if isinstance(tensors, tuple) else found[0]

    def _draws(self, name: str, tensors: Any, parameters: dict[str, Any]) -> list[Array]:
        """What obeys the mistaken laws of a call."""
        recipe = tuple(Values(x.shape) for x in tensors) if isinstance(tensors, tuple) else Values(tensors.shape)
        law = self._mistake.law
        assert law is not None, "a layer without a formula makes mistakes of its law"
        case = Case(self._mistaken, FORMAT, {name: recipe}, parameters)
        random = RandomState(self._seed)
        return [draw(each, random) for each in law(case, self.declared(self._mistaken, FORMAT)).values()]


def draw(law: object, random: RandomState) -> Array:
    """A tensor that obeys the law, or a mask."""
    match law:
        case laws.Constant():
            return np.full(law.shape, law.value)
        case laws.Uniform():
            return random.uniform(-law.scale, law.scale, law.shape)
        case laws.Normal():
            return random.standard_normal(law.shape) * law.scale
        case laws.Padded():
            rows = draw(law.rows, random)
            rows[law.padding] = 0.0
            return rows
        case laws.Mask():
            return random.random_sample(law.find(np.ones(law.shape)).shape) < law.probability
        case Shared():
            return np.repeat(draw(law.one, random), law.side, law.axis)
    raise AssertionError(f"no draws from {law}")


def _holds(argument: Any, leaf: Any) -> bool:
    return any(part is leaf for part in argument) if isinstance(argument, tuple) else argument is leaf

"""Specs: what may be asked of a layer.

The directory ``specs`` is the registry: the file ``NAME.py`` holds the spec of the layer NAME.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from hypothesis.strategies import SearchStrategy

from conformance.case import Arguments, Case
from conformance.law import Law
from conformance.mistake import Mistake
from conformance.relation import Relation
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Actual

# Long sums that are an output, as opposed to a derivative, which goes by the name of its tensor.
OUTPUT = "output"


@dataclass(frozen=True)
class Refusal:
    """A call that must be refused, not answered with numbers, and the valid one that it is a slip away from.

    ``sentence`` says what is wrong with it.
    """

    sentence: str
    wrong: Arguments
    valid: Arguments


@dataclass(frozen=True)
class Spec:
    """What may be asked of one layer.

    ``source`` says where the layer is specified; ``arguments`` draws calls; ``observed`` finds in the outputs of a
    layer the tensors that it has drawn or chosen itself, such as a dropout mask. ``law`` gives for a call the laws of
    random outputs by name, and ``samples`` draws calls large enough to test them, where those of ``arguments`` are not.
    Derivatives are taken towards all floating-point tensors but the ``constants``, and through all outputs but the
    ``byproducts``, by number, for calls that ``differentiable`` draws, where that is not every call.
    ``sums`` tells which results are long sums of products of inputs, the first output (``OUTPUT``) or the derivative
    towards a tensor, and gives for each a call from a length, a number of samples (the first axis of the result) and a
    seed. Sums of different samples share none of the Gaussian inputs of which each has one for every term.
    ``refusals`` gives the slips that can be made in a call. ``carried`` names the tensors that a layer keeps from call
    to call, with the number of the output that is the next one; ``following`` draws from a call the next one, which has
    another input already, where more may change: its size, or whether it is in training.
    ``large`` draws large calls within a budget of multiply-adds, whose elements can be judged one by one; ``widths``
    gives, for a layer that reduces, a call from the number of elements that are reduced to one, and a seed.
    ``relations`` are computations that must agree, by name; ``exempt`` names those that hold for the layers of its
    family but not for this one, with the reason.
    ``mistakes`` are the classic ones, by name: the suite must reject each, and a failure that fits one says so.
    """

    source: str
    arguments: SearchStrategy[Arguments]
    observed: Callable[[Case, list[Actual]], Mapping[str, Array]] | None = None
    law: Callable[[Case, Declared], Mapping[str, Law]] | None = None
    samples: SearchStrategy[Arguments] | None = None
    constants: frozenset[str] = frozenset()
    carried: Mapping[str, int] = field(default_factory=dict)
    following: Callable[[Arguments], SearchStrategy[Arguments]] | None = None
    byproducts: frozenset[int] = frozenset()
    differentiable: SearchStrategy[Arguments] | None = None
    sums: Mapping[str, Callable[[int, int, int], Arguments]] = field(default_factory=dict)
    refusals: Callable[[Arguments], Iterable[Refusal]] | None = None
    large: Callable[[int], SearchStrategy[Arguments]] | None = None
    widths: Callable[[int, int], Arguments] | None = None
    relations: Mapping[str, Relation] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)

    def revealed(self, case: Case, outputs: list[Actual]) -> Mapping[str, Array] | None:
        """What is ``observed`` in these outputs, None of a layer that draws and chooses nothing."""
        return self.observed(case, outputs) if self.observed else None


@cache
def names() -> tuple[str, ...]:
    """The layers that have a spec, in alphabetical order."""
    import conformance.specs as directory

    return tuple(sorted(module.name for module in pkgutil.iter_modules(directory.__path__) if module.name[0] != "_"))


@cache
def spec(layer: str) -> Spec:
    """The spec of a layer. Raises ``KeyError`` for an unknown name."""
    if layer not in names():
        raise KeyError(f"unknown layer {layer!r}; known: {', '.join(names())}")
    found: Spec = importlib.import_module(f"conformance.specs.{layer}").SPEC
    return found

"""Classic mistakes: the wrong variants of a layer that implementations have been, each a small change of the right one.

A mistaken formula is a formula: it has the arguments and the outputs of the right one, and every arithmetic evaluates
it, so it has derivatives and permitted errors of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from conformance.case import Case
from conformance.law import Law
from conformance.target import Declared
from conformance.values import Array
from conformance.verdict import Actual
from oracle.evaluate import named
from oracle.formats import FORMATS
from oracle.scalar import Scalar, constant, detached, with_derivative_of
from oracle.tensor import Tensor, key, tensor

Formula: TypeAlias = Callable[..., Any]
Arguments: TypeAlias = Mapping[str, Any]  # of a formula, by name: tensors and parameters
Outputs: TypeAlias = Mapping[str, Tensor]


# What a mistake in rounding tells of an error: its size alone.
SIZE = "an error no larger than where"


def _unchanged(formula: Formula) -> Formula:
    return formula


@dataclass(frozen=True)
class Mistake:
    """What is wrong, in a ``sentence`` without an end, and how to make it.

    ``change`` makes the mistaken formula from the right one; ``compute`` gives from the storage format the one in which
    it is computed, where only that is wrong. Of a random layer that makes the mistake, ``law`` gives the laws, and
    ``observed`` finds what it has drawn, where they are not those of the spec. A ``convention`` is right elsewhere:
    implementations that follow it must declare it, as the ``policy`` of this name and value where it is one.
    """

    sentence: str
    change: Callable[[Formula], Formula] = _unchanged
    law: Callable[[Case, Declared], Mapping[str, Law]] | None = None
    observed: Callable[[Case, list[Actual]], Mapping[str, Array]] | None = None
    compute: Callable[[str], str] | None = None
    convention: bool = False
    policy: tuple[str, str] | None = None

    def named(self) -> str:
        """What is wrong, in words."""
        if self.compute:  # whatever the cause of an error is, this explains it where it is small enough
            return f"{SIZE} {self.sentence}"
        if not self.convention:
            return self.sentence
        how = "" if self.policy is None else " (policies: {} = {!r})".format(*self.policy)
        return f"the convention that {self.sentence}, which is not declared{how}"


def called(sentence: str, change: Callable[[Arguments], Arguments], convention: bool = False) -> Mistake:
    """The right formula, called with other arguments: ``change`` gives those that differ."""

    def of(formula: Formula) -> Formula:
        return lambda **given: formula(**{**given, **change(given)})

    return Mistake(sentence, of, convention=convention)


def followed(sentence: str, name: str, value: str) -> Mistake:
    """The right formula by another of the conventions that no call passes, which a target declares in ``policies``."""
    return replace(called(sentence, lambda given: {name: value}, convention=True), policy=(name, value))


def answered(sentence: str, change: Callable[[Outputs, Arguments], Outputs], convention: bool = False) -> Mistake:
    """The right formula, its answer changed: ``change`` gives from outputs and arguments the outputs that differ."""

    def of(formula: Formula) -> Formula:
        def mistaken(**given: Any) -> Outputs:
            outputs = named(formula(**given))
            return {**outputs, **change(outputs, given)}

        return mistaken

    return Mistake(sentence, of, convention=convention)


def instead(sentence: str, formula: Formula, convention: bool = False) -> Mistake:
    """A formula in place of the right one."""
    return Mistake(sentence, lambda _: formula, convention=convention)


def backward(mistake: Mistake) -> Mistake:
    """The mistake in derivatives alone: right values, with the derivatives of the wrong ones."""

    def of(formula: Formula) -> Formula:
        def mistaken(**given: Any) -> Outputs:
            wrong = named(mistake.change(formula)(**given))
            right = named(formula(**given))
            return {name: _with_slope(output, wrong[name]) for name, output in right.items()}

        return mistaken

    return Mistake(mistake.sentence, of)


def _with_slope(right: Tensor, wrong: Tensor) -> Tensor:
    return tensor(right.shape, lambda *index: with_derivative_of(right[key(index)], lambda: wrong[key(index)]))


# Common mistakes


def answers_zero(sentence: str, place: Callable[[tuple[int, ...], tuple[int, ...]], bool], output: str) -> Mistake:
    """Elements of an output are left zero: those whose index in the shape is such a ``place``."""

    def change(outputs: Outputs, given: Arguments) -> Outputs:
        right = outputs[output]
        return {output: mapped(right, lambda x, *index: constant(0.0) if index and place(index, right.shape) else x)}

    return answered(sentence, change)


def last_dropped(axis: int, what: str, output: str = "output") -> Mistake:
    """The end of an axis is not computed."""
    return answers_zero(f"{what} is left zero", lambda index, shape: index[axis] == shape[axis] - 1, output)


def tail_dropped(axis: int, what: str, width: int = 4, output: str = "output") -> Mistake:
    """What a loop over whole vectors leaves over is not computed."""
    sentence = f"{what} beyond the last multiple of {width} are left zero"
    return answers_zero(sentence, lambda index, shape: index[axis] >= shape[axis] // width * width, output)


def no_derivative(*tensors: str) -> Mistake:
    """Derivatives towards tensors are missing."""
    cut = called(f"no derivative reaches {' and '.join(tensors)}", lambda given: changed(given, constants, *tensors))
    return backward(cut)


def times_derivative(factor: float, *tensors: str) -> Mistake:
    """Derivatives towards tensors are multiplied."""
    sentence = f"the derivative towards {' and '.join(tensors)} is multiplied by {factor:g}"
    return backward(called(sentence, lambda given: changed(given, lambda x: sloped(x, factor), *tensors)))


def left_out(*tensors: str) -> Mistake:
    """Tensors that may be left out always are."""
    return called(f"{' and '.join(tensors)} is left out", lambda given: dict.fromkeys(tensors))


def _half(storage: str) -> str:
    return storage if FORMATS[storage].precision <= FORMATS["float16"].precision else "float16"


HALF = Mistake("every operation is rounded to half precision", compute=_half)


# Changes of tensors: of a tensor, None where it is left out, or several


def mapped(x: Any, of: Callable[..., Scalar]) -> Any:
    """The tensor of ``of(element, *index)``."""
    if isinstance(x, tuple):
        return tuple(mapped(part, of) for part in x)
    return None if x is None else tensor(x.shape, lambda *index: of(x[key(index)], *index))


def changed(given: Arguments, of: Callable[[Any], Any], *names: str) -> Arguments:
    """These arguments, each changed."""
    return {name: of(given[name]) for name in names}


def constants(x: Any) -> Any:
    """The same numbers, towards which no derivative is taken."""
    return mapped(x, lambda value, *_: detached(value))


def sloped(x: Any, factor: float) -> Any:
    """The same numbers, derivatives towards which are multiplied."""
    return mapped(x, lambda value, *_: with_derivative_of(value, lambda: value * factor))


def times(x: Any, factor: float) -> Any:
    """The numbers, multiplied."""
    return mapped(x, lambda value, *_: value * factor)


def reindexed(x: Any, of: Callable[..., tuple[int, ...]]) -> Any:
    """The tensor whose element at an index is the element at ``of(*index)``."""
    if isinstance(x, tuple):
        return tuple(reindexed(part, of) for part in x)
    return None if x is None else tensor(x.shape, lambda *index: x[key(of(*index))])


def flipped(x: Tensor, *axes: int) -> Tensor:
    """The tensor, read backwards along axes counted from the end."""

    def backwards(*index: int) -> tuple[int, ...]:
        return tuple(
            side - 1 - i if k - x.rank in axes else i for k, (i, side) in enumerate(zip(index, x.shape, strict=True))
        )

    found: Tensor = reindexed(x, backwards)
    return found


def without_last(x: Tensor, axis: int) -> Tensor:
    """The tensor without the end of an axis."""
    shape = list(x.shape)
    shape[axis] = max(shape[axis] - 1, 0)
    return tensor(shape, lambda *index: x[key(index)])


def last_zero(x: Tensor, axis: int) -> Tensor:
    """The tensor with zeros at the end of an axis."""
    found: Tensor = mapped(x, lambda value, *index: constant(0.0) if index[axis] == x.shape[axis] - 1 else value)
    return found


def misread(x: Tensor, *axes: int) -> Tensor:
    """The tensor whose storage is taken for that of the transposed one, whose axis k is ``axes[k]``."""

    def place(*index: int) -> tuple[int, ...]:
        number = 0
        for axis in axes:
            number = number * x.shape[axis] + index[axis]
        found = []
        for side in reversed(x.shape):
            number, i = divmod(number, side)
            found.append(i)
        return tuple(reversed(found))

    found: Tensor = reindexed(x, place)
    return found

"""Hypothesis strategies for shapes, values and parameters. Everything is built, nothing is filtered.

Sides spend a work budget, in multiply-adds: one side may be 513 while the others are 1 or 2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from conformance.case import Arguments, Case
from conformance.layouts import PLAIN, usual
from conformance.values import CLOSE, LATTICE, REGIMES, Indices, Recipe, TensorArgument, Values, leaves

# Multiply-adds of one example: about as long to judge (1 µs each) as Hypothesis takes to draw it.
BUDGET = 1500

# Primes, 2^k - 1, 2^k, 2^k + 1: around vector widths, tile sizes of kernels and short indices.
SIDES = (
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    11,
    13,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    129,
    255,
    256,
    257,
    511,
    512,
    513,
    768,
    769,
    1023,
    1024,
    1025,
    2047,
    2048,
    2049,
    4095,
    4096,
    4097,
    2**16 - 1,
    2**16,
    2**16 + 1,
    99991,
)

Shape = tuple[int, ...]
seeds = st.integers(0, 2**16)
# Regimes for one purpose: variances, recurrent weights, thresholds, rows without spread, masks.
_PARTICULAR = ("positive", "spread", "small", "steep", "constant", "mask", "ignored", "additive_mask", "few", "ends")
GENERAL = tuple(name for name in (*REGIMES, *CLOSE) if name not in _PARTICULAR)
_FAMILIES = (LATTICE, GENERAL)


@st.composite
def sides(draw: st.DrawFn, count: int, budget: int = BUDGET, *, most: int = 6, least: int = 1) -> Shape:
    """``count`` sides whose product fits the budget, mostly distinct, at times two of them equal or one of them long.

    Of a budget for large calls, one side or two take as much as they can.
    """
    found = draw(st.lists(st.integers(least, most), min_size=count, max_size=count, unique=count < most - least))
    if count > 1 and draw(st.integers(0, 5)) == 5:
        found[draw(st.integers(1, count - 1))] = found[0]
    if count and budget > BUDGET:
        long, room = draw(st.integers(1, 2)), budget
        for number, place in enumerate(draw(st.permutations(range(count)))):
            offered = [side for side in SIDES if least <= side <= room]
            if number < long and offered:
                some = st.sampled_from(offered) | st.sampled_from(offered[-8:])  # the longest leaves others nothing
                found[place] = draw(longest(offered, budget) if number else some)
            found[place] = max(min(found[place], room), least)
            room //= max(found[place], 1)
        return tuple(found)
    if count and draw(st.booleans()):
        place = draw(st.integers(0, count - 1))
        room = budget
        for side in found[:place] + found[place + 1 :]:
            room //= max(side, 1)
        longer = [side for side in SIDES if least <= side <= room]
        if longer:
            found[place] = draw(st.sampled_from(longer))
    return tuple(found)


def longest(offered: Sequence[int], budget: int) -> st.SearchStrategy[int]:
    """One of these sides; of a budget for large calls more often one of the longest, and the longest itself."""
    some = st.sampled_from(offered)
    return some | st.sampled_from(offered[-8:]) | st.just(offered[-1]) if budget > BUDGET else some


@st.composite
def batches(draw: st.DrawFn, most: int = 2, budget: int = 8) -> Shape:
    """Leading dimensions: none, one or several."""
    return draw(sides(draw(st.integers(0, most)), budget, most=3))


@st.composite
def shared(draw: st.DrawFn, budget: int, own: int) -> tuple[int, int]:
    """What leading dimensions may spend, and what that leaves: ``own`` and all, or any share of a large budget."""
    if budget <= BUDGET:
        return own, budget
    shares = [2**bits for bits in range(budget.bit_length())]
    first = draw(st.sampled_from((1, budget)) | st.sampled_from(shares))
    return first, budget // first


@st.composite
def filled(draw: st.DrawFn, shapes: Mapping[str, Shape | Sequence[Shape] | None]) -> dict[str, TensorArgument]:
    """Values for tensors of these shapes (a list of shapes is a tuple of tensors).

    Half of all draws are from the lattice of small integers throughout, where every sum is exact and the target must be
    right to the bit.
    """
    regimes = st.sampled_from(_FAMILIES[draw(st.integers(0, 1))])
    common = draw(regimes)

    def recipe(shape: Shape) -> Values:
        regime = common if draw(st.booleans()) else draw(regimes)
        return Values(tuple(shape), regime, draw(seeds))

    found: dict[str, TensorArgument] = {}
    for name, shape in shapes.items():
        if shape is None:
            found[name] = None
        elif isinstance(shape, tuple):
            found[name] = recipe(shape)
        else:
            found[name] = tuple(recipe(part) for part in shape)
    return found


def optional(shape: Shape) -> st.SearchStrategy[Shape | None]:
    """The shape of a tensor that may be left out."""
    return st.sampled_from([shape, None])


def call(tensors: Mapping[str, TensorArgument], **parameters: Any) -> Arguments:
    """The arguments of a call."""
    return Arguments(dict(tensors), parameters)


@st.composite
def arranged(
    draw: st.DrawFn, arguments: st.SearchStrategy[Arguments], layer: str, format: str, layouts: Sequence[str]
) -> Case:
    """Calls as cases; in half of them tensors lie in memory in any of these layouts."""
    found = draw(arguments)
    chosen: dict[str, str] = {}
    if draw(st.booleans()):
        for name, argument in found.tensors.items():
            if argument is not None:
                rank = max((len(leaf.shape) for leaf in leaves(argument)), default=0)
                chosen[name] = draw(st.sampled_from(usual(layouts, rank)))
    strange = {name: layout for name, layout in chosen.items() if layout != PLAIN}
    return Case(layer, format, found.tensors, found.parameters, strange)


def reseeded(case: Case) -> Case:
    """The same call on other numbers of the same regimes."""
    return replace(case, tensors={name: _other(argument) for name, argument in case.tensors.items()})


@st.composite
def edited(draw: st.DrawFn, before: Arguments, carried: Collection[str]) -> Arguments:
    """The call that follows: another input, at times other parameters; what is ``carried`` the call before has left."""
    first, *_ = before.tensors
    found = dict(before.tensors)
    for name, argument in before.tensors.items():
        if name == first or (name not in carried and draw(st.booleans())):
            found[name] = _other(argument)
    return Arguments(found, before.parameters)


def _other(argument: TensorArgument) -> TensorArgument:
    if isinstance(argument, tuple):
        return tuple(map(_renewed, argument))
    return argument and _renewed(argument)


def _renewed(recipe: Recipe) -> Recipe:
    return replace(recipe, seed=recipe.seed + 1) if isinstance(recipe, (Values, Indices)) else recipe

"""What the specs of normalisation layers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal
from conformance.specs._refusals import completed, mis_sized, shape_of, without_axes
from conformance.strategies import Shape, filled, seeds, sides
from conformance.values import TensorArgument, Values

# A large one shows a misplaced eps in every format.
EPS = st.sampled_from((1e-5, 0.5, 1e-3))

# Elements of one example: each costs about ten operations.
_BUDGET = 300

# Elements of the largest example: the statistics of a slice take all of it.
_MOST = 2**18


@st.composite
def extents(draw: st.DrawFn, least: int, most: int, budget: int = _BUDGET) -> Shape:
    """From ``least`` to ``most`` sides: small ones where there are many."""
    rank = draw(st.integers(least, most))
    return draw(sides(rank, budget, most=6 if rank < 4 else 4 if rank == 4 else 3))


def largest(budget: int) -> int:
    """The elements of a large example."""
    return min(budget, _MOST)


@st.composite
def tensors(draw: st.DrawFn, shapes: Mapping[str, Shape | None]) -> dict[str, TensorArgument]:
    """Values for these tensors. Some inputs are hard ones: a mean far above the spread, and constant rows."""
    found = draw(filled(shapes))
    # without a bias, a constant row leaves nothing to compare with
    hard = draw(st.sampled_from((None, None, "constant" if shapes["bias"] else None, "offset", None)))
    if hard and shapes["input"]:
        found["input"] = Values(shapes["input"], hard, draw(seeds))
    variance = shapes.get("running_var")
    if variance is not None:
        found["running_var"] = Values(variance, draw(st.sampled_from(("positive", "spread"))), draw(seeds))
    return found


@st.composite
def affine(draw: st.DrawFn, shape: Shape) -> dict[str, Shape | None]:
    """The shapes of weight and bias: both, neither, or one of them."""
    return {"weight": draw(st.sampled_from((shape, None))), "bias": draw(st.sampled_from((shape, None)))}


def in_use(mode: str, extent: Callable[[Shape], int]) -> Callable[[Arguments], st.SearchStrategy[Arguments]]:
    """The next call of a layer that keeps running statistics: of another batch, maybe empty, maybe in the other mode.

    ``mode`` names the parameter that says whether statistics are those of the batch; ``extent`` tells from the shape of
    the input how many values each of them is of.
    """

    @st.composite
    def following(draw: st.DrawFn, before: Arguments) -> Arguments:
        input, parameters = before.tensors["input"], dict(before.parameters)
        assert isinstance(input, Values)
        tracked = before.tensors["running_mean"] is not None
        counts = "num_batches_tracked" in parameters
        if counts and tracked and parameters[mode]:
            parameters["num_batches_tracked"] += 1
        parameters[mode] = not tracked or draw(st.sampled_from((True, True, False)))
        sizes = {input.shape[0], 1, 2, 3}
        # whether a batch without samples counts, where that matters, is documented nowhere
        able = sorted(sizes if parameters[mode] and counts and parameters["momentum"] is None else {*sizes, 0})
        samples = draw(st.sampled_from(able))
        if parameters[mode] and extent((samples, *input.shape[1:])) == 1:
            samples = 2  # the variance of a single value is refused
            parameters[mode] = extent((samples, *input.shape[1:])) > 1
        tensors = {**before.tensors, "input": replace(input, shape=(samples, *input.shape[1:]))}
        return Arguments(tensors, parameters)

    return following


def per_channel(call: Arguments, *statistics: str) -> Iterator[Refusal]:
    """Weight, bias and statistics that are not one number per channel."""
    channels = shape_of(call, "input")[1]
    names = ("weight", "bias", *statistics)
    for name in names:
        whole = completed(call, **dict.fromkeys(statistics if name in statistics else (name,), (channels,)))
        yield from mis_sized(whole, name)
    yield without_axes(call, "input", 1)

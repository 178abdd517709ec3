"""What the recurrent layers share: weights in torch's order, the sums of a gate, and the loop over time.

Time is stepped through in a loop, one sample at a time, so a long sequence needs no deep recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from oracle.formulas._shapes import require_at_least, require_rank
from oracle.scalar import (
    Scalar,
    accumulated,
    constant,
    dot,
    largest,
    reused,
    sigmoid,
    stored,
    tanh,
    total,
    with_derivative_of,
)
from oracle.tensor import Tensor, tensor

Row: TypeAlias = list[Scalar]
State: TypeAlias = tuple[Row, ...]  # h, and the c of an LSTM
Multiplied: TypeAlias = Callable[[Row, Row], Scalar]  # a vector and a row of weights to their product
Product: TypeAlias = tuple[Row, Row, Row]  # a vector, a row of weights, and its bias (empty: absent)


def summed(*products: Product, rest: Sequence[Scalar] = (), multiplied: Multiplied = dot) -> Scalar:
    """Σ (w · x + b) over the products, and the terms ``rest``.

    An implementation takes one of three ways: all terms in one sum, in any order; the same, of biases whose sum has
    been stored; or each product on its own, as one matrix product for all time steps gives it, which is ``multiplied``
    and stored, before its bias is added or after.
    """
    xs = [x for vector, _, _ in products for x in vector]
    ws = [w for _, row, _ in products for w in row]
    biases = [b for _, _, bias in products for b in bias]
    together = dot(xs, ws, *biases, *rest)
    merged = dot(xs, ws, stored(total(biases)), *rest) if len(biases) > 1 else together
    apart = total([*(_biased(stored(multiplied(x, w)), b) for x, w, b in products), *rest])
    # the bound of the larger error; the values, and so the derivatives, are the same
    return stored(with_derivative_of(largest([together, merged, apart]), lambda: together))


def with_one_bias(*products: Product, multiplied: Multiplied = dot) -> Scalar:
    """The same of an implementation that has one bias for all products, the stored sum of theirs: products, which have
    been stored, and it are added one by one.
    """
    biases = [b for _, _, bias in products for b in bias]
    if not biases:
        return summed(*products, multiplied=multiplied)
    parts = [stored(multiplied(x, w)) for x, w, _ in products]
    added = accumulated([*parts, stored(total(biases))])
    return stored(with_derivative_of(added, lambda: summed(*products, multiplied=multiplied)))


def _biased(product: Scalar, bias: Row) -> Scalar:
    return stored(total([product, *bias])) if bias else product


def sigmoid_by_tanh(x: Scalar) -> Scalar:
    """σ(x) = 1/2 + tanh(x / 2) / 2, which rounds where it is near 0."""
    return total([constant(0.5), 0.5 * tanh(0.5 * x)])


def tanh_by_sigmoid(x: Scalar) -> Scalar:
    """tanh(x) = 2 σ(2 x) − 1, which rounds where it is near 0."""
    return total([2.0 * sigmoid(2.0 * x), constant(-1)])


@dataclass(frozen=True)
class Unit:
    """One layer in one direction. Its weights hold a block of ``size`` rows for each gate; what is ``multiplied`` with
    them on its own is made so.
    """

    size: int
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    w_hr: Tensor | None
    multiplied: Multiplied = dot

    def rows(self, gate: int) -> range:
        """The rows of a gate's block."""
        return range(gate * self.size, (gate + 1) * self.size)

    def of_input(self, row: int, x: Row) -> Product:
        """W_ih x + b_ih in one row."""
        return x, self.w_ih[row, ...], [] if self.b_ih is None else [self.b_ih[row]]

    def of_state(self, row: int, h: Row) -> Product:
        """W_hh h + b_hh in one row."""
        return h, self.w_hh[row, ...], [] if self.b_hh is None else [self.b_hh[row]]

    def gate(
        self, gate: int, activation: Callable[[Scalar], Scalar], x: Row, h: Row, added: Callable[..., Scalar] = summed
    ) -> Row:
        """φ(W_ih x + b_ih + W_hh h + b_hh) in a gate's block; the terms are ``added``."""
        products = ((self.of_input(row, x), self.of_state(row, h)) for row in self.rows(gate))
        sums = (added(*pair, multiplied=self.multiplied) for pair in products)
        return [stored(activation(s)) for s in sums]

    def projected(self, h: Row) -> Row:
        """W_hr h, or h where nothing is projected."""
        w_hr = self.w_hr
        return h if w_hr is None else [stored(self.multiplied(h, w_hr[row, ...])) for row in range(w_hr.shape[0])]


Step: TypeAlias = Callable[[Unit, Row, State], State]


def recurrence(
    step: Step,
    gates: int,
    input: Tensor,
    initial: Mapping[str, Tensor | None],
    weights: Sequence[Tensor],
    *,
    num_layers: int,
    bias: bool,
    batch_first: bool,
    bidirectional: bool,
    proj_size: int = 0,
    multiplied: Multiplied = dot,
) -> list[Tensor]:
    """The states h of the last layer at every step, both directions joined, and the last states of every unit.

    ``step`` maps a unit, the input of a step and the states before it to the states after it; ``initial`` are the
    states before the first step by name, None for zeros. A layer above the first takes the states h of the layer below.
    """
    require_rank("input", input, 3)
    require_at_least(1, num_layers=(num_layers,))
    sequence = input.swapped(0, 1) if batch_first else input
    length, samples, width = sequence.shape
    directions = 1 + bidirectional
    units = _units(gates, weights, width, num_layers, directions, bias, proj_size, multiplied)
    sizes = (proj_size or units[0].size, units[0].size)[: len(initial)]
    for (name, state), size in zip(initial.items(), sizes, strict=True):
        expected = (len(units), samples, size)
        if state is not None and state.shape != expected:
            raise ValueError(f"{name} has the shape {state.shape}; it must be {expected}: units, batch, features")

    def run(number: int, sequence: Tensor) -> Tensor:
        """For every sample, the states of a unit: before the first step it takes, and after each."""
        backwards = number % directions

        def states(n: int) -> list[State]:
            found = [tuple(_begin(state, number, n, size) for state, size in zip(initial.values(), sizes, strict=True))]
            for t in reversed(range(length)) if backwards else range(length):
                before = tuple(_used(row) for row in found[-1])
                after = step(units[number], _used(sequence[t, n, ...]), before)
                found.append(tuple(list(map(reused, row)) for row in after))
            return found

        return tensor([samples], states)

    def joined(runs: Sequence[Tensor]) -> Tensor:
        """The states h of a layer at every step, those of the backward direction behind the others."""

        def h(t: int, n: int, place: int) -> Scalar:
            direction, j = divmod(place, sizes[0])
            return runs[direction][n][length - t if direction else t + 1][0][j]

        return tensor((length, samples, directions * sizes[0]), h)

    runs: list[Tensor] = []
    for layer in range(num_layers):
        runs.extend([run(layer * directions + direction, sequence) for direction in range(directions)])
        sequence = joined(runs[-directions:])

    def last(state: int) -> Tensor:
        return tensor((len(units), samples, sizes[state]), lambda number, n, j: runs[number][n][-1][state][j])

    return [sequence.swapped(0, 1) if batch_first else sequence, *map(last, range(len(sizes)))]


def _used(row: Row) -> Row:
    """Numbers that one step of one unit takes: the derivatives of this use are stored."""
    return [with_derivative_of(x, lambda x=x: stored(x)) for x in row]  # type: ignore[misc]


def _begin(state: Tensor | None, number: int, n: int, size: int) -> Row:
    """The state of a unit before the first step of a sample."""
    return [constant(0.0)] * size if state is None else list(state[number, n, ...])


def _units(
    gates: int,
    weights: Sequence[Tensor],
    width: int,
    num_layers: int,
    directions: int,
    bias: bool,
    proj_size: int,
    multiplied: Multiplied,
) -> list[Unit]:
    """The units layer by layer and direction by direction, the weights of each one after the other."""
    names = ["w_ih", "w_hh"] + ["b_ih", "b_hh"] * bias + ["w_hr"] * (proj_size > 0)
    count = num_layers * directions
    if not weights or len(weights) != count * len(names):
        raise ValueError(
            f"{len(weights)} weights; layers ({num_layers}) times directions ({directions}) need {count * len(names)}: "
            f"{', '.join(names)} of each"
        )
    size = weights[0].shape[0] // gates
    if not 0 <= proj_size < max(size, 1):
        raise ValueError(f"proj_size {proj_size} must be smaller than the hidden size {size}")
    rows, outputs = gates * size, proj_size or size
    units = []
    for number in range(count):
        shapes = {
            "w_ih": (rows, width if number < directions else directions * outputs),
            "w_hh": (rows, outputs),
            "b_ih": (rows,),
            "b_hh": (rows,),
            "w_hr": (outputs, size),
        }
        own = dict(zip(names, weights[number * len(names) :], strict=False))
        for name, weight in own.items():
            if weight.shape != shapes[name]:
                raise ValueError(
                    f"{name} of layer {number // directions}, direction {number % directions}, has the shape "
                    f"{weight.shape}; it must be {shapes[name]}"
                )
        found = Unit(size, own["w_ih"], own["w_hh"], own.get("b_ih"), own.get("b_hh"), own.get("w_hr"), multiplied)
        units.append(found)
    return units

"""The reverse arithmetic: numbers that remember how they were made, over any other arithmetic.

Over the exact arithmetic ``gradient`` gives exact derivatives; over the envelope arithmetic, derivatives with the error
that an implementation may commit. Contributions to one adjoint are summed in one order-free dot product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Self

from oracle.scalar import Arithmetic, Differentiable, Scalar

# The slope of erf at 0, 2 / sqrt(pi), to 210 bits.
_TWO_BY_ROOT_PI = Fraction("1.1283791670955125738961589031215451716881012586579977136881714434")
# The slope of a value that is stored: 1, and the derivative is stored as well.
_STORED = object()


class Node:
    """A value, and its parents with the derivative towards each.

    A derivative is a scalar of the base arithmetic, or the integers 1, -1 or 0.
    """

    __slots__ = ("parents", "rules", "value")

    def __init__(self, rules: Reverse, value: Scalar, parents: tuple[tuple[Node, Scalar], ...] = ()) -> None:
        self.rules = rules
        self.value = value
        self.parents = parents

    def __add__(self, other: Node | float) -> Node:
        if isinstance(other, Node):
            return Node(self.rules, self.value + other.value, ((self, 1), (other, 1)))
        return Node(self.rules, self.value + other, ((self, 1),))

    __radd__ = __add__

    def __sub__(self, other: Node | float) -> Node:
        if isinstance(other, Node):
            return Node(self.rules, self.value - other.value, ((self, 1), (other, -1)))
        return Node(self.rules, self.value - other, ((self, 1),))

    def __rsub__(self, other: float) -> Node:
        return Node(self.rules, other - self.value, ((self, -1),))

    def __mul__(self, other: Node | float) -> Node:
        if isinstance(other, Node):
            return Node(self.rules, self.value * other.value, ((self, other.value), (other, self.value)))
        return Node(self.rules, self.value * other, ((self, self.rules.base.lift(other)),))

    __rmul__ = __mul__

    def __truediv__(self, other: Node | float) -> Node:
        if isinstance(other, Node):
            quotient = self.value / other.value
            return Node(self.rules, quotient, ((self, 1.0 / other.value), (other, -(quotient / other.value))))
        return Node(self.rules, self.value / other, ((self, 1.0 / self.rules.base.lift(other)),))

    def __rtruediv__(self, other: float) -> Node:
        quotient = other / self.value
        return Node(self.rules, quotient, ((self, -(quotient / self.value)),))

    def __neg__(self) -> Node:
        return Node(self.rules, -self.value, ((self, -1),))


class Reused(Node):
    """A value to whose derivative its uses contribute one by one."""

    __slots__ = ()


class Reverse(Arithmetic):
    """Reverse-mode differentiation (Linnainmaa, 1976) over ``base``."""

    def __init__(self, base: Differentiable) -> None:
        self.base = base
        self.name = f"derivatives, {base.name}"

    def __enter__(self) -> Self:
        self.base.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.base.__exit__(kind, error, trace)

    def _node(self, value: Scalar, *parents: tuple[Node, Scalar]) -> Node:
        return Node(self, value, parents)

    def constants(self, make: Callable[[], list[Scalar]]) -> list[Scalar]:
        with self.base:
            return list(map(self._node, make()))

    def lift(self, value: float) -> Node:
        return self._node(self.base.lift(value))

    def constant(self, value: float | Fraction) -> Node:
        return self._node(self.base.constant(value))

    def total(self, terms: Sequence[Scalar]) -> Node:
        return self._node(self.base.total([t.value for t in terms]), *((t, 1) for t in terms))

    def accumulated(self, terms: Sequence[Scalar]) -> Node:
        return self._node(self.base.accumulated([t.value for t in terms]), *((t, 1) for t in terms))

    def dot(self, xs: Sequence[Scalar], ys: Sequence[Scalar], *rest: Scalar) -> Node:
        value = self.base.dot([x.value for x in xs], [y.value for y in ys], *(r.value for r in rest))
        factors = (pair for x, y in zip(xs, ys, strict=True) for pair in ((x, y.value), (y, x.value)))
        return self._node(value, *factors, *((r, 1) for r in rest))

    def exp(self, x: Scalar) -> Node:
        y = self.base.exp(x.value)
        return self._node(y, (x, y))

    def log(self, x: Scalar) -> Node:
        return self._node(self.base.log(x.value), (x, 1.0 / x.value))

    def sqrt(self, x: Scalar) -> Node:
        y = self.base.sqrt(x.value)
        return self._node(y, (x, 0.5 / y))

    def power(self, x: Scalar, exponent: Fraction | int) -> Node:
        slope = self.base.constant(exponent) * self.base.power(x.value, exponent - 1)
        return self._node(self.base.power(x.value, exponent), (x, slope))

    def tanh(self, x: Scalar) -> Node:
        y = self.base.tanh(x.value)
        kept = self.base.stored(y)
        return self._node(y, (x, 1.0 - kept * kept))

    def sigmoid(self, x: Scalar) -> Node:
        y = self.base.sigmoid(x.value)
        kept = self.base.stored(y)
        return self._node(y, (x, kept * (1.0 - kept)))

    def erf(self, x: Scalar) -> Node:
        slope = self.base.constant(_TWO_BY_ROOT_PI)
        return self._node(self.base.erf(x.value), (x, slope * self.base.exp(-(x.value * x.value))))

    def sin(self, x: Scalar) -> Node:
        return self._node(self.base.sin(x.value), (x, self.base.cos(x.value)))

    def cos(self, x: Scalar) -> Node:
        return self._node(self.base.cos(x.value), (x, -self.base.sin(x.value)))

    def absolute(self, x: Scalar) -> Node:
        signs = self.base.candidates([-x.value, x.value])
        slope = self.base.between(-1, 1) if len(signs) > 1 else (-1, 1)[signs[0]]
        return self._node(self.base.absolute(x.value), (x, slope))

    def largest(self, xs: Sequence[Scalar]) -> Node:
        """The derivative goes to the largest; where several may be that, to each of them any share of it."""
        values = [x.value for x in xs]
        places = self.base.candidates(values)
        slope = self.base.between(0, 1) if len(places) > 1 else 1
        return self._node(self.base.largest(values), *((xs[k], slope) for k in places))

    def descending(self, xs: Sequence[Scalar]) -> list[Scalar]:
        values = [x.value for x in xs]
        order = sorted(range(len(xs)), key=lambda k: self.base.value(values[k]), reverse=True)
        found = self.base.descending(values)
        return [self._node(value, (xs[k], 1)) for value, k in zip(found, order, strict=True)]

    def rectified(self, x: Scalar) -> Node:
        signs = self.base.candidates([self.base.lift(0.0), x.value])
        slope = self.base.between(0, 1) if len(signs) > 1 else signs[0]
        return self._node(self.base.rectified(x.value), (x, slope))

    def inside(self, x: Scalar, low: Fraction | int, high: Fraction | int) -> Node:
        return self._node(self.base.inside(x.value, low, high))  # a step: flat wherever it has a derivative

    def stored(self, x: Scalar) -> Node:
        """The derivative may be rounded to the storage format where the value may."""
        return self._node(self.base.stored(x.value), (x, _STORED))

    def detached(self, x: Scalar) -> Node:
        return self._node(x.value)

    def differential(self, x: Scalar) -> Node:
        return self._node(self.base.lift(0.0), (x, 1))

    def with_derivative_of(self, x: Scalar, y: Callable[[], Scalar]) -> Node:
        return self._node(x.value, (y(), 1))

    def reused(self, x: Scalar) -> Node:
        return Reused(self, x.value, ((x, 1),))

    def value(self, x: Scalar) -> float:
        return self.base.value(x.value)

    def gradient(
        self,
        outputs: Iterable[tuple[Node, Scalar]],
        inputs: Sequence[Node],
        scattered: Collection[Node] = (),
    ) -> list[Scalar]:
        """The derivative of the sum of output times cotangent, towards each input.

        Cotangents and results are scalars of the base arithmetic, which must be in force. Contributions to the
        derivative towards a ``scattered`` input, or one that is ``reused``, are added one by one to a stored number.
        """
        one_by_one = set(map(id, scattered))
        seeds = list(outputs)
        adjoints: dict[int, Scalar] = {}
        shares: dict[int, tuple[list[Scalar], list[Scalar], list[Scalar]]] = {}
        for node, cotangent in seeds:
            _share(shares, node)[2].append(cotangent)
        order = _ordered([node for node, _ in seeds])
        concerned = _above(inputs, order)
        for node in reversed(order):
            if id(node) not in concerned:
                continue
            factors, slopes, whole = shares.pop(id(node))
            if type(node) is Reused or id(node) in one_by_one:
                products = (self.base.dot([factor], [slope]) for factor, slope in zip(factors, slopes, strict=True))
                parts = list(map(self.base.stored, products))
                adjoint = self.base.accumulated([*parts, *whole])
            elif factors:
                adjoint = self.base.dot(factors, slopes, *whole)
            else:
                adjoint = self.base.total(whole) if len(whole) != 1 else whole[0]
            adjoints[id(node)] = adjoint
            for parent, slope in node.parents:
                if id(parent) not in concerned:
                    continue
                share = _share(shares, parent)
                if slope is _STORED:
                    share[2].append(self.base.stored(adjoint))
                elif type(slope) is int:
                    if slope:
                        share[2].append(adjoint if slope == 1 else -adjoint)
                else:
                    share[0].append(adjoint)
                    share[1].append(slope)
        return [adjoints[id(node)] if id(node) in adjoints else self.base.lift(0.0) for node in inputs]


def _share(
    shares: dict[int, tuple[list[Scalar], list[Scalar], list[Scalar]]], node: Node
) -> tuple[list[Scalar], list[Scalar], list[Scalar]]:
    return shares.setdefault(id(node), ([], [], []))


def _above(inputs: Iterable[Node], order: Iterable[Node]) -> set[int]:
    """The identities of the nodes that depend on an input. Of the others no derivative is needed."""
    found = set(map(id, inputs))
    for node in order:
        if any(id(parent) in found for parent, _ in node.parents):
            found.add(id(node))
    return found


def _ordered(roots: Sequence[Node]) -> list[Node]:
    """All nodes below the roots, parents before children. Iterative: a recurrence may be 10^5 nodes deep."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent, _ in node.parents if id(parent) not in seen)
    return order

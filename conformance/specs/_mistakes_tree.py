"""Classic mistakes of attention whose weights are lessened by links."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from conformance.mistake import Arguments, Mistake, called, instead, no_derivative, times
from conformance.specs._mistakes_attention import VALUE_MISREAD, common, rooted
from conformance.specs._mistakes_rowwise import not_normalised, sum_constant
from oracle.formulas import tree_attention
from oracle.formulas._softmax import Row
from oracle.scalar import Scalar, stored, total


def _joining(sentence: str, join: Callable[[Scalar, Scalar], Scalar]) -> Mistake:
    return instead(sentence, partial(tree_attention.written, join=join))


def _lessening(sentence: str, lessen: Callable[[int, Row, Row], Row], convention: bool = False) -> Mistake:
    return instead(sentence, partial(tree_attention.written, lessen=lessen), convention)


def _renormalised(i: int, weights: Row, closeness: Row) -> Row:
    products = {j: closeness[j] * a for j, a in weights.items()}
    whole = total(list(products.values()))
    return {j: stored(product / whole) for j, product in products.items()}


def _others(i: int, weights: Row, closeness: Row) -> Row:
    return {j: stored(closeness[j] * a) for j, a in weights.items() if j != i}


def _scaled(name: str, root: bool) -> Callable[[Arguments], Arguments]:
    """Times the root of the width, or times the width."""

    def change(given: Arguments) -> Arguments:
        x = given[name]
        width = x.shape[-1]
        return {name: rooted(x, width, inverse=False) if root else times(x, width)}

    return change


TREE_ATTENTION = {
    "mean": _joining("a link is the mean of what both say", lambda p, q: (p + q) / 2.0),
    "product": _joining("a link is the product of what both say, not its root", lambda p, q: p * q),
    "one_way": _joining("a link is what the first of the two says", lambda p, q: p),
    "renormalised": _lessening("the weights are divided by their sum once more", _renormalised),
    "not_itself": _lessening(
        "a place has no weight for itself, nearly as in the authors' code", _others, convention=True
    ),
    "unlinked": _lessening("the weights are not lessened", lambda i, weights, closeness: weights),
    "below_ignored": called(
        "the links of the layer below are ignored", lambda given: {"links": times(given["links"], 0.0)}
    ),
    "link_scale_by_root": called("the links are divided by √D, not by D", _scaled("link_query", root=True)),
    "link_scale_missing": called("the products for links are not scaled", _scaled("link_query", root=False)),
    "scale_missing": called("the scores are not scaled", _scaled("query", root=True)),
    "not_normalised": instead(
        "the weights are not divided by their sum", partial(tree_attention.written, weigh=not_normalised)
    ),
    "sum_constant": instead(
        "no derivative goes through the sum of the weights", partial(tree_attention.written, weigh=sum_constant)
    ),
    "no_link_derivative": no_derivative("link_query", "link_key"),
    "value_misread": VALUE_MISREAD,
    **common("query", "value"),
}

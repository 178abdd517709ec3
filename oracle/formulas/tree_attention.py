"""Tree-structured attention: weights are smaller the weaker the links between the two places are.

Source: the document, line 1379; Wang, Lee and Chen 2019, Tree Transformer: Integrating Tree Structures into
Self-Attention. The authors' code has 10⁻⁹ in roots and logarithms, 256 for the width of the links, and next to
no weight of a place for itself.
"""

from __future__ import annotations

from collections.abc import Callable

from oracle.formulas._attention import Weights, inverse_root, require_fitting, scaled_score, softmax_rows, weighted
from oracle.formulas._shapes import require_shape
from oracle.formulas._softmax import Row, softmax_row
from oracle.scalar import Scalar, constant, dot, sqrt, stored
from oracle.tensor import Tensor, tensor
from oracle.tensor import key as place_of


def tree_attention(
    query: Tensor, key: Tensor, value: Tensor, link_query: Tensor, link_key: Tensor, links: Tensor
) -> dict[str, Tensor]:
    """Σ_j C_ij a_ij v_j, a = softmax(Q Kᵀ / √E), C_ij the product of the links l′ between i and j.

    l′_k = l_k + (1 − l_k) √(p_k,k+1 p_k+1,k), p_k the softmax of r_k · s_k±1 / D over the neighbours of k. query q and
    key k (*, N, E), value v (*, N, Ev), link_query r and link_key s (*, N, D), links l of the layer below (*, N − 1),
    zeros where it is the first. Returns output (*, N, Ev) and links l′ (*, N − 1). Raises ``ValueError`` where a shape
    does not fit.
    """
    return written(query, key, value, link_query, link_key, links)


def _root_of_product(p: Scalar, q: Scalar) -> Scalar:
    return sqrt(stored(p * q))


def _lessened(i: int, weights: Row, closeness: Row) -> Row:
    return {j: stored(closeness[j] * a) for j, a in weights.items()}


def written(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    link_query: Tensor,
    link_key: Tensor,
    links: Tensor,
    join: Callable[[Scalar, Scalar], Scalar] = _root_of_product,
    lessen: Callable[[int, Row, Row], Row] = _lessened,
    weigh: Callable[[Row], Row] = softmax_row,
) -> dict[str, Tensor]:
    """The same, where ``join`` makes a link of how much two places are drawn to each other.

    ``lessen`` makes the weights of a place of those that ``weigh`` makes of its scores and of the products of links.
    """
    require_fitting(query, key, value)
    *batch, count, _ = query.shape
    require_shape("key", key, *query.shape)
    width = link_query.shape[-1]
    require_shape("link_query", link_query, *batch, count, width)
    require_shape("link_key", link_key, *batch, count, width)
    require_shape("links", links, *batch, count - 1)

    def chosen(*place: int) -> Row:
        """How much a place is drawn to either neighbour."""
        *b, k = place
        neighbours = [j for j in (k - 1, k + 1) if 0 <= j < count]
        products = {j: stored(dot(link_query[*b, k, ...], link_key[*b, j, ...])) for j in neighbours}
        return softmax_row({j: stored(product / width) for j, product in products.items()})

    drawn = tensor((*batch, count), chosen)

    def link(*place: int) -> Scalar:
        *b, k = place
        below, here, there = links[place_of(place)], drawn[place_of(place)], drawn[place_of((*b, k + 1))]
        joined = stored(join(here[k + 1], there[k]))
        return stored(dot([stored(1.0 - below)], [joined], below))

    found = tensor((*batch, count - 1), link)
    scores = scaled_score(query, inverse_root(query.shape[-1]), key)
    plain = softmax_rows((*batch, count, count), scores, weigh=weigh)
    one = constant(1.0)

    def row(*place: int) -> Row:
        *b, i = place
        linked = found[*b, ...]
        closeness: Row = {i: one}
        for j in range(i + 1, count):
            closeness[j] = closeness[j - 1] * linked[j - 1]
        for j in reversed(range(i)):
            closeness[j] = closeness[j + 1] * linked[j]
        return lessen(i, plain.rows[*place,], closeness)

    return {"output": weighted(Weights(tensor((*batch, count), row), None), value), "links": found}

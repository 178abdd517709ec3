"""Additive attention.

Source: the document, lines 1466-1506; with a query, Bahdanau et al. 2015, appendix A.1.2.
"""

from collections.abc import Callable
from functools import partial

from oracle.formulas._attention import pooled
from oracle.formulas._shapes import require_shape
from oracle.formulas._softmax import Row, productwise_row, softmax_row
from oracle.formulas.linear import linear
from oracle.formulas.linear import stepwise as linear_stepwise
from oracle.scalar import Scalar, dot, stored, tanh
from oracle.tensor import Tensor, tensor


def additive_attention(
    input: Tensor,
    value: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    v: Tensor,
    query: Tensor | None = None,
    weight_query: Tensor | None = None,
) -> dict[str, Tensor]:
    """s_i = vᵀ tanh(W h_i + b [+ U q]), a = softmax(s), output Σ a_i x_i.

    input h (*, S, n), value x (*, S, Ev), weight W (d, n), bias b (d) or None, v (d); with a query
    q (*, m) also weight_query U (d, m). Returns output (*, Ev) and weights (*, S).
    """
    return written(linear, input, value, weight, bias, v, query, weight_query)


def written(
    layer: Callable[..., Tensor],
    input: Tensor,
    value: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    v: Tensor,
    query: Tensor | None = None,
    weight_query: Tensor | None = None,
    weigh: Callable[[Row], Row] = softmax_row,
) -> dict[str, Tensor]:
    """The same, its projection of the input written as ``layer``; ``weigh`` makes weights of scores."""
    if (query is None) != (weight_query is None):
        raise ValueError("query and weight_query come together")
    states = layer(input, weight, bias)
    require_shape("v", v, weight.shape[0])
    require_shape("value", value, *input.shape[:-1], value.shape[-1])
    asked = None if query is None or weight_query is None else linear(query, weight_query)

    if asked is not None:
        require_shape("the projected query", asked, *states.shape[:-2], states.shape[-1])

    def energy(*index: int) -> Scalar:
        *batch, _, d = index
        if asked is None:
            return stored(tanh(states[index]))
        return stored(tanh(stored(states[index] + asked[*batch, d])))

    energies = tensor(states.shape, energy)
    output, weights = pooled(lambda *place: dot(energies[*place, ...], v[...]), value, weigh)
    return {"output": output, "weights": weights}


# The same numbers in other orders of operations.
stepwise = partial(written, linear_stepwise)
productwise = partial(stepwise, weigh=productwise_row)

"""Classic mistakes of blocks: attention, what is added to it, normalised and transformed."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.mistake import (
    HALF,
    Arguments,
    called,
    instead,
    last_dropped,
    left_out,
    mapped,
    misread,
    no_derivative,
    tail_dropped,
    times_derivative,
    without_last,
)
from oracle.formulas import set_attention as sets
from oracle.formulas.linear import linear
from oracle.scalar import Scalar, constant, sqrt
from oracle.tensor import Tensor, tensor


def _as_it_is(input: Tensor, *rest: Any, **parameters: Any) -> Tensor:
    return input


def _projected_kept(**given: Any) -> Tensor:
    packed, packed_bias = given["in_proj_weight"], given["in_proj_bias"]
    width = packed.shape[1]
    weight = tensor((width, width), lambda o, i: packed[o, i])
    bias = None if packed_bias is None else tensor([width], lambda o: packed_bias[o])
    return sets.written(**given, kept=lambda input: linear(input, weight, bias))


def _scaled_by_model(given: Arguments) -> Arguments:
    width, heads = given["input"].shape[-1], given["num_heads"]

    def smaller(x: Scalar, row: int, *_: int) -> Scalar:
        return x / sqrt(constant(heads)) if row < width else x

    return {name: mapped(given[name], smaller) for name in ("in_proj_weight", "in_proj_bias")}


SET_ATTENTION = {
    "projected_kept": instead("the projected queries are added, as in the authors' code", _projected_kept),
    "scale_by_model": called("the scores are divided by √E, not by √(E/H), as in the authors' code", _scaled_by_model),
    "input_dropped": instead("the elements are not added to what they find", partial(sets.written, kept=None)),
    "hidden_dropped": instead(
        "the normalised elements are not added to what is made of them", partial(sets.written, kept_again=False)
    ),
    "first_not_normalised": instead("the first normalisation is left out", partial(sets.written, first=_as_it_is)),
    "second_not_normalised": instead("the second normalisation is left out", partial(sets.written, second=_as_it_is)),
    "not_rectified": instead("what is made of the elements is not rectified", partial(sets.written, rectify=_as_it_is)),
    "norms_exchanged": called(
        "the parameters of the normalisations are exchanged",
        lambda given: {
            f"norm_{this}_{kind}": given[f"norm_{other}_{kind}"]
            for this, other in ((1, 2), (2, 1))
            for kind in ("weight", "bias")
        },
    ),
    "of_itself": called("the elements attend to themselves", lambda given: {"context": given["input"]}),
    "weight_transposed": called("weight is read transposed", lambda given: {"weight": misread(given["weight"], 1, 0)}),
    "output_bias_missing": left_out("out_proj_bias"),
    "last_key": called(
        "the last element of the context is left out", lambda given: {"context": without_last(given["context"], -2)}
    ),
    "no_context_derivative": no_derivative("context"),
    "last_element": last_dropped(-2, "the last element"),
    "tail": tail_dropped(-1, "features"),
    "half": HALF,
    "derivative_twice": times_derivative(2.0, "norm_1_weight"),
}

"""The target jax: what it knows of JAX and flax is so, and functions over JAX's arrays can be held to a layer."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import pytest

from conformance import Case, Deviation, Status, Unavailable, Upstream, Values, check, examine, load, target_of

try:
    JAX = load("jax")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

import jax.numpy as jnp
from flax import linen as nn

KNOWN = JAX.known


@pytest.mark.parametrize("deviation", KNOWN, ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}")
def test_a_reproducer_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    program, _, said = deviation.reproducer.rpartition("\n# ")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    assert output.getvalue().strip() == said


@pytest.mark.parametrize(("width", "status"), [(1, Status.KNOWN), (2, Status.PASS)])
def test_large_products_that_end_the_process_are_not_put_to_it(width: int, status: Status) -> None:
    tensors = {name: Values((64, width)) for name in ("query", "key", "value")}
    assert examine(JAX, Case("dot_product_attention", "bfloat16", tensors)).status is status


@pytest.mark.parametrize(("kernel", "status"), [(4, Status.KNOWN), (5, Status.PASS)])
def test_derivatives_that_end_the_process_are_not_put_to_it(kernel: int, status: Status) -> None:
    tensors = {"input": Values((1, 3, 3)), "weight": Values((1, 1, 2, kernel)), "bias": None}
    parameters = {"stride": (1, 2), "padding": (0, kernel - 1), "output_padding": (0, 0), "dilation": (1, 1)}
    upstream = Upstream(("weight",), "integers")
    case = Case("conv_transpose2d", "float32", tensors, {**parameters, "groups": 1}, upstream=upstream)
    assert examine(JAX, case, "gradient").status is status


@pytest.mark.parametrize("extra", [-1, 2])
def test_an_output_padding_that_is_negative_or_reaches_the_stride_is_refused(extra: int) -> None:
    transposed = JAX.layer("conv_transpose2d")
    assert transposed is not None
    with pytest.raises(ValueError, match="output_padding"):
        transposed(jnp.ones((1, 2, 2)), jnp.ones((1, 1, 2, 2)), stride=(2, 2), output_padding=(0, extra))


@pytest.mark.parametrize(("name", "shape"), [("attn_mask", (1, 4)), ("in_proj_bias", (10,))])
def test_a_mask_or_bias_that_the_adapter_would_repeat_or_cut_is_refused(name: str, shape: tuple[int, ...]) -> None:
    attention = JAX.layer("multi_head_attention")
    assert attention is not None
    shapes = {"in_proj_weight": (9, 3), "in_proj_bias": (9,), "out_proj_weight": (3, 3), "out_proj_bias": (3,)}
    tensors = {part: jnp.ones(side) for part, side in shapes.items()} | {"attn_mask": jnp.zeros((2, 4), bool)}
    tensors[name] = jnp.ones(shape, tensors[name].dtype)
    with pytest.raises(ValueError, match=name):
        attention(jnp.ones((1, 2, 3)), *[jnp.ones((1, 4, 3))] * 2, **tensors, num_heads=3, need_weights=False)


def layer_norm(input: Any, weight: Any, bias: Any, *, normalized_shape: Sequence[int], eps: float) -> Any:
    """nn.LayerNorm with its default variance, E[x²] − E[x]²."""
    axes = tuple(range(-len(normalized_shape), 0))
    module = nn.LayerNorm(
        eps, use_bias=bias is not None, use_scale=weight is not None, reduction_axes=axes, feature_axes=axes
    )
    given = {"scale": weight, "bias": bias}
    return module.apply({"params": {name: x for name, x in given.items() if x is not None}}, input)


def test_the_default_variance_of_flax_is_further_off_than_rounding_explains() -> None:
    case = Case(
        "layer_norm",
        "float32",
        {"input": Values((4, 16), "offset"), "weight": None, "bias": None},
        {"normalized_shape": (16,), "eps": 1e-5},
    )
    assert examine(target_of(layer_norm, layer="layer_norm", extends="jax"), case).status is Status.FAIL
    assert examine(JAX, case).status is Status.PASS


def test_a_function_over_arrays_of_jax_is_held_to_its_values_and_derivatives() -> None:
    kinds = {"checks": ["forward", "gradient", "worked"], "formats": ["float32"]}
    check(lambda x: jnp.maximum(x, 0), layer="relu", extends="jax", **kinds)
    with pytest.raises(AssertionError, match=r"tanh in float32 \(forward\) does not conform"):
        check(lambda x: x / (1 + abs(x)), layer="tanh", extends="jax", **kinds)

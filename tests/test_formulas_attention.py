"""Attention agrees with torch, masks and parameters far from their defaults."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from torch.nn import functional

from conformance import Case, Declared, Special, Status, Upstream, Values, examine, load
from conformance.expectation import expect_gradients
from conformance.values import Literal
from oracle.envelope import EnvelopeArithmetic
from oracle.evaluate import evaluate, gradients, lifted
from oracle.exact import Exact
from oracle.fast import Fast
from oracle.formats import float16, float32, float64
from oracle.formulas.scaled_dot_product_attention import split_scale
from oracle.outcomes import Outcomes
from oracle.tensor import Tensor

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array | None]
# Tensors, parameters, and the layer on torch tensors: (output,) or (output, weights).
Call = tuple[Arrays, dict[str, Any], Callable[..., tuple[torch.Tensor, ...]]]


@st.composite
def arrays(draw: st.DrawFn, *shape: int) -> Array:
    """Float32 numbers: small integers, or Gaussian of three sizes."""
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    size = draw(st.sampled_from([0.0, 0.1, 1.0, 3.0]))
    if size == 0.0:
        return random.integers(-2, 3, shape).astype(np.float32)
    return (size * random.standard_normal(shape)).astype(np.float32)


@st.composite
def booleans(draw: st.DrawFn, *shape: int) -> Array:
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    return random.random(shape) < draw(st.sampled_from([0.2, 0.8]))


@st.composite
def additive(draw: st.DrawFn, *shape: int) -> Array:
    return np.where(draw(booleans(*shape)), draw(arrays(*shape)), np.float32(-np.inf))


batches = st.lists(st.integers(1, 3), max_size=2)
sides = st.integers(1, 9)


@st.composite
def scaled(draw: st.DrawFn) -> Call:
    groups, sharing = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    length, keys, width = draw(sides), draw(sides), draw(sides)
    causal = draw(st.booleans())
    shape = draw(st.sampled_from([(length, keys), (1, keys), (2, 1, length, keys)]))
    masks = st.none() if causal else st.none() | booleans(*shape) | additive(*shape)
    tensors: Arrays = {
        "query": draw(arrays(2, groups * sharing, length, width)),
        "key": draw(arrays(2, groups, keys, width)),
        "value": draw(arrays(2, groups, keys, draw(sides | st.just(width)))),
        "attn_mask": draw(masks),
    }
    parameters = {
        "is_causal": causal,
        # a negative scale turns the causal mask of torch 2.13 on a CPU into NaN
        "scale": draw(st.sampled_from([None, 0.5, 0.3, 2.0] + [-0.7] * (not causal))),
        "enable_gqa": True,
    }
    return tensors, parameters, lambda **a: (functional.scaled_dot_product_attention(**a),)


@st.composite
def multi_head(draw: st.DrawFn) -> Call:
    heads, size, samples = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    width, length, keys = heads * size, draw(sides), draw(sides)
    bias = draw(st.booleans())
    shape = draw(st.sampled_from([(length, keys), (samples * heads, length, keys)]))
    kind = draw(st.sampled_from([booleans, additive]))
    tensors: Arrays = {
        "query": draw(arrays(samples, length, width)),
        "key": draw(arrays(samples, keys, width)),
        "value": draw(arrays(samples, keys, width)),
        "in_proj_weight": draw(arrays(3 * width, width)),
        "in_proj_bias": draw(arrays(3 * width)) if bias else None,
        "out_proj_weight": draw(arrays(width, width)),
        "out_proj_bias": draw(arrays(width)) if bias else None,
        "key_padding_mask": draw(st.none() | kind(samples, keys)),
        "attn_mask": draw(st.none() | kind(*shape)),
    }
    need, average = draw(st.booleans()), draw(st.booleans())

    def torch_layer(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None,
        attn_mask: torch.Tensor | None,
        **learnt: Any,
    ) -> tuple[torch.Tensor, ...]:
        kinds: dict[str, Any] = {"bias": bias, "batch_first": True, "dtype": query.dtype}
        layer = torch.nn.MultiheadAttention(width, heads, **kinds)
        named = {k.replace("out_proj_", "out_proj."): v for k, v in learnt.items()}
        given = {k: v for k, v in named.items() if v is not None}
        masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
        returns = {"need_weights": need, "average_attn_weights": average}
        found = torch.func.functional_call(layer, given, (query, key, value), masks | returns)
        return tuple(x.detach() for x in found if x is not None)

    parameters = {
        "num_heads": heads,
        "need_weights": need,
        "average_attn_weights": average,
        # without weights torch takes its fused kernel, which gives zeros
        "fully_masked": "nan" if need else "zero",
    }
    return tensors, parameters, lambda **a: torch_layer(**{k: v for k, v in a.items() if k not in parameters})


def attended(scores: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor]:
    return (torch.softmax(scores, -1) @ value,)


@st.composite
def plain(draw: st.DrawFn, layer: str) -> Call:
    batch, length, keys, width, other = draw(batches), *(draw(sides) for _ in range(4))
    parameters: dict[str, Any] = {}
    if layer == "local_attention":
        parameters["window"] = draw(st.integers(0, 4))
        length = keys
    tensors: Arrays = {
        "query": draw(arrays(*batch, length, width)),
        "key": draw(arrays(*batch, keys, other if layer == "global_attention" else width)),
        "value": draw(arrays(*batch, keys, draw(sides))),
    }
    if layer == "global_attention":
        tensors["weight"] = draw(arrays(width, other))

    def torch_layer(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        weight: torch.Tensor | None = None,
        window: int | None = None,
    ) -> tuple[torch.Tensor, ...]:
        if window is None:
            return attended((query if weight is None else query @ weight) @ key.mT, value)
        places = torch.arange(keys)
        far = (places[:, None] - places).abs() > window
        return attended((query @ key.mT / math.sqrt(width)).masked_fill(far, -torch.inf), value)

    return tensors, parameters, torch_layer


@st.composite
def projected(draw: st.DrawFn, cross: bool) -> Call:
    batch, n, d, out = draw(batches), draw(sides), draw(sides), draw(sides)
    m = draw(sides) if cross else n
    tensors: Arrays = {
        "input": draw(arrays(*batch, draw(sides), n)),
        "weight_q": draw(arrays(n, d)),
        "weight_k": draw(arrays(m, d)),
        "weight_v": draw(arrays(m, out)),
    }
    if cross:
        tensors["context"] = draw(arrays(*batch, draw(sides), m))

    def torch_layer(
        input: torch.Tensor,
        weight_q: torch.Tensor,
        weight_k: torch.Tensor,
        weight_v: torch.Tensor,
        context: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        seen = input if context is None else context
        scores = (input @ weight_q) @ (seen @ weight_k).mT / math.sqrt(d)
        return attended(scores, seen @ weight_v)

    return tensors, {}, torch_layer


@st.composite
def pooling(draw: st.DrawFn) -> Call:
    batch, keys, n, d, m = draw(batches), *(draw(sides) for _ in range(4))
    asked = draw(st.booleans())
    tensors: Arrays = {
        "input": draw(arrays(*batch, keys, n)),
        "value": draw(arrays(*batch, keys, draw(sides))),
        "weight": draw(arrays(d, n)),
        "bias": draw(st.none() | arrays(d)),
        "v": draw(arrays(d)),
        "query": draw(arrays(*batch, m)) if asked else None,
        "weight_query": draw(arrays(d, m)) if asked else None,
    }

    def torch_layer(
        input: torch.Tensor,
        value: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        v: torch.Tensor,
        query: torch.Tensor | None,
        weight_query: torch.Tensor | None,
    ) -> tuple[torch.Tensor, ...]:
        states = functional.linear(input, weight, bias)
        if query is not None and weight_query is not None:
            states = states + functional.linear(query, weight_query)[..., None, :]
        weights = torch.softmax(torch.tanh(states) @ v, -1)
        return (weights[..., None, :] @ value)[..., 0, :], weights

    return tensors, {}, torch_layer


CASES: dict[str, st.SearchStrategy[Call]] = {
    "scaled_dot_product_attention": scaled(),
    "multi_head_attention": multi_head(),
    "dot_product_attention": plain("dot_product_attention"),
    "local_attention": plain("local_attention"),
    "global_attention": plain("global_attention"),
    "self_attention": projected(cross=False),
    "cross_attention": projected(cross=True),
    "additive_attention": pooling(),
}
layers = pytest.mark.parametrize("layer", CASES)
often = settings(max_examples=30, deadline=None)


def by_torch(call: Call, dtype: torch.dtype) -> list[torch.Tensor]:
    tensors, parameters, torch_layer = call
    arguments = {
        k: None if v is None else torch.tensor(v, dtype=torch.bool if v.dtype == bool else dtype)
        for k, v in tensors.items()
    }
    return list(torch_layer(**arguments, **parameters))


def outputs(layer: str, call: Call) -> list[Tensor]:
    """The outputs, as torch rounds them on a CPU: there the scale may be split between Q and K."""
    tensors, parameters, _ = call
    arguments: dict[str, Any] = {k: None if v is None else lifted(v) for k, v in tensors.items()}
    if layer == "scaled_dot_product_attention":
        return [split_scale(**arguments, **parameters)]
    return list(evaluate(layer, tensors, parameters).values())


@layers
@often
@given(st.data())
def test_torch_in_float32_stays_within_the_bound(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    theirs = by_torch(call, torch.float32)
    with EnvelopeArithmetic(float32):
        for ours, x in zip(outputs(layer, call), theirs, strict=True):
            assert ours.shape == x.shape
            for element, y in zip(ours.elements(), x.flatten().tolist(), strict=True):
                assert math.isnan(element) == math.isnan(y)
                assert math.isnan(y) or abs(float(element) - y) <= element.bound


@layers
@often
@given(st.data())
def test_torch_in_float64_stays_within_the_bound_of_the_truth(layer: str, data: st.DataObject) -> None:
    call = data.draw(CASES[layer])
    theirs = [x.flatten().tolist() for x in by_torch(call, torch.float64)]
    with EnvelopeArithmetic(float64):
        bounds = [[e.bound for e in x.elements()] for x in outputs(layer, call)]
    exact = Exact()
    with exact:
        tensors, parameters, _ = call
        truths = evaluate(layer, tensors, parameters).values()
        for truth, found, permitted in zip(truths, theirs, bounds, strict=True):
            for element, y, bound in zip(truth.elements(), found, permitted, strict=True):
                if element.is_nan():
                    assert math.isnan(y)
                else:
                    high, low, radius = exact.split(element)
                    assert abs((y - high) - low) <= bound + radius


def test_a_score_that_is_stored_is_rounded() -> None:
    """2049 is none of float16's numbers."""
    tensors = {"query": np.array([[1.0]]), "key": np.array([[2049.0], [2048.0]]), "value": np.array([[1.0], [0.0]])}
    with EnvelopeArithmetic(float32, float16):
        fused, unfused = (
            evaluate("scaled_dot_product_attention", tensors, {"scale": 1.0}, way)["output"][0, 0].bound
            for way in (None, "unfused")
        )
    assert fused < 0.01 < unfused


def test_a_weight_made_from_its_logarithm_is_off_by_what_rounding_leaves_of_that() -> None:
    """That of the second key's weight is -12, between 8 and 16, so that half a unit of it is 8 units of 1."""
    tensors = {"query": np.array([[1.0]]), "key": np.array([[12.0], [0.0]]), "value": np.array([[0.0], [1.0]])}
    with EnvelopeArithmetic(float32):
        by_logarithm, documented = (
            evaluate("scaled_dot_product_attention", tensors, {"scale": 1.0}, way)["output"][0, 0].bound
            for way in ("by_logarithm", None)
        )
    assert 8 < (by_logarithm - documented) / (math.exp(-12) * float32.unit) < 16


def elements(layer: str, tensors: Arrays, **parameters: Any) -> list[float]:
    with Fast():
        return list(map(float, evaluate(layer, tensors, parameters)["output"].elements()))


ROW: Arrays = {
    "query": np.zeros((1, 1)),
    "key": np.zeros((2, 1)),
    "value": np.array([[3.0], [6.0]]),
}


@pytest.mark.parametrize(
    ("layer", "algorithm"),
    [
        ("dot_product_attention", "stepwise"),
        ("additive_attention", "productwise"),
        ("cross_attention", "productwise"),
        ("dot_product_attention", "productwise"),
        ("global_attention", "productwise"),
        ("multi_head_attention", "productwise"),
        ("self_attention", "productwise"),
    ],
)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_products_that_are_stored_have_the_same_derivatives(layer: str, algorithm: str, data: st.DataObject) -> None:
    tensors, parameters, _ = data.draw(CASES[layer])

    def cotangent(output: int, shape: tuple[int, ...]) -> Array | None:
        return None if output else np.random.default_rng(3).standard_normal(shape)

    def elements(by: str | None) -> list[Any]:
        (found,) = gradients(layer, tensors, parameters, [next(iter(tensors))], cotangent, by).values()
        return found.elements()

    with Exact(512):
        assert all(one.overlaps(other) for one, other in zip(elements(None), elements(algorithm), strict=True))


@pytest.mark.parametrize("mask", [np.array([[False, False]]), np.array([[-np.inf, -np.inf]])])
@pytest.mark.parametrize(("policy", "expected"), [("zero", 0.0), ("mean", 4.5), ("nan", math.nan)])
def test_a_query_that_sees_no_key_follows_the_policy(mask: Array, policy: str, expected: float) -> None:
    found = elements("scaled_dot_product_attention", ROW | {"attn_mask": mask}, fully_masked=policy)
    np.testing.assert_equal(found, [expected])


def test_a_hidden_key_may_hold_anything() -> None:
    tensors = ROW | {"value": np.array([[3.0], [np.inf]]), "attn_mask": np.array([True, False])}
    assert elements("scaled_dot_product_attention", tensors) == [3.0]


def test_causal_masks_align_at_either_corner() -> None:
    random = np.random.default_rng(3)
    query, key = random.standard_normal((2, 3)), random.standard_normal((4, 3))
    value = random.standard_normal((4, 2))
    for alignment, offset in (("top_left", 0), ("bottom_right", 2)):
        hidden = np.triu(np.full((2, 4), -np.inf), 1 + offset)
        expected = softmax(query @ key.T / math.sqrt(3) + hidden, axis=-1) @ value
        found = elements(
            "scaled_dot_product_attention",
            {"query": query, "key": key, "value": value},
            is_causal=True,
            causal_alignment=alignment,
        )
        np.testing.assert_allclose(found, expected.ravel(), rtol=1e-13)


def test_positions_are_encoded_as_vaswani_writes() -> None:
    embeddings = np.random.default_rng(4).standard_normal((2, 7, 5))
    angles = np.arange(7)[:, None] / 10000.0 ** (2 * np.array([0, 0, 1, 1, 2]) / 5)
    expected = embeddings + np.where(np.arange(5) % 2 == 0, np.sin(angles), np.cos(angles))
    found = elements("positional_encoding", {"input": embeddings})
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"is_causal": True, "attn_mask": np.array([True, True])}, "exclude each other"),
        ({"is_causal": True, "causal_alignment": "right"}, "causal_alignment is 'right'"),
        ({"fully_masked": "one"}, "fully_masked is 'one'"),
    ],
)
def test_what_does_not_fit_is_refused(parameters: dict[str, Any], message: str) -> None:
    mask = {k: v for k, v in parameters.items() if k == "attn_mask"}
    rest = {k: v for k, v in parameters.items() if k != "attn_mask"}
    with pytest.raises(ValueError, match=message):
        elements("scaled_dot_product_attention", ROW | mask, **rest)


def test_in_one_pass_the_weighted_values_may_overflow() -> None:
    layer = "scaled_dot_product_attention"
    large = {**ROW, "value": np.full((2, 1), float32.largest)}
    with Outcomes(float32):
        online, documented = (evaluate(layer, large, {}, a)["output"].elements()[0] for a in ("online", None))
    assert math.inf in online
    assert math.inf not in documented


def test_derivatives_of_the_scores_may_be_scaled_before_they_are_summed() -> None:
    """They cancel in the sum over two keys that are nearly the same: by 5 digits, which the scale has rounded."""
    tensors = {
        "input": Values((1, 1)),
        "context": Values((2, 1), "near_ties"),
        **{name: Values((1, 2)) for name in ("weight_k", "weight_v")},
        "weight_q": Values((1, 2), "sparse"),
    }
    names = ("input", "context", "weight_q", "weight_k", "weight_v")
    case = Case("cross_attention", "float64", {name: tensors[name] for name in names}, upstream=Upstream(names))
    verdict = examine(load("torch-cpu"), case, "gradient")
    assert verdict.status is Status.PASS
    assert verdict.ratio < 0.5


def test_the_derivatives_of_every_use_of_an_input_are_stored() -> None:
    """Queries, keys and values pass on theirs in turn: of one number here 0.25 and -0.195, in bfloat16."""
    tensors = {
        "input": Values((4, 257), "one_hot", 25229),
        "weight_q": Values((257, 1), "sparse", 141),
        "weight_k": Values((257, 1), "small", 512),
        "weight_v": Values((257, 5), "ramp", 2439),
    }
    case = Case("self_attention", "bfloat16", tensors, upstream=Upstream(tuple(tensors), "few", 740))
    assert examine(load("torch-cpu"), case, "gradient").status is Status.PASS


@pytest.mark.parametrize("format", ["float64", "float32", "bfloat16"])
def test_a_score_may_overflow_before_it_is_scaled_behind_a_mask_too(format: str) -> None:
    sides = (2, 1, 1, 3)
    tensors = {
        "query": Special(Values(sides), (1, 0, 0, 0), (1, 1, 1, 1), "largest"),
        "key": Values((2, 1, 2, 3)),
        "value": Values((2, 1, 2, 3)),
        "attn_mask": Values((1, 1, 1, 2), "mask"),
    }
    case = Case("scaled_dot_product_attention", format, tensors, {"scale": 0.25})
    assert examine(load("torch-cpu"), case, "special").status is Status.PASS


def test_products_of_bfloat16_matrices_may_take_subnormal_weights_for_zeros() -> None:
    names = ("input", "weight_q", "weight_k", "weight_v")
    shapes, seeds = ((2, 769, 6, 5), (5, 1), (5, 1), (5, 2)), (343, 202, 3311, 3832)
    regimes = ("integers", "one_hot", "integers", "integers")
    tensors = {name: Values(*recipe) for name, *recipe in zip(names, shapes, regimes, seeds, strict=True)}
    case = Case("self_attention", "bfloat16", tensors)
    assert examine(load("torch-cpu"), case, "large").status is Status.PASS


def test_recomputed_weights_may_be_powers_of_2() -> None:
    scores = np.linspace(-9.0, 9.0, 64, dtype=np.float32).reshape(64, 1, 1)  # each of one query and one key
    case = Case(
        "scaled_dot_product_attention",
        "float32",
        {
            "query": Literal(scores.shape, tuple(map(float, scores.ravel()))),
            "key": Literal(scores.shape, (1.0,) * 64),
            "value": Values((64, 1, 1)),
            "attn_mask": None,
        },
        {"scale": 1.0, "is_causal": False},
        upstream=Upstream(("value",), "gaussian"),
    )
    assert case.upstream is not None
    upstream = case.upstream.cotangent(0, scores.shape, "float32")
    (expected,) = expect_gradients(case, Declared("float32", algorithm="recomputed"), ())
    shift = scores * np.float32(math.log2(math.e))
    weights = np.exp(scores - shift * np.float32(math.log(2.0)))  # 1, but for the roundings of the shift
    assert weights.min() < 1.0 < weights.max()
    assert expected.high == pytest.approx(upstream, rel=1e-13)
    assert (np.abs((weights - 1.0) * upstream) <= expected.bound).all()
    # six roundings of a score, in the numerator and below: two exponents, two of the shift, the sum, the difference
    assert (expected.bound <= 2.0**-24 * (16.0 + 2 * 6 * np.abs(scores)) * np.abs(upstream)).all()


@pytest.mark.parametrize("best", [0, 1])
def test_the_key_that_rounding_may_make_the_best_is_taken_by_hard_attention(best: int) -> None:
    """The other scores 1, which is the nearest number of float32 to 1 + 2^-30."""
    keys = [[1.0, 0.0], [1.0, 0.0]]
    keys[best][1] = 2.0**-30
    tensors = {"query": np.ones((1, 2)), "key": np.array(keys), "value": np.array([[0.0], [8.0]])}
    with EnvelopeArithmetic(float32):
        (found,) = evaluate("hard_attention", tensors, {})["output"].elements()
    assert float(found) - found.bound <= 0.0
    assert float(found) + found.bound >= 8.0


@pytest.mark.parametrize(("is_causal", "first"), [(False, (0 + 1 + 2) / 3), (True, (0 + 0 + 1) / 3)])
def test_a_causal_convolution_ends_at_the_position(is_causal: bool, first: float) -> None:
    """Three taps of equal weight, around the position or before it."""
    tensors = {"input": np.array([[1.0], [2.0], [3.0]]), "weight": np.zeros((1, 3, 1))}
    assert elements("dynamic_convolutional_attention", tensors, is_causal=is_causal)[0] == pytest.approx(first)


def test_a_tap_two_places_before_feeds_back_the_weight_of_two_keys_before() -> None:
    """The weights before are 1, 0, 0; the first of five taps finds the 1 from the third key, which scores tanh(1)."""
    one, none, nothing = np.ones((1, 1)), np.zeros((3, 1)), np.zeros((1, 1))
    tensors: Arrays = {
        **{"query": none[:1], "key": none, "value": np.array([[0.0], [0.0], [1.0]])},
        **{"initial": np.array([1.0, 0.0, 0.0]), "weight_query": nothing, "weight_key": nothing},
        **{"kernel": np.array([[1.0, 0.0, 0.0, 0.0, 0.0]]), "weight_location": one, "bias": None, "v": np.ones(1)},
    }
    power = math.exp(math.tanh(1.0))
    assert elements("feedback_attention", tensors) == pytest.approx([power / (2 + power)])


def test_dual_attention_weighs_channels_by_their_products() -> None:
    """Of one pixel with the channels 1 and 2, whose products are 1, 2 and 4."""
    none, nothing = np.zeros((1, 2)), np.zeros(1)
    tensors: Arrays = {
        **{"input": np.array([1.0, 2.0]).reshape(2, 1, 1), "weight_query": none, "weight_key": none},
        **{"weight_value": np.zeros((2, 2)), "alpha": nothing, "beta": np.ones(1)},
    }
    shares = [1 / (1 + math.exp(-1.0)), 1 / (1 + math.exp(-2.0))]  # of the second channel
    assert elements("dual_attention", tensors) == pytest.approx([2 + 1 + shares[0], 4 + 1 + shares[1]])

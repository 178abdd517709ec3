"""Kinds of attention: plain torch conforms, and each formula is what another formulation of the same thing gives."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from attention_kinds import KINDS
from scipy.ndimage import map_coordinates
from scipy.special import softmax

from conformance import Status, checks, load, spec
from conformance.checking import lenient
from conformance.run import run
from oracle.evaluate import evaluate
from oracle.fast import Fast
from oracle.formulas import formula

Array = np.ndarray[Any, Any]
TARGET = load("tests/attention_kinds.py")

# Few: each check of each layer in each format draws other cases.
EXAMPLES = 5

# What is asked in every format; the other checks depend on it less.
NUMERICAL = ("forward", "gradient", "relation", "special")
ASKED = [
    (layer, format, kind)
    for layer in sorted(KINDS)
    for format in TARGET.formats
    for kind in checks.asked(layer)
    if kind in NUMERICAL or format == "float32"
]


@pytest.mark.parametrize(("layer", "format", "kind"), ASKED, ids=lambda part: part)
def test_plain_torch_conforms(layer: str, format: str, kind: str) -> None:
    with lenient():
        tally = run(TARGET, layer, format, kind, EXAMPLES)
    assert tally.failure is None
    assert tally.counts[Status.PASS]


def test_the_kinds_are_the_layers_that_torch_lacks() -> None:
    library = load("torch-cpu")
    assert not [layer for layer in KINDS if library.layer(layer)]
    assert set(KINDS) <= set(spec.names())


# Other formulations


def gaussian(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def computed(layer: str, *tensors: Array | None, output: str = "output", **parameters: Any) -> Array:
    """An output of a formula, in binary64."""
    names = inspect.signature(formula(layer)).parameters
    with Fast():
        found = evaluate(layer, dict(zip(names, tensors, strict=False)), parameters)[output]
        return np.array(found.elements(), dtype=float).reshape(found.shape)


def projected(scores: Array) -> Array:
    """The nearest point of the simplex: of those on each of its faces, the nearest that has no negative coordinate."""
    points = []
    for size in range(1, len(scores) + 1):
        for face in map(list, itertools.combinations(range(len(scores)), size)):
            point = np.zeros(len(scores))
            point[face] = scores[face] - (scores[face].sum() - 1.0) / size
            points.append(point)
    return min(
        (point for point in points if point.min() >= 0.0), key=lambda point: float(((point - scores) ** 2).sum())
    )


@pytest.mark.parametrize("seed", range(5))
def test_sparsemax_is_the_projection_onto_the_simplex(seed: int) -> None:
    query, key, value = gaussian(seed, 3, 2), gaussian(seed + 50, 6, 2), np.eye(6)
    expected = [projected(scores) for scores in query @ key.T]
    np.testing.assert_allclose(computed("sparsemax_attention", query, key, value), expected, atol=1e-14)


def soft(scores: Array) -> Array:
    found: Array = softmax(scores, axis=-1)
    return found


def test_hard_attention_is_the_limit_of_soft_attention() -> None:
    query, key, value = gaussian(1, 4, 3), gaussian(2, 7, 3), gaussian(3, 7, 2)
    found = computed("hard_attention", query, key, value)
    np.testing.assert_allclose(found, soft(1e6 * query @ key.T) @ value, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_linear_attention_is_the_quadratic_form_of_its_kernel(causal: bool) -> None:
    query, key, value = gaussian(1, 5, 3), gaussian(2, 5, 3), gaussian(3, 5, 2)
    features = [np.where(x > 0, x + 1.0, np.exp(x)) for x in (query, key)]
    kernel = features[0] @ features[1].T * (np.tri(5) if causal else 1.0)
    found = computed("linear_attention", query, key, value, is_causal=causal, eps=0.25)
    np.testing.assert_allclose(found, kernel @ value / (kernel.sum(-1, keepdims=True) + 0.25), rtol=1e-13)


def test_content_attention_depends_on_directions_alone_where_vectors_are_long() -> None:
    query, key, value, strength = (
        gaussian(1, 4, 3),
        gaussian(2, 6, 3),
        gaussian(3, 6, 2),
        np.array([0.0, 1.0, 3.0, 9.0]),
    )
    directions = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (query, key)]
    expected = soft(strength[:, None] * (directions[0] @ directions[1].T)) @ value
    lengths = np.linspace(1.0, 3.0, 6)[:, None]
    for longer in (1e5 * key, 1e5 * lengths * key):
        np.testing.assert_allclose(
            computed("content_attention", 1e5 * query, longer, value, strength), expected, atol=1e-9
        )


def test_location_attention_is_dot_product_attention_to_keys_that_are_the_places() -> None:
    query, value, weight = gaussian(1, 4, 3), gaussian(2, 5, 2), gaussian(3, 8, 3)
    expected = computed("dot_product_attention", query, weight[:5], value)
    np.testing.assert_allclose(computed("location_attention", query, value, weight), expected, rtol=1e-13)


def test_fine_grained_attention_is_additive_attention_for_every_feature() -> None:
    query, key, value = gaussian(1, 2, 3), gaussian(2, 5, 4), gaussian(3, 5, 3)
    weight_query, weight_key, weight = gaussian(4, 6, 3), gaussian(5, 6, 4), gaussian(6, 3, 6)
    found = computed("fine_grained_attention", query, key, value, weight_query, weight_key, weight)
    for i, e in itertools.product(range(2), range(3)):
        alone = computed("additive_attention", key, value[:, [e]], weight_key, None, weight[e], query[i], weight_query)
        np.testing.assert_allclose(found[i, e], alone[0], rtol=1e-13)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("taps", [1, 2, 3, 4])
def test_dynamic_convolutional_attention_is_a_product_with_a_band(causal: bool, taps: int) -> None:
    """Row i of the matrix of a channel has the kernel of position i, the taps beyond its ends cut off."""
    input, weight = gaussian(1, 5, 6), gaussian(2, 3, taps, 6)
    kernels = soft(np.einsum("lc,htc->lht", input, weight))
    first = -taps + 1 if causal else -(taps // 2)
    expected = np.zeros((5, 6))
    for c in range(6):
        band = np.zeros((5, 5))
        for i, t in itertools.product(range(5), range(taps)):
            if 0 <= i + first + t < 5:
                band[i, i + first + t] = kernels[i, c // 2, t]
        expected[:, c] = band @ input[:, c]
    found = computed("dynamic_convolutional_attention", input, weight, is_causal=causal)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adaptive_attention_is_one_softmax_over_regions_and_sentinel() -> None:
    regions, sentinel, query = gaussian(1, 5, 3), gaussian(2, 3), gaussian(3, 2)
    weights = [gaussian(4, 4, 3), gaussian(5, 4, 3), gaussian(6, 4, 2)]
    v = gaussian(7, 4)
    states = [*(weights[0] @ x for x in regions), weights[1] @ sentinel]
    shares = soft(np.array([v @ np.tanh(state + weights[2] @ query) for state in states]))
    given = (regions, sentinel, query, *weights, v)
    np.testing.assert_allclose(computed("adaptive_attention", *given, output="weights"), shares, rtol=1e-12)
    expected = shares @ np.vstack([regions, sentinel])
    np.testing.assert_allclose(computed("adaptive_attention", *given), expected, rtol=1e-12)


def test_multi_step_attention_is_dot_product_attention_to_keys_that_are_read_with_embeddings() -> None:
    states, embedding, keys, added = gaussian(1, 3, 2), gaussian(2, 3, 4), gaussian(3, 6, 4), gaussian(4, 6, 4)
    weight, bias = gaussian(5, 4, 2), gaussian(6, 4)
    queries = np.array([weight @ state + bias + g for state, g in zip(states, embedding, strict=True)])
    read = [sum(a * (z + e) for a, z, e in zip(soft(keys @ query), keys, added, strict=True)) for query in queries]
    found = computed("multi_step_attention", states, embedding, keys, added, weight, bias)
    np.testing.assert_allclose(found, read, rtol=1e-12)


def test_co_attention_compares_every_place_with_every_other() -> None:
    x, z, affinity = gaussian(1, 4, 3), gaussian(2, 5, 2), gaussian(3, 2, 3)
    w, v, attend, attend_other = gaussian(4, 6, 3), gaussian(5, 6, 2), gaussian(6, 6), gaussian(7, 6)
    seen = [[np.tanh(t @ affinity @ n) for t in z] for n in x]
    scores = [
        attend @ np.tanh(w @ n + sum(c * (v @ t) for c, t in zip(row, z, strict=True)))
        for n, row in zip(x, seen, strict=True)
    ]
    others = [
        attend_other @ np.tanh(v @ t + sum(row[k] * (w @ n) for n, row in zip(x, seen, strict=True)))
        for k, t in enumerate(z)
    ]
    given = (x, z, affinity, w, v, attend, attend_other)
    np.testing.assert_allclose(computed("co_attention", *given), soft(np.array(scores)) @ x, rtol=1e-12)
    found = computed("co_attention", *given, output="other_output")
    np.testing.assert_allclose(found, soft(np.array(others)) @ z, rtol=1e-12)


def test_interactive_attention_has_the_mean_of_all_scores_between_two_places() -> None:
    x, z, weight, weight_other = gaussian(1, 4, 3), gaussian(2, 5, 2), gaussian(3, 3, 2), gaussian(4, 2, 3)
    bias, bias_other = np.array([0.5]), np.array([-0.25])
    given = (x, z, weight, bias, weight_other, bias_other)
    for output, values, asking, w, b in (
        ("output", x, z, weight, bias),
        ("other_output", z, x, weight_other, bias_other),
    ):
        pairs = np.einsum("ne,ef,tf->nt", values, w, asking)
        expected = soft(np.tanh(pairs.mean(1) + b)) @ values
        np.testing.assert_allclose(computed("interactive_attention", *given, output=output), expected, rtol=1e-12)


def test_feedback_attention_convolves_the_weights_of_the_query_before() -> None:
    query, key, value, before = gaussian(1, 4, 2), gaussian(2, 5, 3), gaussian(3, 5, 2), np.full(5, 0.2)
    w, v, u = gaussian(4, 6, 2), gaussian(5, 6, 3), gaussian(6, 6, 2)
    kernel, bias, attend = gaussian(7, 2, 3), gaussian(8, 6), gaussian(9, 6)
    given = (query, key, value, before, w, v, kernel, u, bias, attend)
    expected = []
    for q in query:
        # numpy flips the second factor of a convolution
        located = np.array([np.convolve(before, taps[::-1], mode="same") for taps in kernel])
        before = soft(
            np.array([attend @ np.tanh(w @ q + v @ k + u @ f + bias) for k, f in zip(key, located.T, strict=True)])
        )
        expected.append(before)
    np.testing.assert_allclose(computed("feedback_attention", *given, output="weights"), expected, rtol=1e-12)
    np.testing.assert_allclose(computed("feedback_attention", *given), expected @ value, rtol=1e-12)


def stopping(stops: Array) -> Array:
    """The probabilities to stop at every key, query by query, by following every way that the queries may go."""
    found = np.zeros(stops.shape)

    def follow(i: int, begin: int, probability: float) -> None:
        if i == len(stops):
            return
        for j in range(begin, stops.shape[1]):
            found[i, j] += probability * stops[i, j]
            follow(i + 1, j, probability * stops[i, j])
            probability *= 1.0 - stops[i, j]

    follow(0, 0, 1.0)
    return found


def test_monotonic_attention_expects_what_queries_do_that_stop_by_chance() -> None:
    query, key = gaussian(1, 4, 3), gaussian(2, 5, 3)
    expected = stopping(1.0 / (1.0 + np.exp(-query @ key.T)))
    assert (expected.sum(-1) < 1.0).all()
    np.testing.assert_allclose(computed("monotonic_attention", query, key, np.eye(5)), expected, rtol=1e-12)


def test_structured_attention_is_the_mean_over_all_selections() -> None:
    query, key, transition = gaussian(1, 3, 2), gaussian(2, 5, 2), gaussian(3, 2, 2)
    chains = np.array([*itertools.product((0, 1), repeat=5)])
    links = transition[chains[:, :-1], chains[:, 1:]].sum(-1)
    expected = soft(query @ key.T @ chains.T + links) @ chains
    found = computed("structured_attention", query, key, np.eye(5), transition)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("window", [0, 1, 3])
def test_global_local_attention_takes_the_keys_that_each_query_may_see(window: int) -> None:
    own, second = ([gaussian(10 * n + k, 7, size) for k, size in enumerate((2, 2, 3))] for n in (1, 2))
    is_global = np.array([False, True, False, False, False, True, False])
    expected = []
    for i in range(7):
        query, key, value = second if is_global[i] else own
        seen = [j for j in range(7) if is_global[i] or is_global[j] or i - window <= j <= i + window]
        expected.append(soft(key[seen] @ query[i] / np.sqrt(2.0)) @ value[seen])
    found = computed("global_local_attention", *own, *second, is_global, window=window)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_dual_stream_attention_goes_on_position_by_position() -> None:
    content, query = gaussian(1, 5, 3), gaussian(2, 5, 3)
    weight_q, weight_k, weight_v = gaussian(3, 3, 4), gaussian(4, 3, 4), gaussian(5, 3, 2)
    order, passed = [3, 0, 4, 1, 2], list[int]()
    before, expected = np.zeros((5, 5), dtype=bool), np.zeros((2, 5, 2))
    for i in order:
        before[i, passed] = True
        for number, (asking, seen) in enumerate(((content[i], [*passed, i]), (query[i], [*passed]))):
            scores = content[seen] @ weight_k @ (asking @ weight_q) / 2.0
            expected[number, i] = soft(scores) @ content[seen] @ weight_v if seen else 0.0
        passed.append(i)
    for number, name in enumerate(("content", "query")):
        found = computed("dual_stream_attention", content, query, weight_q, weight_k, weight_v, before, output=name)
        np.testing.assert_allclose(found, expected[number], rtol=1e-12)


def test_differential_attention_is_the_difference_of_two_attentions() -> None:
    pairs = [(gaussian(k, 4, 3), gaussian(k + 2, 6, 3)) for k in (1, 5)]
    value = gaussian(9, 6, 2)
    one, other = (computed("scaled_dot_product_attention", *pair, value) for pair in pairs)
    found = computed("differential_attention", *pairs[0], value, *pairs[1], factor=0.75)
    np.testing.assert_allclose(found, one - 0.75 * other, rtol=1e-12, atol=1e-14)


def test_tree_attention_lessens_every_weight_by_the_links_between() -> None:
    query, key, value = gaussian(1, 5, 3), gaussian(2, 5, 3), gaussian(3, 5, 2)
    ask, answer, below = gaussian(4, 5, 2), gaussian(5, 5, 2), np.array([0.0, 0.25, 0.5, 1.0])
    products = np.exp(ask @ answer.T / 2.0)
    drawn = {
        (i, j): products[i, j] / sum(products[i, k] for k in (i - 1, i + 1) if 0 <= k < 5)
        for i in range(5)
        for j in (i - 1, i + 1)
        if 0 <= j < 5
    }
    joined = np.array([np.sqrt(drawn[k, k + 1] * drawn[k + 1, k]) for k in range(4)])
    links = below + (1.0 - below) * joined
    logarithms = np.concatenate([[0.0], np.log(links).cumsum()])
    closeness = np.exp(-np.abs(logarithms[:, None] - logarithms))
    given = (query, key, value, ask, answer, below)
    np.testing.assert_allclose(computed("tree_attention", *given, output="links"), links, rtol=1e-12)
    expected = closeness * soft(query @ key.T / np.sqrt(3.0)) @ value
    np.testing.assert_allclose(computed("tree_attention", *given), expected, rtol=1e-12)


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


ADJACENCY = np.random.default_rng(8).random((5, 5)) < 0.4


def test_graph_attention_is_a_softmax_over_the_neighbours_of_every_node() -> None:
    nodes, weight, vectors = gaussian(1, 5, 4), gaussian(2, 2, 3, 4), gaussian(3, 2, 6)
    expected = np.zeros((5, 6))
    for i, h in itertools.product(range(5), range(2)):
        seen = [j for j in range(5) if ADJACENCY[i, j] or j == i]
        projected = nodes @ weight[h].T
        scores = np.array([leaky(vectors[h] @ np.concatenate([projected[i], projected[j]])) for j in seen])
        expected[i, 3 * h : 3 * h + 3] = soft(scores) @ projected[seen]
    found = computed("graph_attention", nodes, weight, vectors[:, :3], vectors[:, 3:], ADJACENCY)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_dynamic_graph_attention_projects_the_two_nodes_side_by_side() -> None:
    nodes, weight, attend = gaussian(1, 5, 4), gaussian(2, 3, 8), gaussian(3, 3)
    expected = np.zeros((5, 3))
    for i in range(5):
        seen = [j for j in range(5) if ADJACENCY[i, j] or j == i]
        scores = np.array([attend @ leaky(weight @ np.concatenate([nodes[i], nodes[j]])) for j in seen])
        expected[i] = soft(scores) @ (nodes[seen] @ weight[:, 4:].T)
    halves = weight[None, :, :4], weight[None, :, 4:]
    found = computed("dynamic_graph_attention", nodes, *halves, attend[None], ADJACENCY)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("across", [False, True])
def test_relational_graph_attention_weighs_edges_within_or_across_relations(across: bool) -> None:
    nodes, weight = gaussian(1, 5, 4), gaussian(2, 2, 1, 3, 4)
    own, others = gaussian(3, 2, 1, 3), gaussian(4, 2, 1, 3)
    adjacency = np.random.default_rng(5).random((2, 5, 5)) < 0.4
    expected = np.zeros((5, 3))
    for i in range(5):
        edges = [(r, j) for r in range(2) for j in range(5) if adjacency[r, i, j]]
        for group in [edges] if across else [[edge for edge in edges if edge[0] == r] for r in range(2)]:
            values = np.array([weight[r, 0] @ nodes[j] for r, j in group]).reshape(-1, 3)
            scores = [
                leaky(own[r, 0] @ weight[r, 0] @ nodes[i] + others[r, 0] @ weight[r, 0] @ nodes[j]) for r, j in group
            ]
            expected[i] += soft(np.array(scores)) @ values if group else 0.0
    found = computed("relational_graph_attention", nodes, weight, own, others, adjacency, across=across)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_only_dynamic_graph_attention_lets_nodes_rank_their_neighbours_differently() -> None:
    everything, unit = np.ones((4, 4), dtype=bool), np.eye(4)[None]
    nodes = gaussian(5, 4, 4)
    attend, other = gaussian(6, 1, 4), gaussian(7, 1, 4)

    def favourites(mixed: Array) -> set[int]:
        """The nodes with the largest weights: values are the nodes, which are independent."""
        return set((mixed @ np.linalg.inv(nodes)).argmax(-1).tolist())

    assert len(favourites(computed("graph_attention", nodes, unit, attend, other, everything))) == 1
    dynamic = (computed("dynamic_graph_attention", nodes, unit, unit, gaussian(k, 1, 4), everything) for k in range(9))
    assert max(len(favourites(mixed)) for mixed in dynamic) > 1


def test_a_hop_of_memory_attention_adds_dot_product_attention() -> None:
    query, memory_in, memory_out = gaussian(1, 3), gaussian(2, 6, 3), gaussian(3, 6, 3)
    state = query
    for hops in (1, 2, 3):
        state = state + computed("dot_product_attention", state[None], memory_in, memory_out)[0]
        found = computed("memory_attention", query, memory_in, memory_out, hops=hops)
        np.testing.assert_allclose(found, state, rtol=1e-12)


def test_hierarchical_attention_weighs_every_word_by_the_products_of_both_levels() -> None:
    words = gaussian(1, 3, 4, 2)
    weights, biases, contexts = (gaussian(k, 2, *shape) for k, shape in ((2, (5, 2)), (3, (5,)), (4, (5,))))
    lower = soft(np.tanh(words @ weights[0].T + biases[0]) @ contexts[0])
    sentences = np.einsum("st,ste->se", lower, words)
    upper = soft(np.tanh(sentences @ weights[1].T + biases[1]) @ contexts[1])
    expected = np.einsum("s,st,ste->e", upper, lower, words)
    given = [part[level] for level in (0, 1) for part in (weights, biases, contexts)]
    np.testing.assert_allclose(computed("hierarchical_attention", words, *given), expected, rtol=1e-12)


def test_set_attention_is_made_of_layers_that_torch_has() -> None:
    torch.manual_seed(1)
    attend = torch.nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    norms = [torch.nn.LayerNorm(6, 0.125, dtype=torch.float64) for _ in range(2)]
    linear = torch.nn.Linear(6, 6, dtype=torch.float64)
    parameters = [p for layer in (attend, norms[0], linear, norms[1]) for p in layer.parameters()]
    with torch.no_grad():
        for k, parameter in enumerate(parameters):
            parameter.copy_(torch.tensor(gaussian(k, *parameter.shape)))
        x, y = (torch.tensor(gaussian(20 + length, 2, length, 6)) for length in (3, 4))
        hidden = norms[0](x + attend(x, y, y)[0])
        expected = norms[1](hidden + torch.relu(linear(hidden)))
        found = computed("set_attention", *(each.numpy() for each in (x, y, *parameters)), num_heads=2, eps=0.125)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-11)


def test_multi_scale_attention_is_dot_product_attention_of_every_pixel() -> None:
    """The query is 1, the keys are the scores."""
    maps, scores = gaussian(1, 3, 2, 4, 5), gaussian(2, 3, 4, 5)
    found = computed("multi_scale_attention", maps, scores)
    for i, j in itertools.product(range(4), range(5)):
        pixel = computed("dot_product_attention", np.ones((1, 1)), scores[:, i, j, None], maps[:, :, i, j])
        np.testing.assert_allclose(found[:, i, j], pixel[0], rtol=1e-13)


def test_dual_attention_sums_over_pairs_of_pixels_and_of_channels() -> None:
    image, weights = gaussian(1, 3, 2, 4), [gaussian(k, *shape) for k, shape in ((2, (2, 3)), (3, (2, 3)), (4, (3, 3)))]
    places, channels = [*itertools.product(range(2), range(4))], range(3)
    query, key, value = ({place: weight @ image[:, *place] for place in places} for weight in weights)
    expected = 2.0 * image
    for place in places:
        shares = soft(np.array([query[place] @ key[other] for other in places]))
        expected[:, *place] += 0.5 * sum(share * value[other] for share, other in zip(shares, places, strict=True))
    for c in channels:
        shares = soft(np.array([(image[c] * image[d]).sum() for d in channels]))
        expected[c] += -0.75 * sum(share * image[d] for share, d in zip(shares, channels, strict=True))
    found = computed("dual_attention", image, *weights, np.array([0.5]), np.array([-0.75]))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("align_corners", [False, True])
def test_spatially_adaptive_attention_interpolates_where_the_transformation_leads(align_corners: bool) -> None:
    image, theta, (rows, columns) = gaussian(1, 2, 4, 5), 0.6 * gaussian(2, 2, 3), (3, 6)
    last = np.array([5.0, 4.0])  # sides of the image, the width first
    expected = np.zeros((2, rows, columns))
    for i, j in itertools.product(range(rows), range(columns)):
        here = np.array([j, i]), np.array([columns, rows])
        target = 2.0 * here[0] / (here[1] - 1.0) - 1.0 if align_corners else (2.0 * here[0] + 1.0) / here[1] - 1.0
        source = theta @ [*target, 1.0]
        x, y = (source + 1.0) * (last - 1.0) / 2.0 if align_corners else ((source + 1.0) * last - 1.0) / 2.0
        for c in range(2):
            expected[c, i, j] = map_coordinates(image[c], [[y], [x]], order=1, mode="grid-constant")[0]
    found = computed("spatially_adaptive_attention", image, theta, size=(rows, columns), align_corners=align_corners)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


def logistic(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def test_channel_attention_gates_every_channel_by_the_means_of_all() -> None:
    image, reduce, expand = gaussian(1, 3, 4, 5), gaussian(2, 2, 3), gaussian(3, 3, 2)
    means = [image[c].sum() / 20.0 for c in range(3)]
    gates = [logistic(sum(expand[c, r] * max(reduce[r] @ means, 0.0) for r in range(2))) for c in range(3)]
    found = computed("channel_attention", image, reduce, expand)
    np.testing.assert_allclose(found, np.array(gates)[:, None, None] * image, rtol=1e-12)


def test_spatial_attention_gates_every_pixel_by_its_surroundings() -> None:
    image, weight = gaussian(1, 3, 4, 5), gaussian(2, 1, 2, 3, 3)
    pooled = np.pad(np.stack([image.max(0), image.mean(0)]), [(0, 0), (1, 1), (1, 1)])
    sums = [[(pooled[:, i : i + 3, j : j + 3] * weight[0]).sum() for j in range(5)] for i in range(4)]
    np.testing.assert_allclose(
        computed("spatial_attention", image, weight), logistic(np.array(sums)) * image, rtol=1e-12
    )


def test_multi_task_attention_gates_what_is_shared_by_a_mask_of_every_task() -> None:
    shared, features = gaussian(1, 2, 3, 2, 4), gaussian(2, 2, 2, 5, 2, 4)
    reduce, expand = gaussian(3, 2, 4, 5), gaussian(4, 2, 3, 4)
    scales, shifts = (gaussian(5, 2, 4), gaussian(6, 2, 3)), (gaussian(7, 2, 4), gaussian(8, 2, 3))
    eps = 0.25

    def normalised(rows: Array, scale: Array, shift: Array) -> Array:
        """Of channels in columns, a row for every pixel of every sample."""
        return (rows - rows.mean(0)) / np.sqrt(rows.var(0) + eps) * scale + shift

    expected = []
    for t in range(2):
        pixels = features[t].transpose(0, 2, 3, 1).reshape(-1, 5)
        hidden = np.maximum(normalised(pixels @ reduce[t].T, scales[0][t], shifts[0][t]), 0.0)
        mask = logistic(normalised(hidden @ expand[t].T, scales[1][t], shifts[1][t]))
        expected.append(shared * mask.reshape(2, 2, 4, 3).transpose(0, 3, 1, 2))
    given = (reduce, scales[0], shifts[0], expand, scales[1], shifts[1])
    found = computed("multi_task_attention", shared, features, *given, eps=eps)
    np.testing.assert_allclose(found, expected, rtol=1e-12)

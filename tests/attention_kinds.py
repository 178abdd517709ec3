"""Kinds of attention in plain torch: a target for the layers that no library has.

    pytest --target=tests/attention_kinds.py

Each is written in whole-tensor operations, from the papers and not from the formulas. In half precision they compute in
float32 and round the result.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

extends = "torch-cpu"
policies = {
    layer: {"behind_mask": "times_zero"}
    for layer in (
        *("graph_attention", "dynamic_graph_attention", "relational_graph_attention"),
        *("global_local_attention", "dual_stream_attention"),
    )
}

KINDS: dict[str, Callable[..., Any]] = {}
_HALVES = (torch.bfloat16, torch.float16)


def _kind(layer: Callable[..., Any]) -> Callable[..., Any]:
    """The layer as the target offers it: computed in float32 where its tensors are narrower."""

    @functools.wraps(layer)
    def computed(*tensors: Tensor | None, **parameters: Any) -> Any:
        kinds = [x.dtype for x in tensors if x is not None and x.dtype in _HALVES]
        if not kinds:
            return layer(*tensors, **parameters)
        found = layer(*(x.float() if x is not None and x.dtype in _HALVES else x for x in tensors), **parameters)
        return tuple(y.to(kinds[0]) for y in found) if isinstance(found, tuple) else found.to(kinds[0])

    KINDS[layer.__name__] = computed
    return computed


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(what)


def _attended(weights: Tensor, value: Tensor) -> Tensor:
    _require(weights.shape[:-2] == value.shape[:-2], "the samples of weights and values differ")
    return weights @ value


def _scores(query: Tensor, key: Tensor) -> Tensor:
    _require(query.shape[:-2] == key.shape[:-2], "the samples of queries and keys differ")
    return query @ key.mT


def _sparsemax(scores: Tensor) -> Tensor:
    """By the size of the support."""
    scores = scores - scores.detach().amax(-1, keepdim=True)
    ordered = scores.sort(dim=-1, descending=True).values
    sums = ordered.cumsum(-1) - 1.0
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
    size = (ordered * counts > sums).sum(-1, keepdim=True).clamp(min=1)  # none where a score is NaN
    threshold = sums.gather(-1, size - 1) / size
    return (scores - threshold).clamp(min=0.0)


@_kind
def sparsemax_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _attended(_sparsemax(_scores(query, key)), value)


@_kind
def hard_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    winners = _scores(query, key).argmax(-1)
    _require(value.shape[:-1] == key.shape[:-1], "there is not one value for every key")
    return value.gather(-2, winners[..., None].expand(*winners.shape, value.shape[-1]))


@_kind
def linear_attention(query: Tensor, key: Tensor, value: Tensor, *, is_causal: bool, eps: float) -> Tensor:
    """The causal one by running sums of outer products."""
    _require(query.shape[:-2] == key.shape[:-2], "the samples of queries and keys differ")
    _require(value.shape[:-1] == key.shape[:-1], "there is not one value for every key")
    queries, keys = (functional.elu(x) + 1.0 for x in (query, key))
    if not is_causal:
        return queries @ (keys.mT @ value) / (queries @ keys.sum(-2)[..., None] + eps)
    seen = torch.arange(query.shape[-2]).clamp(max=key.shape[-2] - 1)
    states = (keys[..., :, None] * value[..., None, :]).cumsum(-3)[..., seen, :, :]
    sums = keys.cumsum(-2)[..., seen, :]
    return (queries[..., None, :] @ states)[..., 0, :] / ((queries * sums).sum(-1, keepdim=True) + eps)


@_kind
def content_attention(query: Tensor, key: Tensor, value: Tensor, strength: Tensor) -> Tensor:
    _require(strength.shape == query.shape[:-1], "there is not one strength for every query")
    norms = [(x.square().sum(-1) + 1e-6).sqrt() for x in (query, key)]
    cosines = _scores(query, key) / (norms[0][..., :, None] * norms[1][..., None, :] + 1e-6)
    return _attended(torch.softmax(strength[..., None] * cosines, -1), value)


@_kind
def location_attention(query: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    scores = query @ weight.mT
    _require(value.shape[-2] <= scores.shape[-1], "there are more values than places")
    return _attended(torch.softmax(scores[..., : value.shape[-2]], -1), value)


@_kind
def fine_grained_attention(
    query: Tensor, key: Tensor, value: Tensor, weight_query: Tensor, weight_key: Tensor, weight: Tensor
) -> Tensor:
    hidden = torch.tanh((query @ weight_query.mT)[..., :, None, :] + (key @ weight_key.mT)[..., None, :, :])
    _require(weight_query.shape[0] == weight_key.shape[0], "the hidden units differ")
    _require(value.shape[-1] == weight.shape[0], "there is not one row of the weight for every feature")
    _require(value.shape[:-1] == key.shape[:-1], "there is not one value for every key")
    return (torch.softmax(hidden @ weight.mT, -2) * value[..., None, :, :]).sum(-2)


def _pooled(scores: Tensor, values: Tensor) -> Tensor:
    return (torch.softmax(scores, -1)[..., None, :] @ values)[..., 0, :]


@_kind
def adaptive_attention(
    input: Tensor,
    sentinel: Tensor,
    query: Tensor,
    weight_input: Tensor,
    weight_sentinel: Tensor,
    weight_query: Tensor,
    v: Tensor,
) -> tuple[Tensor, Tensor]:
    _require(weight_input.shape == weight_sentinel.shape, "the two weights differ")
    _require(weight_query.shape[:1] == weight_input.shape[:1], "the hidden units differ")
    asked = query @ weight_query.mT
    scores = torch.tanh(input @ weight_input.mT + asked[..., None, :]) @ v
    last = torch.tanh(sentinel @ weight_sentinel.mT + asked) @ v
    weights = torch.softmax(torch.cat([scores, last[..., None]], -1), -1)
    context = _pooled(scores, input)
    return weights[..., -1:] * sentinel + (1.0 - weights[..., -1:]) * context, weights


@_kind
def multi_step_attention(
    input: Tensor, embedding: Tensor, key: Tensor, key_embedding: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    _require(bias is None or bias.shape == weight.shape[:1], "the bias does not fit the weight")
    states = functional.linear(input, weight, bias)
    _require(states.shape == embedding.shape, "there is not one embedding for every query")
    _require(key.shape == key_embedding.shape, "there is not one embedding for every key")
    return torch.softmax(_scores(states + embedding, key), -1) @ (key + key_embedding)


@_kind
def co_attention(
    input: Tensor,
    other: Tensor,
    weight_affinity: Tensor,
    weight_input: Tensor,
    weight_other: Tensor,
    attend_input: Tensor,
    attend_other: Tensor,
) -> tuple[Tensor, Tensor]:
    _require(len(weight_input) == len(weight_other), "the hidden units differ")
    affinity = torch.tanh(other @ weight_affinity @ input.mT)
    own, others = input @ weight_input.mT, other @ weight_other.mT
    hidden, other_hidden = torch.tanh(own + affinity.mT @ others), torch.tanh(others + affinity @ own)
    return _pooled(hidden @ attend_input, input), _pooled(other_hidden @ attend_other, other)


@_kind
def interactive_attention(
    input: Tensor,
    other: Tensor,
    weight_input: Tensor,
    bias_input: Tensor | None,
    weight_other: Tensor,
    bias_other: Tensor | None,
) -> tuple[Tensor, Tensor]:
    def pooled(values: Tensor, asking: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        _require(bias is None or bias.shape == (1,), "there is not one bias")
        scores = (values @ (asking.mean(-2) @ weight.mT)[..., None])[..., 0]
        return _pooled(torch.tanh(scores if bias is None else scores + bias), values)

    return pooled(input, other, weight_input, bias_input), pooled(other, input, weight_other, bias_other)


@_kind
def dynamic_convolutional_attention(input: Tensor, weight: Tensor, *, is_causal: bool) -> Tensor:
    groups, taps, channels = weight.shape
    _require(channels % groups == 0, "the groups do not divide the channels")
    before = taps - 1 if is_causal else taps // 2
    windows = functional.pad(input, (0, 0, before, taps - 1 - before)).unfold(-2, taps, 1)
    kernels = torch.softmax(torch.einsum("...lc,htc->...lht", input, weight), -1)
    return (windows * kernels.repeat_interleave(channels // groups, -2)).sum(-1)


@_kind
def feedback_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    initial: Tensor,
    weight_query: Tensor,
    weight_key: Tensor,
    kernel: Tensor,
    weight_location: Tensor,
    bias: Tensor | None,
    v: Tensor,
) -> tuple[Tensor, Tensor]:
    """All samples and keys at once, query by query."""
    _require(kernel.shape[1] % 2 == 1, "the kernel has no middle")
    _require(weight_query.shape[:1] == weight_key.shape[:1] == weight_location.shape[:1], "the hidden units differ")
    _require(bias is None or bias.shape == weight_key.shape[:1], "the bias does not fit the weight")
    _require(initial.shape == key.shape[:-1], "there is not one initial weight for every key")
    asked, states = query @ weight_query.mT, functional.linear(key, weight_key, bias)
    weights, sides = [initial], (kernel.shape[1] // 2,) * 2
    for i in range(query.shape[-2]):
        windows = functional.pad(weights[-1], sides).unfold(-1, kernel.shape[1], 1)
        locations = windows @ kernel.mT @ weight_location.mT
        weights.append(torch.softmax(torch.tanh(locations + asked[..., i, None, :] + states) @ v, -1))
    found = torch.stack(weights[1:], -2)
    return _attended(found, value), found


@_kind
def monotonic_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """All samples at once, query by query and key by key."""
    stops = torch.sigmoid(_scores(query, key))
    begun = [torch.full(query.shape[:-2], float(j == 0), dtype=query.dtype) for j in range(key.shape[-2])]
    rows = []
    for i in range(query.shape[-2]):
        come = torch.zeros(query.shape[:-2], dtype=query.dtype)
        row = []
        for j, start in enumerate(begun):
            come = come * (1.0 - stops[..., i, j - 1]) + start if j else start
            row.append(come * stops[..., i, j])
        begun = row
        rows.append(torch.stack(row, -1))
    return _attended(torch.stack(rows, -2), value)


@_kind
def structured_attention(query: Tensor, key: Tensor, value: Tensor, transition: Tensor) -> Tensor:
    """All samples and queries at once, forwards and backwards."""
    _require(transition.shape == (2, 2), "the transitions are those between two states")
    scores = _scores(query, key)
    scored = torch.stack([torch.zeros_like(scores), scores], -1)
    forward, backward = [scored[..., 0, :]], [torch.zeros_like(scored[..., 0, :])]
    for j in range(1, key.shape[-2]):
        forward.append(scored[..., j, :] + torch.logsumexp(forward[-1][..., :, None] + transition, -2))
    for j in range(key.shape[-2] - 1, 0, -1):
        after = scored[..., j, :] + backward[-1]
        backward.append(torch.logsumexp(after[..., None, :] + transition, -1))
    whole = torch.logsumexp(forward[-1], -1)
    chosen = torch.stack([f[..., 1] + b[..., 1] for f, b in zip(forward, reversed(backward), strict=True)], -1)
    return _attended(torch.exp(chosen - whole[..., None]), value)


@_kind
def global_local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    global_query: Tensor,
    global_key: Tensor,
    global_value: Tensor,
    is_global: Tensor,
    *,
    window: int,
) -> Tensor:
    _require(window >= 0, "the window is negative")
    _require(query.shape == key.shape == global_query.shape == global_key.shape, "the two projections differ")
    _require(value.shape == global_value.shape and value.shape[:-1] == key.shape[:-1], "the values do not fit the keys")
    _require(is_global.shape == key.shape[-2:-1], "the global positions are not those of the sequence")
    scale, places = 1.0 / math.sqrt(query.shape[-1]), torch.arange(key.shape[-2])
    unseen = ((places[:, None] - places).abs() > window) & ~is_global
    local = torch.softmax((_scores(query, key) * scale).masked_fill(unseen, -math.inf), -1) @ value
    whole = torch.softmax(_scores(global_query, global_key) * scale, -1) @ global_value
    return torch.where(is_global[:, None], whole, local)


@_kind
def dual_stream_attention(
    content: Tensor, query: Tensor, weight_q: Tensor, weight_k: Tensor, weight_v: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    length = content.shape[-2]
    _require(content.shape == query.shape, "the two streams differ")
    _require(before.shape == (length, length), "the order is not that of all pairs")
    keys, values, itself = content @ weight_k, content @ weight_v, torch.eye(length, dtype=torch.bool)

    def stream(x: Tensor, seen: Tensor) -> Tensor:
        scores = (x @ weight_q @ keys.mT / math.sqrt(weight_q.shape[1])).masked_fill(~seen, -math.inf)
        return torch.softmax(scores, -1).masked_fill(~seen.any(-1, keepdim=True), 0.0) @ values

    return stream(content, before | itself), stream(query, before & ~itself)


@_kind
def tree_attention(
    query: Tensor, key: Tensor, value: Tensor, link_query: Tensor, link_key: Tensor, links: Tensor
) -> tuple[Tensor, Tensor]:
    """The links of a place to all others are running products."""
    _require(query.shape == key.shape, "there is not one key for every query")
    _require(link_query.shape == link_key.shape, "the two sides of the links differ")
    _require(link_query.shape[:-1] == query.shape[:-1], "the places of the links differ")
    count = query.shape[-2]
    _require(links.shape == (*query.shape[:-2], count - 1), "there is not one link for every two neighbours")
    places = torch.arange(count)
    far = (places[:, None] - places).abs() != 1
    scores = _scores(link_query, link_key) / link_query.shape[-1]
    drawn = torch.softmax(scores.masked_fill(far, -math.inf), -1) if count > 1 else torch.zeros_like(scores)
    joined = torch.sqrt(drawn.diagonal(1, -2, -1) * drawn.diagonal(-1, -2, -1))
    found = links + (1.0 - links) * joined
    ones = torch.ones_like(query[..., :1, 0])
    rows = [
        torch.cat([found[..., :i].flip(-1).cumprod(-1).flip(-1), ones, found[..., i:].cumprod(-1)], -1)
        for i in range(count)
    ]
    weights = torch.softmax(_scores(query, key) / math.sqrt(query.shape[-1]), -1)
    return _attended(torch.stack(rows, -2) * weights, value), found


@_kind
def differential_attention(
    query: Tensor, key: Tensor, value: Tensor, other_query: Tensor, other_key: Tensor, *, factor: float
) -> Tensor:
    _require(query.shape == other_query.shape and key.shape == other_key.shape, "the two pairs differ")
    scale = 1.0 / math.sqrt(query.shape[-1])
    one, other = (torch.softmax(_scores(*pair) * scale, -1) for pair in ((query, key), (other_query, other_key)))
    return _attended(one - factor * other, value)


def _neighbours(scores: Tensor, values: Tensor, adjacency: Tensor) -> Tensor:
    """The heads (*, H, N, D) side by side."""
    nodes = values.shape[-2]
    _require(adjacency.shape == (nodes, nodes), "the adjacency is not of all pairs of nodes")
    seen = adjacency | torch.eye(nodes, dtype=torch.bool)
    mixed = torch.softmax(scores.masked_fill(~seen, -math.inf), -1) @ values
    return mixed.transpose(-3, -2).flatten(-2)


def _in_heads(input: Tensor, weight: Tensor) -> Tensor:
    return input[..., None, :, :] @ weight.mT


@_kind
def graph_attention(
    input: Tensor, weight: Tensor, attend_self: Tensor, attend_other: Tensor, adjacency: Tensor
) -> Tensor:
    _require(attend_self.shape == attend_other.shape == weight.shape[:2], "there is not one vector for every head")
    nodes = _in_heads(input, weight)
    own, others = (nodes @ attend[..., None] for attend in (attend_self, attend_other))
    return _neighbours(functional.leaky_relu(own + others.mT, 0.2), nodes, adjacency)


@_kind
def dynamic_graph_attention(
    input: Tensor, weight_self: Tensor, weight_other: Tensor, attend: Tensor, adjacency: Tensor
) -> Tensor:
    _require(weight_self.shape == weight_other.shape, "the two weights differ")
    _require(attend.shape == weight_self.shape[:2], "there is not one vector for every head")
    own, others = _in_heads(input, weight_self), _in_heads(input, weight_other)
    hidden = functional.leaky_relu(own[..., :, None, :] + others[..., None, :, :], 0.2)
    return _neighbours((hidden * attend[:, None, None, :]).sum(-1), others, adjacency)


@_kind
def relational_graph_attention(
    input: Tensor, weight: Tensor, attend_self: Tensor, attend_other: Tensor, adjacency: Tensor, *, across: bool
) -> Tensor:
    _require(attend_self.shape == attend_other.shape == weight.shape[:3], "there is not one vector for every head")
    relations, nodes = len(weight), input.shape[-2]
    _require(adjacency.shape == (relations, nodes, nodes), "the adjacencies are not of all pairs of nodes")
    projected = input[..., None, None, :, :] @ weight.mT
    own, others = (projected @ attend[..., None] for attend in (attend_self, attend_other))
    scores = functional.leaky_relu(own + others.mT, 0.2).masked_fill(~adjacency[:, None], -math.inf)

    def softmax(x: Tensor) -> Tensor:
        return torch.where(x.isneginf().all(-1, keepdim=True), 0.0, torch.softmax(x, -1))

    if across:
        joined = scores.movedim(-4, -2).flatten(-2)
        weights = softmax(joined).unflatten(-1, (relations, nodes)).movedim(-2, -4)
    else:
        weights = softmax(scores)
    return (weights @ projected).sum(-4).transpose(-3, -2).flatten(-2)


@_kind
def memory_attention(input: Tensor, memory_in: Tensor, memory_out: Tensor, *, hops: int) -> Tensor:
    _require(hops > 0, "there are no hops")
    _require(memory_in.shape == memory_out.shape, "the two memories differ")
    _require(input.shape == (*memory_in.shape[:-2], memory_in.shape[-1]), "the query does not fit the memory")
    state = input[..., None, :]
    for _ in range(hops):
        state = state + torch.softmax(state @ memory_in.mT, -1) @ memory_out
    return state[..., 0, :]


@_kind
def hierarchical_attention(
    input: Tensor,
    word_weight: Tensor,
    word_bias: Tensor | None,
    word_context: Tensor,
    sentence_weight: Tensor,
    sentence_bias: Tensor | None,
    sentence_context: Tensor,
) -> Tensor:
    def pooled(x: Tensor, weight: Tensor, bias: Tensor | None, context: Tensor) -> Tensor:
        _require(bias is None or bias.shape == weight.shape[:1], "the bias does not fit the weight")
        weights = torch.softmax(torch.tanh(functional.linear(x, weight, bias)) @ context, -1)
        return (weights[..., None] * x).sum(-2)

    sentences = pooled(input, word_weight, word_bias, word_context)
    return pooled(sentences, sentence_weight, sentence_bias, sentence_context)


@_kind
def set_attention(
    input: Tensor,
    context: Tensor,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor | None,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    norm_1_weight: Tensor,
    norm_1_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
    norm_2_weight: Tensor,
    norm_2_bias: Tensor,
    *,
    num_heads: int,
    eps: float,
) -> Tensor:
    width = input.shape[-1]
    vectors = out_proj_bias, norm_1_weight, norm_1_bias, bias, norm_2_weight, norm_2_bias
    _require(num_heads > 0 and width % num_heads == 0, "the width does not divide into heads")
    _require(input.shape[::2] == context.shape[::2], "the two sets do not fit")
    _require(in_proj_weight.shape == (3 * width, width), "the packed projection does not fit")
    _require(in_proj_bias is None or in_proj_bias.shape == (3 * width,), "its bias does not fit")
    _require(out_proj_weight.shape == weight.shape == (width, width), "the weights are not square")
    _require(all(x is None or x.shape == (width,) for x in vectors), "a vector does not fit the width")

    def normalised(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * scale + shift

    def heads(x: Tensor, part: int) -> Tensor:
        rows = slice(part * width, (part + 1) * width)
        projected = functional.linear(x, in_proj_weight[rows], None if in_proj_bias is None else in_proj_bias[rows])
        return projected.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    query, key, value = (heads(x, part) for part, x in enumerate((input, context, context)))
    weights = torch.softmax(query / math.sqrt(width // num_heads) @ key.mT, -1)
    found = functional.linear((weights @ value).transpose(1, 2).flatten(-2), out_proj_weight, out_proj_bias)
    hidden = normalised(input + found, norm_1_weight, norm_1_bias)
    return normalised(hidden + torch.relu(functional.linear(hidden, weight, bias)), norm_2_weight, norm_2_bias)


@_kind
def multi_scale_attention(input: Tensor, scores: Tensor) -> Tensor:
    _require(scores.shape == (*input.shape[:-3], *input.shape[-2:]), "there is not one score for every pixel")
    return (torch.softmax(scores, -3)[..., None, :, :] * input).sum(-4)


@_kind
def dual_attention(
    input: Tensor, weight_query: Tensor, weight_key: Tensor, weight_value: Tensor, alpha: Tensor, beta: Tensor
) -> Tensor:
    depth = input.shape[-3]
    _require(weight_query.shape == weight_key.shape, "the two weights of the scores differ")
    _require(weight_value.shape == (depth, depth), "weight_value does not keep the channels")
    channels = input.flatten(-2)
    pixels = channels.mT
    weights = torch.softmax((pixels @ weight_query.mT) @ (pixels @ weight_key.mT).mT, -1)
    first = (weights @ (pixels @ weight_value.mT)).mT * alpha + channels
    second = torch.softmax(channels @ pixels, -1) @ channels * beta + channels
    return (first + second).reshape(input.shape)


@_kind
def spatially_adaptive_attention(input: Tensor, theta: Tensor, *, size: tuple[int, int], align_corners: bool) -> Tensor:
    _require(theta.shape == (*input.shape[:-3], 2, 3), "there is not one transformation for every image")
    if not input.numel():  # affine_grid takes no batch without images
        return (input.sum() + theta.sum()).expand(*input.shape[:-2], *size)
    images, affine = input.reshape(-1, *input.shape[-3:]), theta.reshape(-1, 2, 3)
    with warnings.catch_warnings():
        # of a side of one pixel with aligned corners torch says that it lies in the middle since 1.3.0
        warnings.filterwarnings("ignore", "Since version 1.3.0, affine_grid")
        grid = functional.affine_grid(affine, [len(images), images.shape[1], *size], align_corners=align_corners)
    found = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=align_corners)
    return found.reshape(*input.shape[:-2], *size)


@_kind
def channel_attention(input: Tensor, weight_reduce: Tensor, weight_expand: Tensor) -> Tensor:
    _require(weight_reduce.shape == weight_expand.mT.shape, "the two weights do not fit each other")
    gates = torch.sigmoid(torch.relu(input.mean((-2, -1)) @ weight_reduce.mT) @ weight_expand.mT)
    return input * gates[..., None, None]


@_kind
def spatial_attention(input: Tensor, weight: Tensor) -> Tensor:
    _require(weight.shape[-1] % 2 == 1, "the kernel has no middle")
    pooled = torch.stack([input.amax(-3), input.mean(-3)], -3)
    images = pooled.reshape(-1, *pooled.shape[-3:])
    gates = torch.sigmoid(functional.conv2d(images, weight, padding=weight.shape[-1] // 2))
    return input * gates.reshape(*input.shape[:-3], *gates.shape[-3:])


def _normalised(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Of every task and channel, over samples and pixels: x (T, N, C, H, W)."""
    centred = x - x.mean((1, 3, 4), keepdim=True)
    variance = centred.square().mean((1, 3, 4), keepdim=True)
    scale, shift = (each[:, None, :, None, None] for each in (scale, shift))
    return centred / torch.sqrt(variance + eps) * scale + shift


@_kind
def multi_task_attention(
    input: Tensor,
    features: Tensor,
    weight_reduce: Tensor,
    scale_reduce: Tensor,
    shift_reduce: Tensor,
    weight_expand: Tensor,
    scale_expand: Tensor,
    shift_expand: Tensor,
    *,
    eps: float,
) -> Tensor:
    tasks, reduced, width = weight_reduce.shape
    _require(features.shape[0] == tasks, "there are not features of every task")
    _require(features.shape[2] == width, "the features do not fit the weight")
    _require(weight_expand.shape == (tasks, input.shape[1], reduced), "the two weights do not fit each other")
    _require(scale_reduce.shape == shift_reduce.shape == (tasks, reduced), "the first normalisation does not fit")
    _require(
        scale_expand.shape == shift_expand.shape == weight_expand.shape[:2], "the second normalisation does not fit"
    )
    hidden = torch.einsum("tku,tnuij->tnkij", weight_reduce, features)
    hidden = torch.relu(_normalised(hidden, scale_reduce, shift_reduce, eps))
    expanded = torch.einsum("tck,tnkij->tncij", weight_expand, hidden)
    return input * torch.sigmoid(_normalised(expanded, scale_expand, shift_expand, eps))

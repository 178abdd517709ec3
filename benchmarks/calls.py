"""The calls that other test suites make of a layer: one shape of a benchmark, and the small ones of torch's OpInfo.

Where OpInfo has no such layer, its samples of the most similar one are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from conformance.case import Case
from conformance.values import Indices, TensorArgument, Values

Shape: TypeAlias = tuple[int, ...]
# A tensor by its shape, a tuple of tensors by a list of shapes, or a recipe for each seed.
Tensors: TypeAlias = Mapping[str, Shape | list[Shape] | Callable[[int], TensorArgument] | None]
Call: TypeAlias = tuple[Tensors, Mapping[str, Any]]


def usual(layer: str, seed: int) -> Sequence[Case]:
    """The one shape; none for a layer that has no call here."""
    return [_case(layer, call, seed) for call in _USUAL.get(layer, ())]


def several(layer: str, seed: int) -> Sequence[Case]:
    """The small ones."""
    return [_case(layer, call, seed + number) for number, call in enumerate(_SEVERAL.get(layer, ()))]


def _case(layer: str, call: Call, seed: int) -> Case:
    tensors, parameters = call
    return Case(
        layer, "float32", {n: _recipe(t, 100 * seed + k) for k, (n, t) in enumerate(tensors.items())}, parameters
    )


def _recipe(tensor: Any, seed: int) -> TensorArgument:
    if tensor is None:
        return None
    if callable(tensor):
        found: TensorArgument = tensor(seed)
        return found
    if isinstance(tensor, list):
        return tuple(Values(shape, "small", seed + 17 * k) for k, shape in enumerate(tensor))
    return Values(tensor, "gaussian", seed)


def _of(shape: Shape, regime: str) -> Callable[[int], TensorArgument]:
    return lambda seed: Values(shape, regime, seed)


def _indices(shape: Shape, limit: int) -> Callable[[int], TensorArgument]:
    return lambda seed: Indices(shape, limit, seed)


def _linear(batch: Shape, ins: int, outs: int, bias: bool) -> Call:
    return {"input": (*batch, ins), "weight": (outs, ins), "bias": (outs,) if bias else None}, {}


def _custom_linear(batch: Shape, ins: int, outs: int) -> Call:
    return {"input": (*batch, ins), "weight": (ins, outs), "bias": (outs,)}, {}


def _residual(batch: Shape, features: int, inside: int) -> Call:
    weights = {"weight_1": (inside, features), "bias_1": (inside,), "weight_2": (features, inside)}
    return {"input": (*batch, features), **weights, "bias_2": (features,)}, {}


def _conv2d(input: Shape, weight: Shape, bias: bool = True, **parameters: Any) -> Call:
    tensors: Tensors = {"input": input, "weight": weight, "bias": weight[:1] if bias else None}
    rest = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
    return tensors, {**rest, **parameters}


def _conv_transpose2d(input: Shape, weight: Shape, bias: bool = True, **parameters: Any) -> Call:
    rest = {"stride": (1, 1), "padding": (0, 0), "output_padding": (0, 0), "groups": 1, "dilation": (1, 1)}
    parameters = {**rest, **parameters}
    filters = weight[1] * parameters["groups"]
    return {"input": input, "weight": weight, "bias": (filters,) if bias else None}, parameters


def _max_pool2d(input: Shape, kernel_size: Shape, **parameters: Any) -> Call:
    rest = {"stride": None, "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False, "return_indices": True}
    return {"input": input}, {"kernel_size": kernel_size, **rest, **parameters}


def _avg_pool2d(input: Shape, kernel_size: Shape, **parameters: Any) -> Call:
    rest = {"stride": None, "padding": (0, 0), "ceil_mode": False, "count_include_pad": True, "divisor_override": None}
    return {"input": input}, {"kernel_size": kernel_size, **rest, **parameters}


def _resampled(input: Shape, size: Shape | None, factor: tuple[float, ...] | None = None, **parameters: Any) -> Call:
    return {"input": input}, {"size": size, "scale_factor": factor, "recompute_scale_factor": None, **parameters}


def _resampling(**parameters: Any) -> list[Call]:
    sizes = [_resampled((2, 3, 4, 4), size, **parameters) for size in ((3, 3), (5, 5))]
    return sizes + [_resampled((2, 3, 4, 4), None, factors, **parameters) for factors in ((1.7, 1.7), (0.6, 0.6))]


def _embedding(indices: Shape, rows: int, width: int, **parameters: Any) -> Call:
    rest = {"padding_idx": None, "max_norm": None, "norm_type": 2.0}
    return {"input": _indices(indices, rows), "weight": (rows, width)}, {**rest, **parameters}


def _batch_norm(input: Shape, name: str, training: bool, affine: bool = True, **parameters: Any) -> Call:
    channels = input[1:2]
    statistics = {"running_mean": channels, "running_var": _of(channels, "spread")}
    both = channels if affine else None
    more = {"num_batches_tracked": 0} if name == "training" else {}
    rest = {"momentum": 0.1, "eps": 1e-5, **more, **parameters}
    return {"input": input, **statistics, "weight": both, "bias": both}, {name: training, **rest}


def _group_norm(input: Shape, groups: int, weight: bool, bias: bool, eps: float = 1e-5) -> Call:
    channels = input[1:2]
    tensors = {"input": input, "weight": channels if weight else None, "bias": channels if bias else None}
    return tensors, {"num_groups": groups, "eps": eps}


def _layer_norm(input: Shape, normalized_shape: Shape, affine: bool = True, eps: float = 1e-5) -> Call:
    both = normalized_shape if affine else None
    return {"input": input, "weight": both, "bias": both}, {"normalized_shape": normalized_shape, "eps": eps}


def _attention(query: Shape, key: Shape, value: Shape, **parameters: Any) -> Call:
    return {"query": query, "key": key, "value": value}, parameters


def _scaled(query: Shape, key: Shape, value: Shape, mask: Any = None, is_causal: bool = False) -> Call:
    tensors = {"query": query, "key": key, "value": value, "attn_mask": mask}
    return tensors, {"is_causal": is_causal, "scale": None, "enable_gqa": False}


def _multi_head(batch: int, queries: int, keys: int, width: int, heads: int, bias: bool, masked: bool) -> Call:
    tensors: Tensors = {
        "query": (batch, queries, width),
        "key": (batch, keys, width),
        "value": (batch, keys, width),
        "in_proj_weight": (3 * width, width),
        "in_proj_bias": (3 * width,) if bias else None,
        "out_proj_weight": (width, width),
        "out_proj_bias": (width,) if bias else None,
        "key_padding_mask": _last_ignored(batch, keys) if masked else None,
        "attn_mask": None,
    }
    return tensors, {"num_heads": heads, "need_weights": True, "average_attn_weights": True}


def _last_ignored(batch: int, keys: int) -> Callable[[int], TensorArgument]:
    from conformance.values import Literal

    return lambda seed: Literal((batch, keys), (*[False] * (keys - 1), True) * batch)


def _weights(gates: int, features: int, hidden: int, bias: bool, bidirectional: bool, layers: int = 2) -> list[Shape]:
    found: list[Shape] = []
    for layer in range(layers):
        ins = features if layer == 0 else hidden * (1 + bidirectional)
        biases: list[Shape] = [(gates * hidden,)] * 2 if bias else []
        found += [(gates * hidden, ins), (gates * hidden, hidden), *biases] * (1 + bidirectional)
    return found


def _recurrent(
    layer: str, input: Shape, hidden: int, bias: bool, batch_first: bool, bidirectional: bool, **parameters: Any
) -> Call:
    gates, states = {"rnn": (1, ("h_0",)), "gru": (3, ("h_0",)), "lstm": (4, ("h_0", "c_0"))}[layer]
    batch = input[0 if batch_first else 1]
    weights = _weights(gates, input[-1], hidden, bias, bidirectional)
    tensors: Tensors = {
        "input": input,
        **dict.fromkeys(states, (2 * (1 + bidirectional), batch, hidden)),
        "weights": weights,
    }
    rest = {"num_layers": 2, "bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    return tensors, {**rest, **parameters}


def _recurrences(layer: str, **parameters: Any) -> Iterator[Call]:
    for bias in (False, True):
        for batch_first in (False, True):
            for bidirectional in (False, True):
                yield _recurrent(layer, (3, 2, 2), 3, bias, batch_first, bidirectional, **parameters)


_ELEMENTWISE: list[Call] = [({"input": shape}, {}) for shape in ((20, 20), (1, 0, 3), ())]
_MORE: dict[str, dict[str, Any]] = {
    "rnn": {"nonlinearity": "tanh"},
    "gru": {"reset_after": True},
    "lstm": {"proj_size": 0},
}
_SOFTMAX: list[Call] = [({"input": s}, {"dim": d}) for s, d in (((5,), 0), ((5, 5), 0), ((5, 5), 1), ((5, 10, 5), 2))]

_USUAL: dict[str, list[Call]] = {
    "linear": [_linear((128,), 256, 128, True)],
    "custom_linear": [_custom_linear((128,), 256, 128)],
    "residual": [_residual((128,), 64, 256)],
    "conv2d": [_conv2d((8, 16, 32, 32), (32, 16, 3, 3))],
    "conv_transpose2d": [_conv_transpose2d((8, 16, 16, 16), (16, 32, 3, 3))],
    "max_pool2d": [_max_pool2d((8, 16, 32, 32), (4, 4), stride=(1, 1), padding=(1, 1))],
    "avg_pool2d": [_avg_pool2d((8, 16, 32, 32), (3, 3))],
    "upsample_nearest": [_resampled((8, 16, 16, 16), None, (2.0, 2.0), rounding="floor")],
    "upsample_nearest_exact": [_resampled((8, 16, 16, 16), None, (2.0, 2.0))],
    "upsample_bilinear": [_resampled((8, 16, 16, 16), None, (2.0, 2.0), align_corners=False, asymmetric=False)],
    "embedding": [_embedding((16, 32), 1000, 64)],
    "positional_encoding": [({"input": (8, 64, 128)}, {})],
    **{name: [({"input": (16, 4096)}, {})] for name in ("relu", "sigmoid", "tanh")},
    **{name: [({"input": (16, 4096)}, {"dim": 1})] for name in ("softmax", "log_softmax")},
    "batch_norm": [_batch_norm((16, 32, 16, 16), "training", True)],
    "instance_norm": [_batch_norm((16, 32, 16, 16), "use_input_stats", True)],
    "group_norm": [_group_norm((16, 32, 16, 16), 8, True, True)],
    "layer_norm": [_layer_norm((16, 16, 8, 8), (16, 8, 8))],
    "dot_product_attention": [_attention((4, 8, 64, 32), (4, 8, 64, 32), (4, 8, 64, 32))],
    "scaled_dot_product_attention": [_scaled((4, 8, 64, 32), (4, 8, 64, 32), (4, 8, 64, 32))],
    "local_attention": [_attention((4, 8, 64, 32), (4, 8, 64, 32), (4, 8, 64, 32), window=8)],
    "global_attention": [({"query": (4, 64, 32), "key": (4, 64, 32), "value": (4, 64, 32), "weight": (32, 32)}, {})],
    "self_attention": [({"input": (4, 64, 32), **dict.fromkeys(("weight_q", "weight_k", "weight_v"), (32, 32))}, {})],
    "cross_attention": [
        (
            {
                "input": (4, 64, 32),
                "context": (4, 64, 32),
                **dict.fromkeys(("weight_q", "weight_k", "weight_v"), (32, 32)),
            },
            {},
        )
    ],
    "additive_attention": [
        (
            {
                "input": (4, 64, 32),
                "value": (4, 64, 32),
                "weight": (32, 32),
                "bias": (32,),
                "v": (32,),
                "query": None,
                "weight_query": None,
            },
            {},
        )
    ],
    "multi_head_attention": [_multi_head(4, 64, 64, 64, 8, True, False)],
    **{name: [_recurrent(name, (8, 16, 32), 64, True, True, False, **more)] for name, more in _MORE.items()},
}

_SEVERAL: dict[str, list[Call]] = {
    "linear": [
        _linear(batch, ins, outs, bias)
        for bias in (True, False)
        for ins, outs in ((3, 4), (8, 8))
        for batch in ((), (0,), (8,), (2, 3))
    ]
    + [_linear((2, 1, 2, 1), 2, 4, bias) for bias in (False, True)],
    "custom_linear": [_custom_linear(b, ins, outs) for ins, outs in ((3, 4), (8, 8)) for b in ((), (0,), (8,), (2, 3))],
    "residual": [_residual(batch, 3, 4) for batch in ((), (0,), (8,), (2, 3))] + [_residual((8,), 8, 8)],
    "conv2d": [
        call
        for input, weight, bias, parameters in (
            ((1, 3, 4, 4), (3, 3, 3, 3), True, {"stride": (2, 2), "padding": (2, 2)}),
            (
                (2, 4, 8, 8),
                (2, 2, 3, 3),
                True,
                {"stride": (3, 2), "padding": (2, 1), "groups": 2, "dilation": (4, 4)},
            ),
            ((1, 4, 5, 5), (1, 4, 2, 3), True, {"stride": (2, 2), "padding": (1, 1), "dilation": (2, 3)}),
            ((1, 2, 4, 3), (4, 2, 3, 4), False, {"stride": (2, 2), "padding": (1, 1)}),
            ((1, 4, 5, 5), (1, 4, 2, 3), True, {"stride": (2, 2), "padding": "valid"}),
            ((1, 4, 5, 5), (1, 4, 2, 3), True, {"padding": "same", "dilation": (3, 3)}),
            ((2, 4, 6, 6), (4, 1, 3, 3), True, {"groups": 4}),
            ((2, 4, 6, 6), (8, 1, 3, 3), True, {"groups": 4}),
            ((2, 4, 6, 6), (8, 1, 3, 3), False, {"groups": 4}),
            ((2, 4, 6, 6), (4, 1, 3, 3), True, {"groups": 4, "stride": (3, 2)}),
            ((2, 4, 6, 6), (4, 1, 3, 3), True, {"groups": 4, "padding": (1, 1)}),
            ((2, 4, 5, 5), (4, 1, 2, 2), True, {"groups": 4, "dilation": (2, 2)}),
            ((2, 4, 6, 5), (6, 2, 3, 2), True, {"groups": 2}),
            ((1, 4, 5, 5), (3, 4, 3, 3), False, {}),
        )
        for call in (_conv2d(input, weight, bias, **parameters), _conv2d(input[1:], weight, bias, **parameters))
    ],
    "conv_transpose2d": [
        call
        for input, weight, bias, parameters in (
            ((1, 3, 4, 4), (3, 3, 3, 3), True, {"stride": (2, 2), "padding": (2, 2), "output_padding": (1, 1)}),
            (
                (2, 2, 4, 4),
                (2, 2, 4, 5),
                True,
                {"stride": (3, 2), "padding": (1, 2), "output_padding": (2, 3), "groups": 2, "dilation": (4, 4)},
            ),
            (
                (1, 1, 4, 5),
                (1, 1, 4, 3),
                True,
                {"stride": (2, 2), "padding": (1, 1), "output_padding": (1, 1), "dilation": (2, 3)},
            ),
            ((1, 1, 4, 3), (1, 2, 3, 4), False, {"stride": (2, 2), "padding": (1, 1), "output_padding": (1, 1)}),
            ((2, 4, 4, 4), (4, 1, 3, 3), False, {"groups": 4}),
            ((1, 2, 5, 5), (2, 4, 3, 3), False, {}),
        )
        for call in (
            _conv_transpose2d(input, weight, bias, **parameters),
            _conv_transpose2d(input[1:], weight, bias, **parameters),
        )
    ],
    "max_pool2d": [
        _max_pool2d(shape, kernel, stride=stride, ceil_mode=ceil, padding=padding, dilation=dilation)
        for shape in ((1, 1, 9, 9), (1, 3, 9, 9), (3, 9, 9))
        for kernel, stride, padding in (((3, 3), (3, 3), (0, 0)), ((2, 3), (2, 2), (0, 1)), ((3, 2), None, (1, 0)))
        for ceil in (False, True)
        for dilation in ((1, 1), (1, 2))
    ],
    "avg_pool2d": [
        _avg_pool2d(
            (1, 3, 9, 9),
            (3, 3),
            stride=(1, 1),
            padding=(1, 1),
            ceil_mode=True,
            count_include_pad=False,
            divisor_override=2,
        ),
        _avg_pool2d(
            (1, 3, 9, 9),
            (4, 4),
            stride=(2, 3),
            padding=(1, 1),
            ceil_mode=True,
            count_include_pad=False,
            divisor_override=2,
        ),
        _avg_pool2d((1, 3, 9, 9), (6, 6), stride=(3, 3), padding=(2, 3), ceil_mode=True, divisor_override=2),
        _avg_pool2d((1, 1, 4, 4), (2, 2), divisor_override=-2),
        _avg_pool2d((1, 2, 6, 6), (4, 4), stride=(2, 2), padding=(2, 2), ceil_mode=True),
        _avg_pool2d((1, 3, 9, 9), (3, 3)),
    ],
    "upsample_nearest": _resampling(rounding="floor"),
    "upsample_nearest_exact": _resampling(),
    "upsample_bilinear": [
        call for align in (True, False) for call in _resampling(align_corners=align, asymmetric=False)
    ],
    "embedding": [
        _embedding((), 10, 5),
        _embedding((5,), 10, 5),
        _embedding((5, 5), 10, 5),
        _embedding((2, 2), 5, 5, padding_idx=2),
        _embedding((2, 2), 5, 5, padding_idx=-1),
        _embedding((2, 2), 5, 5, max_norm=1.0),
        _embedding((2, 2), 5, 5, max_norm=1.0, norm_type=1.0),
    ],
    "positional_encoding": [({"input": shape}, {}) for shape in ((5, 4), (2, 5, 5), (3, 1, 8))],
    **dict.fromkeys(("relu", "sigmoid", "tanh"), _ELEMENTWISE),
    **dict.fromkeys(("softmax", "log_softmax"), _SOFTMAX),
    "batch_norm": [
        _batch_norm((5, 5, 5), "training", True, momentum=0.5, eps=0.6),
        _batch_norm((3, 2, 4), "training", False),
        _batch_norm((3, 1), "training", True, momentum=0.0),
        _batch_norm((3, 2, 3, 4), "training", True, eps=0.5),
        _batch_norm((3, 2, 3, 4), "training", False, eps=0.5),
        _batch_norm((3, 2, 3, 4), "training", True, affine=False),
    ],
    "instance_norm": [
        _batch_norm((5, 5, 5), "use_input_stats", True, momentum=0.5, eps=0.6),
        _batch_norm((3, 2, 4), "use_input_stats", True, momentum=0.0),
        _batch_norm((3, 2, 3, 4), "use_input_stats", True, eps=0.5),
    ],
    "group_norm": [
        _group_norm(shape, groups, weight, bias, eps)
        for shape, groups, eps in (((1, 6, 3), 2, 0.5), ((2, 6, 3), 2, 0.5), ((1, 3), 1, 1e-5), ((5, 5, 5), 1, 0.5))
        for weight, bias in ((True, True), (True, False), (False, False))
    ],
    "layer_norm": [
        _layer_norm((1, 2, 3), (1, 2, 3), eps=0.5),
        _layer_norm((2, 2, 3), (2, 3), eps=0.5),
        _layer_norm((1, 2), (2,)),
        _layer_norm((1, 2), (2,), affine=False),
    ],
    "dot_product_attention": [_attention((4, 3, 8), (4, 6, 8), (4, 6, 8))],
    "scaled_dot_product_attention": [
        *(_scaled((4, 3, 8), (4, 6, 8), (4, 6, 8), is_causal=causal) for causal in (True, False)),
        *(_scaled((4, 4, 3, 8), (4, 4, 6, 8), (4, 4, 6, 8), is_causal=causal) for causal in (True, False)),
        _scaled((4, 3, 8), (4, 4, 6, 8), (4, 4, 6, 8)),
        _scaled((4, 4, 3, 8), (4, 4, 6, 8), (4, 4, 6, 8), (3, 6)),
    ],
    "local_attention": [_attention((4, 6, 8), (4, 6, 8), (4, 6, 8), window=2)],
    "global_attention": [({"query": (4, 3, 8), "key": (4, 6, 5), "value": (4, 6, 8), "weight": (8, 5)}, {})],
    "self_attention": [({"input": (4, 3, 8), **dict.fromkeys(("weight_q", "weight_k", "weight_v"), (8, 5))}, {})],
    "cross_attention": [
        (
            {
                "input": (4, 3, 8),
                "context": (4, 6, 8),
                **dict.fromkeys(("weight_q", "weight_k", "weight_v"), (8, 5)),
            },
            {},
        )
    ],
    "additive_attention": [
        (
            {
                "input": (4, 6, 8),
                "value": (4, 6, 8),
                "weight": (5, 8),
                "bias": (5,),
                "v": (5,),
                "query": query,
                "weight_query": weight,
            },
            {},
        )
        for query, weight in ((None, None), ((4, 8), (5, 8)))
    ],
    "multi_head_attention": [
        _multi_head(1, 3, 3, 3, 3, bias, masked) for bias in (True, False) for masked in (True, False)
    ],
    **{name: list(_recurrences(name, **more)) for name, more in _MORE.items()},
}

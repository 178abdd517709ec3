"""Where onnxruntime leaves the permitted error, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation
from conformance.targets._programs import ends_its_process

_CPU = "https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/providers/cpu"


def _program(
    operator: str,
    inputs: Mapping[str, str],
    attributes: str,
    shown: str,
    said: str,
    constants: Sequence[str] = (),
    outputs: Sequence[str] = ("y",),
) -> str:
    """A model of one operator that is run; ``shown`` is an expression of the first output, y.

    Otherwise as ``_session``.
    """
    session = _session(operator, inputs, attributes, constants, outputs)
    return f"{session}(y,) = session.run(None, inputs)\nprint({shown})\n# {said}"


def _refused(operator: str, inputs: Mapping[str, str], attributes: str, said: str) -> str:
    """A model of one operator that cannot be run. Otherwise as ``_session``."""
    return (
        f"{_session(operator, inputs, attributes)}"
        "try:\n"
        "    session.run(None, inputs)\n"
        "except Exception as error:\n"
        "    print(str(error).partition(' Name')[0])\n"
        f"# {said}"
    )


def _deadly(operator: str, inputs: Mapping[str, str], attributes: str) -> str:
    """A model of one operator that ends its process. Otherwise as ``_session``."""
    return ends_its_process(f"{_session(operator, inputs, attributes)}session.run(None, inputs)")


def _session(
    operator: str,
    inputs: Mapping[str, str],
    attributes: str,
    constants: Sequence[str] = (),
    outputs: Sequence[str] = ("y",),
) -> str:
    """A program that makes a session of one operator.

    ``inputs`` are expressions by name, an absent one has the name ""; ``constants`` are part of the model.
    """
    given = ", ".join(f"{name!r}: {value}" for name, value in inputs.items() if name)
    made = f"[numpy_helper.from_array(inputs.pop(name), name) for name in {list(constants)}]" if constants else "[]"
    return (
        "import numpy as np\n"
        "import onnxruntime\n"
        "from onnx import TypeProto, helper, numpy_helper\n"
        f"inputs = {{{given}}}\n"
        f"node = helper.make_node({operator!r}, {list(inputs)}, {list(outputs)}, {attributes})\n"
        f"constants = {made}\n"
        "kinds = {name: helper.np_dtype_to_tensor_dtype(x.dtype) for name, x in inputs.items()}\n"
        "given = [helper.make_tensor_value_info(name, kinds[name], [None] * x.ndim) for name, x in inputs.items()]\n"
        "graph = helper.make_graph([node], 'graph', given, [helper.make_value_info('y', TypeProto())], constants)\n"
        "model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 24)], ir_version=12)\n"
        "session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])\n"
    )


def _ones(*shape: int, format: str = "float32") -> str:
    return f"np.ones({shape}, {format!r})"


def _is_negative(case: Case) -> bool:
    """Whether an input is below −1: its sigmoid is smaller than 1/2, by which it is rounded."""
    input: Any = case.arrays()["input"]
    return bool((input < -1.0).any())


def _may_overflow(case: Case) -> bool:
    """Whether a number of a tensor is NaN, or its square none of the format."""
    tensors = case.arrays().values()
    leaves: list[Any] = [x for tensor in tensors for x in (tensor if isinstance(tensor, tuple) else (tensor,))]
    most = math.sqrt(np.finfo(case.format).max)
    return not all(leaf is None or (abs(leaf) < most).all() for leaf in leaves)


def _cancels(case: Case) -> bool:
    """Whether the mean of a group is larger than its deviation: E[x²] − E[x]² is then less than either by as much.

    A relation adds such a mean.
    """
    if case.relates("shifted"):
        return True
    input: Any = case.arrays()["input"]
    if case.refusal or not input.size:
        return False
    groups = input.reshape(input.shape[0], case.parameters["num_groups"], -1)
    with np.errstate(all="ignore"):
        return not (groups.mean(axis=-1) ** 2 < groups.var(axis=-1) + case.parameters["eps"]).all()


def _has_an_inexact_scale(case: Case) -> bool:
    """Whether the root of the scale is no number of binary32."""
    query: Any = case.arrays()["query"]
    root = math.sqrt(case.parameters["scale"] or query.shape[-1] ** -0.5)
    return case.format == "float64" and float(np.float32(root)) != root


def _has_the_lowest_score(case: Case) -> bool:
    """Whether a mask adds the lowest number of its format to a score, or a score beside a mask may be as low."""
    mask: Any = case.arrays()["attn_mask"]
    if mask is not None and mask.dtype != bool and bool((mask == float(np.finfo(case.format).min)).any()):
        return True
    return (mask is not None or case.parameters["is_causal"]) and _may_overflow(case)


def _has_an_inexact_factor(case: Case) -> bool:
    """Whether 1 / (1 − p) is no number of binary32."""
    p = case.parameters["p"]
    return case.format == "float64" and 0.0 <= p < 1.0 and float(np.float32(1.0 / (1.0 - p))) != 1.0 / (1.0 - p)


def _keeps_the_sides(case: Case) -> bool:
    """Whether a scale other than 1 leaves all sides as they are."""
    factors = case.parameters["scale_factor"]
    if factors is None or case.parameters["recompute_scale_factor"] or set(factors) == {1.0}:
        return False
    input: Any = case.arrays()["input"]
    return all(math.floor(side * factor) == side for side, factor in zip(input.shape[-2:], factors, strict=True))


_RESIZES = {"upsample_nearest": "nearest", "upsample_nearest_exact": "nearest", "upsample_bilinear": "linear"}

KNOWN: tuple[Deviation, ...] = (
    Deviation(
        "sigmoid",
        "below 0 the sigmoid is the difference of 1/2 and a rational function in float32, 1 − 1 / (1 + exp(x)) in "
        "float64: small values have few digits or none: mlas/lib/logistic.cpp, activation/activations.h",
        _program("Sigmoid", {"x": "np.array([-17.0, -20.0], 'float32')"}, "", "y", "[8.940697e-08 0.000000e+00]"),
        _is_negative,
        "https://github.com/pytorch/pytorch/issues/147508",
    ),
    Deviation(
        "log_softmax",
        "a sum that is NaN becomes 1e-20 (fmax) before its logarithm is taken: math/softmax_shared.cc",
        _program("LogSoftmax", {"x": "np.array([1.0, np.nan])"}, "", "y", "[46.05170189         nan]"),
        lambda case: case.format == "float64" and not case.is_finite("input"),
        f"{_CPU}/math/softmax_shared.cc",
        check="special",
    ),
    Deviation(
        "linear",
        "a bias of one element is repeated, as ONNX says of Gemm",
        _program(
            "Gemm",
            {"x": _ones(1, 1), "w": _ones(1, 2), "b": _ones(1)},
            "",
            "y",
            "[[2. 2.]]",
        ),
        lambda case: case.slips("bias is a single one"),
        "https://onnx.ai/onnx/operators/onnx__Gemm.html",
        check="refusal",
    ),
    Deviation(
        "embedding",
        "negative indices count from the end, as ONNX says of Gather",
        _program("Gather", {"w": "np.array([[1.0], [2.0]])", "x": "np.array([-1])"}, "", "y", "[[2.]]"),
        lambda case: case.slips("the index -1"),
        "https://onnx.ai/onnx/operators/onnx__Gather.html",
        check="refusal",
    ),
    Deviation(
        "dropout",
        "the factor 1 / (1 − p) is a number of float32: nn/dropout_op.h",
        _program(
            "Dropout",
            {"x": "np.ones(3)", "ratio": "np.array(0.1)", "training": "np.array(True)"},
            "seed=0",
            "y.max()",
            "1.1111111405455043",
        ),
        _has_an_inexact_factor,
        f"{_CPU}/nn/dropout_op.h",
    ),
    *(
        Deviation(
            layer,
            f"{operator} ends the process where the batch has no samples: rnn/deep_cpu_{layer}.cc",
            _deadly(
                operator,
                {"x": _ones(3, 0, 2), "w": _ones(1, gates, 2), "r": _ones(1, gates, 1)},
                f"hidden_size=1{', linear_before_reset=1' if layer == 'gru' else ''}",
            ),
            lambda case: 0 in case.sides("input"),
            f"{_CPU}/rnn/deep_cpu_{layer}.cc",
            lethal=True,
        )
        for layer, operator, gates in (("gru", "GRU", 3), ("lstm", "LSTM", 4))
    ),
    *(
        Deviation(
            layer,
            "the kernel of Attention refuses a batch without samples, and no queries, which the operators take that "
            "ONNX defines it by: llm/attention_helper.h",
            _refused(
                "Attention",
                dict.fromkeys("qkv", _ones(0, 1, 2, 3)),
                "",
                "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Attention node.",
            ),
            lambda case: 0 in case.sides("query"),
            f"{_CPU}/llm/attention_helper.h",
        )
        for layer in ("dot_product_attention", "scaled_dot_product_attention")
    ),
    Deviation(
        "group_norm",
        "a batch without samples has no groups: among the operators that ONNX defines GroupNormalization by is a "
        "Reshape to (0, groups, -1)",
        _refused(
            "GroupNormalization",
            {"x": _ones(0, 2, 3), "scale": _ones(2), "bias": _ones(2)},
            "num_groups=1",
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node.",
        ),
        lambda case: case.sides("input")[0] == 0,
        "https://onnx.ai/onnx/operators/onnx__GroupNormalization.html",
    ),
    Deviation(
        "scaled_dot_product_attention",
        "Attention of float64 has no kernel; in the operators that ONNX defines it by, the root of the scale, by which "
        "query and key are multiplied, is a number of float32",
        _program(
            "Attention",
            {
                "q": "np.array([[[[3.0, 0.0, 0.0]]]])",
                "k": "np.array([[[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]])",
                "v": "np.array([[[[1.0], [0.0]]]])",
            },
            "",
            "abs(y[0, 0, 0, 0] - 1 / (1 + np.exp(-np.sqrt(3)))) > 1e-10",
            "True",
        ),
        _has_an_inexact_scale,
        "https://onnx.ai/onnx/operators/onnx__Attention.html",
    ),
    Deviation(
        "scaled_dot_product_attention",
        "the lowest number of the format stands for minus infinity: a key whose score is as low is not seen: "
        "llm/attention.cc",
        _program(
            "Attention",
            {
                "q": _ones(1, 1, 1, 1),
                "k": _ones(1, 1, 1, 1),
                "v": _ones(1, 1, 1, 1),
                "mask": "np.array([[np.finfo('float32').min]])",
            },
            "",
            "y",
            "[[[[0.]]]]",
        ),
        _has_the_lowest_score,
        f"{_CPU}/llm/attention.cc",
        check="special",
    ),
    *(
        Deviation(
            layer,
            "Attention of float64 has no kernel; the operators that ONNX defines it by repeat a side of 1, or what has "
            "a dimension less",
            _program(
                "Attention",
                {
                    "q": _ones(1, 1, 1, 2, format="float64"),
                    "k": _ones(1, 1, 1, 1, format="float64"),
                    "v": _ones(1, 1, 1, 1, format="float64"),
                },
                "scale=1.0",
                "y",
                "[[[[1.]]]]",
            ),
            lambda case: case.format == "float64" and case.slips("key is", "value is", "key has"),
            "https://onnx.ai/onnx/operators/onnx__Attention.html",
            check="refusal",
        )
        for layer in ("dot_product_attention", "scaled_dot_product_attention")
    ),
    Deviation(
        "conv2d",
        "a negative padding is not refused: it cuts off pixels: nn/conv_attributes.h",
        _program("Conv", {"x": _ones(1, 1, 1, 3), "w": _ones(1, 1, 1, 1)}, "pads=[0, -1, 0, -1]", "y", "[[[[1.]]]]"),
        lambda case: case.slips("padding is negative"),
        f"{_CPU}/nn/conv_attributes.h",
        check="refusal",
    ),
    Deviation(
        "conv_transpose2d",
        "a negative padding is not refused: it adds pixels: nn/conv_transpose_attributes.h",
        _program(
            "ConvTranspose",
            {"x": _ones(1, 1, 1, 1), "w": _ones(1, 1, 1, 1)},
            "pads=[0, -1, 0, -1]",
            "y",
            "[[[[0. 1. 0.]]]]",
        ),
        lambda case: case.slips("padding is negative"),
        f"{_CPU}/nn/conv_transpose_attributes.h",
        check="refusal",
    ),
    *(
        deviation
        for layer, operator in (("max_pool2d", "MaxPool"), ("avg_pool2d", "AveragePool"))
        for deviation in (
            Deviation(
                layer,
                "padding may be more than half of the kernel: nn/pool_attributes.h",
                _program(
                    operator,
                    {"x": _ones(1, 1, 1, 3)},
                    "kernel_shape=[1, 3], strides=[1, 3], pads=[0, 2, 0, 2]",
                    "y.shape",
                    "(1, 1, 1, 2)",
                ),
                lambda case: case.slips("padding is more than half of the kernel"),
                f"{_CPU}/nn/pool_attributes.h",
                check="refusal",
            ),
            Deviation(
                layer,
                "a window larger than the padded input may give an empty result: nn/pool_attributes.h",
                _program(
                    operator,
                    {"x": _ones(1, 1, 1, 1)},
                    "kernel_shape=[1, 4], strides=[1, 2]",
                    "y.shape",
                    "(1, 1, 1, 0)",
                ),
                lambda case: case.slips("the window is larger than the padded input"),
                f"{_CPU}/nn/pool_attributes.h",
                check="refusal",
            ),
        )
    ),
    Deviation(
        "max_pool2d",
        "a NaN is the largest where it comes first in its window, and the least where it does not: nn/pool_functors.h",
        _program(
            "MaxPool",
            {"x": "np.array([[[[1.0, np.nan], [np.nan, 1.0]]]])"},
            "kernel_shape=[1, 2]",
            "y.ravel()",
            "[ 1. nan]",
        ),
        lambda case: not case.is_finite("input"),
        f"{_CPU}/nn/pool_functors.h",
        check="special",
    ),
    *(
        Deviation(
            layer,
            "a scale that leaves nothing of an axis gives an empty result: tensor/upsample.cc",
            _program(
                "Resize",
                {"x": _ones(1, 1, 1, 1), "": "", "scales": "np.array([1, 1, 0.5, 1], 'float32')"},
                f"mode={mode!r}",
                "y.shape",
                "(1, 1, 0, 1)",
            ),
            lambda case: case.slips("scale_factor leaves nothing"),
            f"{_CPU}/tensor/upsample.cc",
            check="refusal",
        )
        for layer, mode in _RESIZES.items()
    ),
    *(
        Deviation(
            layer,
            "where a scale keeps all sides as they are, the input is copied, whatever the scale: tensor/upsample.cc",
            _program(
                "Resize",
                {
                    "x": "np.arange(7, dtype='float32').reshape(1, 1, 1, 7)",
                    "": "",
                    "scales": "np.array([1, 1, 1, 1.1], 'float32')",
                },
                f"mode={mode!r}, coordinate_transformation_mode='half_pixel'",
                "y",
                "[[[[0. 1. 2. 3. 4. 5. 6.]]]]",
            ),
            _keeps_the_sides,
            f"{_CPU}/tensor/upsample.cc",
        )
        for layer, mode in _RESIZES.items()
    ),
    Deviation(
        "group_norm",
        "GroupNormalization has no kernel; the operators that ONNX defines it by take E[x²] − E[x]² for the variance",
        _program(
            "GroupNormalization",
            {"x": "np.array([[10000, 10001, 10002]], 'float32')", "w": _ones(3), "b": "np.zeros(3, 'float32')"},
            "num_groups=1",
            "y",
            "[[-316.22778    0.       316.22778]]",
        ),
        _cancels,
        "https://onnx.ai/onnx/operators/onnx__GroupNormalization.html",
    ),
    Deviation(
        "group_norm",
        "a weight or bias of one element is repeated by the operators that ONNX defines GroupNormalization by",
        _program(
            "GroupNormalization", {"x": _ones(1, 2), "w": _ones(1), "b": _ones(1)}, "num_groups=1", "y", "[[1. 1.]]"
        ),
        lambda case: case.slips("weight is a single one", "bias is a single one"),
        "https://onnx.ai/onnx/operators/onnx__GroupNormalization.html",
        check="refusal",
    ),
    Deviation(
        "layer_norm",
        "a weight or bias of one element is repeated, as ONNX says of LayerNormalization",
        _program("LayerNormalization", {"x": _ones(1, 2), "w": _ones(1), "b": _ones(1)}, "", "y", "[[1. 1.]]"),
        lambda case: case.slips("weight is a single one", "bias is a single one"),
        "https://onnx.ai/onnx/operators/onnx__LayerNormalization.html",
        check="refusal",
    ),
    Deviation(
        "instance_norm",
        "statistics of a single position are not refused: nn/instance_norm.cc",
        _program("InstanceNormalization", {"x": _ones(1, 1, 1), "w": _ones(1), "b": _ones(1)}, "", "y", "[[[1.]]]"),
        lambda case: case.slips("input statistics of one position"),
        f"{_CPU}/nn/instance_norm.cc",
        check="refusal",
    ),
    Deviation(
        "rnn",
        "the relu of NaN is 0: rnn/rnn_activation_functors.h",
        _program(
            "RNN",
            {"x": "np.full((1, 1, 1), np.nan, 'float32')", "w": _ones(1, 1, 1), "r": _ones(1, 1, 1)},
            "hidden_size=1, activations=['Relu']",
            "y",
            "[[[[0.]]]]",
        ),
        # where nothing saturates, states grow from call to call
        lambda case: case.parameters["nonlinearity"] == "relu" and (_may_overflow(case) or bool(case.steps)),
        f"{_CPU}/rnn/rnn_activation_functors.h",
    ),
    *(
        Deviation(
            layer,
            "a gate that is NaN becomes the largest number where a bias is added: rnn/rnn_helpers.cc (clip_add_bias)",
            _program(
                operator,
                {
                    "x": "np.full((1, 2, 1), np.nan, 'float32')",
                    "w": _ones(1, gates, 1),
                    "r": _ones(1, gates, 1),
                    "b": _ones(1, 2 * gates),
                },
                "hidden_size=1",
                "y.ravel()",
                said,
            ),
            _may_overflow,
            f"{_CPU}/rnn/rnn_helpers.cc",
            check="special",
        )
        for layer, operator, gates, said in (("lstm", "LSTM", 4, "[0.7615942 0.7615942]"), ("gru", "GRU", 3, "[0. 0.]"))
    ),
)

_SHARED = _program(
    "BatchNormalization",
    {
        "x": "np.array([[1.0], [3.0]], 'float16')",
        "weight": "np.ones(1, 'float16')",
        "bias": "np.zeros(1, 'float16')",
        "mean": "np.zeros(1, 'float16')",
        "var": "np.ones(1, 'float16')",
    },
    "training_mode=1, momentum=0.5, epsilon=3.0",
    "y.ravel()",
    "[0.5 1.5]",
    ("weight", "bias", "mean", "var"),
    ("y", "mean_after", "var_after"),
)
_SHARES = (
    "equal constants are made one, and running statistics are written over what is at the same time the weight or the "
    "bias: nn/batch_norm.h"
)
_SHARING = "https://github.com/microsoft/onnxruntime/issues/29790"

# Those with weights that are constants.
CONSTANT: tuple[Deviation, ...] = (
    Deviation(
        "batch_norm",
        _SHARES,
        _SHARED,
        lambda case: case.format == "float16" and case.parameters["training"],
        _SHARING,
    ),
    Deviation(
        "instance_norm",
        f"it is compared with batch_norm, of which {_SHARES}",
        _SHARED,
        lambda case: case.format == "float16" and case.relates("batch norm"),
        _SHARING,
        check="relation",
    ),
    Deviation(
        "layer_norm",
        "a constant weight or bias without elements is not refused: nn/layer_norm_impl.cc",
        _program(
            "LayerNormalization",
            {"x": "np.ones((1, 1))", "w": "np.ones(1)", "b": "np.ones(0)"},
            "",
            "y.shape",
            "(1, 1)",
            ("w", "b"),
        ),
        lambda case: case.slips("weight is one too short", "bias is one too short"),
        f"{_CPU}/nn/layer_norm_impl.cc",
        check="refusal",
    ),
)

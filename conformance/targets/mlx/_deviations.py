"""Where mlx leaves the permitted error, and why."""

from __future__ import annotations

from typing import Any

from conformance.case import Case
from conformance.layouts import CHANNELS_LAST, EXPANDED, PLAIN
from conformance.target import Deviation
from conformance.targets._programs import ends_its_process
from conformance.targets._scores import hides_all_keys, shuts_out_all_keys

_FAST = "https://github.com/ml-explore/mlx/blob/main/mlx/fast.cpp"
_OPS = "https://github.com/ml-explore/mlx/blob/main/mlx/ops.cpp"
_NN = "https://github.com/ml-explore/mlx/blob/main/python/mlx/nn/layers"

# Those that mx.addmm adds.
_BIASES = ("bias", "bias_1", "bias_2", "out_proj_bias")

_POOLS = (("max_pool2d", "MaxPool2d"), ("avg_pool2d", "AvgPool2d"))

# Layouts in which an array of no samples does not count as contiguous.
_STRIDED = ("transposed", CHANNELS_LAST, EXPANDED)


def _has_rows_of_one(case: Case) -> bool:
    """Whether there is one number in each row, along any axis but the only one."""
    input: Any = case.arrays()["input"]
    dim = case.parameters["dim"]
    return bool(input.ndim > 1 and -input.ndim <= dim < input.ndim and input.shape[dim] == 1)


def _has_columns_of_one(case: Case) -> bool:
    """The same, along any axis but the last."""
    input: Any = case.arrays()["input"]
    return _has_rows_of_one(case) and case.parameters["dim"] not in (-1, input.ndim - 1)


def _derives_of_nothing(case: Case) -> bool:
    """Whether the derivative towards an input without elements is asked for."""
    input: Any = case.arrays()["input"]
    return case.upstream is not None and input.size == 0


def _sums_over_nothing(case: Case) -> bool:
    """The same, from derivatives towards the output that are not contiguous."""
    return case.upstream is not None and case.upstream.layout in _STRIDED and _derives_of_nothing(case)


def _has_statistics_of_nothing(case: Case) -> bool:
    """Whether sums over no samples are taken of an array that does not lie plainly in memory."""
    has_statistics = case.parameters["training"] and case.layout("input") != PLAIN
    return _derives_of_nothing(case) or bool(has_statistics and 0 in case.sides("input"))


def _states_of_nobody(case: Case) -> bool:
    """Whether the derivative towards an initial state is asked for that is of a batch without samples."""
    wanted = () if case.upstream is None else case.upstream.wanted
    return any(0 in case.sides(name) for name in ("h_0", "c_0") if name in wanted)


def _has_output_padding(case: Case) -> bool:
    """Whether the derivative towards an input is asked for whose output is padded."""
    return case.upstream is not None and "input" in case.upstream.wanted and any(case.parameters["output_padding"])


def _cuts_off_pixels(case: Case) -> bool:
    """Whether the padding is more than the reach of the kernel, so that pixels of the input meet nothing."""
    weight: Any = case.arrays()["weight"]
    axes = zip(case.parameters["padding"], case.parameters["dilation"], weight.shape[2:], strict=True)
    return any(padding > dilation * (taps - 1) for padding, dilation, taps in axes)


def _is_adjoint_cut_off(case: Case) -> bool:
    """The same of the transposed convolution that is the adjoint of the one in the case."""
    return case.relates("adjoint") and _cuts_off_pixels(case)


def _overhangs_by_less_than_a_step(case: Case) -> bool:
    """Whether the kernel is larger than the padded input, along no axis by a stride or more."""
    weight, input = case.sides("weight")[-2:], case.sides("input")[-2:]
    strides = case.parameters["stride"]  # the padding is 0, the dilation 1
    fits = all(taps - side < stride for taps, side, stride in zip(weight, input, strides, strict=True))
    return case.slips("the kernel is larger than the padded input") and fits


def _has_gaps(case: Case) -> bool:
    """Whether pixels do not lie side by side in any order of the axes, and no padding is added, which copies them."""
    unpadded = not any(case.parameters["padding"]) or case.relates("padding")
    return unpadded and case.layout("input") in ("stepped", EXPANDED)


def _adds_nothing_at_first(case: Case) -> bool:
    """Whether there is neither a state nor a bias for the reset gate to meet at the first step."""
    return case.tensors["h_0"] is None and not case.parameters["bias"]


def _repeats_bias(case: Case) -> bool:
    """Whether a bias does not fit that has one element, or meets one filter."""
    filters = case.sides("weight")[0 if case.layer == "conv2d" else 1]
    return case.slips("bias is a single one" if filters != 1 else "bias is")


def _hides_beside_infinity(case: Case) -> bool:
    """Whether scores beside those that a mask, or the window, hides may be infinite or overflow."""
    if case.layer == "local_attention":
        return bool(max(case.sides(name)[-2] for name in ("query", "key")) > case.parameters["window"] + 1)
    masked = any(case.tensors.get(name) is not None for name in ("attn_mask", "key_padding_mask"))
    return masked or bool(case.parameters.get("is_causal"))


def _repeats_one(case: Case) -> bool:
    """Whether a parameter does not fit that has one element, or meets one channel."""
    input: Any = case.arrays()["input"]
    names = ("weight", "bias", "running_mean", "running_var")
    return case.slips(*(f"{name} is a single one" if input.shape[1:2] != (1,) else f"{name} is" for name in names))


KNOWN: tuple[Deviation, ...] = (
    *(
        Deviation(
            layer,
            "along an axis of one number, compiled without shapes, memory is written that is not its own: "
            "layers/activations.py",
            ends_its_process(f"import mlx.core as mx, mlx.nn as nn; mx.eval(nn.{layer}(mx.ones((1, 3)), 0))"),
            concerns,
            f"{_NN}/activations.py",
            lethal=True,
        )
        for layer, concerns in (("softmax", _has_columns_of_one), ("log_softmax", _has_rows_of_one))
    ),
    Deviation(
        "softmax",
        "once it was called without elements, later calls of that rank return their input: what is compiled without "
        "shapes is then a function that does nothing: layers/activations.py",
        "import mlx.core as mx\n"
        "import mlx.nn as nn\n"
        "nn.softmax(mx.zeros((0, 2)))\n"
        "print(nn.softmax(mx.array([[0.0, 1.0]])).tolist())\n"
        "# [[0.0, 1.0]]",
        lambda case: 0 in case.sides("input"),
        f"{_NN}/activations.py",
        lethal=True,
    ),
    Deviation(
        "sigmoid",
        "exp of float64 has the algorithm of float32, as sin, cos and erf have: simd/math.h",
        "import math\n"
        "import mlx.core as mx\n"
        "x = mx.array([1.0], mx.float64)\n"
        "print(f'{mx.exp(x).item() - math.e:.0e}')\n"
        "# -8e-08",
        lambda case: case.format == "float64",
        "https://github.com/ml-explore/mlx/issues/3047",
    ),
    Deviation(
        "tanh",
        "in float64 the sigmoid to which it is related is made of an exp of float32: simd/math.h",
        "import mlx.core as mx\n"
        "x = mx.array([1.0], mx.float64)\n"
        "print(f'{(2 * mx.sigmoid(2 * x) - 1 - mx.tanh(x)).item():.0e}')\n"
        "# -1e-08",
        lambda case: case.format == "float64" and case.relates("sigmoid"),
        "https://github.com/ml-explore/mlx/issues/3047",
        check="relation",
    ),
    *(
        Deviation(
            layer,
            "the derivative of a convolution of no images divides by zero, or raises: conv.cpp",
            ends_its_process(
                "import mlx.core as mx\n"
                "x, w = mx.ones((0, 2, 2, 2)), mx.ones((2, 1, 1, 1))\n"
                "def f(x, w): return [mx.conv2d(x, w, groups=2)]\n"
                "mx.eval(mx.vjp(f, [x, w], [mx.ones((0, 2, 2, 2))])[1])"
            ),
            _derives_of_nothing,
            "https://github.com/ml-explore/mlx/blob/main/mlx/backend/cpu/conv.cpp",
            lethal=True,
        )
        for layer in ("conv2d", "conv_transpose2d")
    ),
    Deviation(
        "conv_transpose2d",
        "with an output padding, the derivative towards the input may have fewer pixels than the input: primitives.cpp "
        "(Convolution::vjp)",
        "import mlx.core as mx\n"
        "x, w = mx.ones((1, 2, 2, 1)), mx.ones((1, 1, 1, 1))\n"
        "def f(x): return [mx.conv_transpose2d(x, w, stride=2, output_padding=1)]\n"
        "(y,), (gradient,) = mx.vjp(f, [x], [mx.ones((1, 4, 4, 1))])\n"
        "print(y.shape, gradient.shape)\n"
        "# (1, 4, 4, 1) (1, 1, 1, 1)",
        _has_output_padding,
        "https://github.com/ml-explore/mlx/blob/main/mlx/primitives.cpp",
    ),
    *(
        Deviation(
            layer,
            f"{what} of more than the kernel reaches is refused, or gives another shape: ops.cpp (conv_general)",
            "import mlx.core as mx\n"
            "x, w = mx.ones((1, 3, 3, 1)), mx.ones((1, 1, 1, 1))\n"
            "print(mx.conv_transpose2d(x, w, stride=2, padding=1).shape)  # 3 by 3\n"
            "# (1, 1, 1, 1)",
            concerns,
            _OPS,
            check=check,
        )
        for layer, what, concerns, check in (
            ("conv_transpose2d", "a padding", _cuts_off_pixels, None),
            ("conv2d", "in the adjoint, a transposed convolution, a padding", _is_adjoint_cut_off, "relation"),
        )
    ),
    Deviation(
        "conv2d",
        "a kernel larger than the padded input by less than a stride is not refused: the quotient that counts windows "
        "is rounded towards zero, and numbers of other pixels are read: primitives.cpp (Convolution::conv_out_shape)",
        "import mlx.core as mx\n"
        "x = mx.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 1, 2, 1)\n"
        "print(mx.conv2d(x, mx.ones((1, 1, 3, 1)), stride=2)[0].item())\n"
        "# 6.0",
        _overhangs_by_less_than_a_step,
        "https://github.com/ml-explore/mlx/blob/main/mlx/primitives.cpp",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "the derivative of pixels taken from no images raises, or divides by zero: ops.cpp (scatter), indexing.cpp",
            "import mlx.core as mx\n"
            "def f(x): return [x[:, mx.array([0, 1])[:, None], mx.array([0, 1])]]\n"
            "try:\n"
            "    mx.eval(mx.vjp(f, [mx.ones((0, 1, 1, 1))], [mx.ones((0, 2, 2, 1))])[1])\n"
            "except ValueError as error:\n"
            "    print(str(error)[:28])\n"
            "# [scatter] Updates with shape",
            _derives_of_nothing,
            "https://github.com/ml-explore/mlx/blob/main/mlx/backend/cpu/indexing.cpp",
            lethal=True,
        )
        for layer in ("upsample_nearest", "upsample_nearest_exact", "upsample_bilinear")
    ),
    *(
        Deviation(
            layer,
            "the derivative of overlapping or spaced windows of nothing raises: ops.cpp (scatter)",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            f"def f(x): return [nn.{pool}(1, 2)(x)]\n"
            "try:\n"
            "    mx.eval(mx.vjp(f, [mx.ones((0, 1, 1, 1))], [mx.ones((0, 1, 1, 1))])[1])\n"
            "except ValueError as error:\n"
            "    print(str(error)[:28])\n"
            "# [scatter] Updates with shape",
            _derives_of_nothing,
            _OPS,
        )
        for layer, pool in _POOLS
    ),
    *(
        Deviation(
            layer,
            "an array with gaps between its numbers is refused: flattened, it is a view with gaps, which as_strided "
            "takes for contiguous: ops.cpp (as_strided)",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            "x = mx.ones((4, 1, 1, 1))[::2]\n"
            "try:\n"
            f"    mx.eval(nn.{pool}(1, 2)(x))\n"
            "except RuntimeError as error:\n"
            "    print(error)\n"
            "# AsStrided must be used with row contiguous arrays only.",
            _has_gaps,
            _OPS,
        )
        for layer, pool in _POOLS
    ),
    *(
        Deviation(
            layer,
            "sums over no samples leave out the axis of none, if the array is not contiguous: they read memory beside "
            "it, or never end: reduce.cpp (get_reduction_plan)",
            "import mlx.core as mx\n"
            "def found():\n"
            "    mx.eval(mx.ones(64))  # memory that is freed, and may be read next\n"
            "    return mx.sum(mx.moveaxis(mx.zeros((0, 64, 2, 2)), 1, -1), axis=(0, 1, 2)).tolist()\n"
            "print(all(found() == 64 * [0.0] for _ in range(100)))\n"
            "# False",
            concerns,
            "https://github.com/ml-explore/mlx/blob/main/mlx/backend/common/reduce.cpp",
            lethal=True,
        )
        for layer, concerns in (
            ("batch_norm", _has_statistics_of_nothing),
            *((layer, _sums_over_nothing) for layer in ("linear", "custom_linear", "residual", "layer_norm")),
        )
    ),
    *(
        Deviation(
            layer,
            "a batch without samples raises ValueError: it is asked for a view of nothing with a side of -1",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            "try:\n"
            f"    nn.{module}\n"
            "except ValueError as error:\n"
            "    print(error)\n"
            "# [reshape] Cannot infer the shape of an empty array",
            lambda case: case.sides("input")[0] == 0,
            f"{_NN}/normalization.py",
        )
        for layer, module in (
            ("group_norm", "GroupNorm(1, 2, pytorch_compatible=True)(mx.ones((0, 3, 2)))"),
            ("instance_norm", "InstanceNorm(2)(mx.ones((0, 3, 2)))"),
        )
    ),
    Deviation(
        "log_softmax",
        "an array without elements raises ValueError: ops.cpp (logsumexp)",
        "import mlx.core as mx\n"
        "import mlx.nn as nn\n"
        "try:\n"
        "    nn.log_softmax(mx.ones((0, 3)))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "# [logsumexp] Received empty array.",
        lambda case: 0 in case.sides("input"),
        _OPS,
    ),
    *(
        Deviation(
            layer,
            "the derivative through x[0] of an array that has a side of 0 ends the process: there is a division by "
            "that side, ContiguousIterator::seek",
            ends_its_process("import mlx.core as mx; mx.eval(mx.grad(lambda h: h[0].sum())(mx.ones((2, 0, 1))))"),
            _states_of_nobody,
            "https://github.com/ml-explore/mlx/blob/main/mlx/backend/common/utils.h",
            lethal=True,
        )
        for layer in ("rnn", "lstm", "gru")
    ),
    Deviation(
        "batch_norm",
        "a batch without samples makes the running statistics NaN: layers/normalization.py",
        "import mlx.core as mx\n"
        "import mlx.nn as nn\n"
        "layer = nn.BatchNorm(1)\n"
        "layer(mx.ones((0, 1)))\n"
        "print(layer.running_mean.item() == 0.0)\n"
        "# False",
        lambda case: True,
        f"{_NN}/normalization.py",
        check="state",
    ),
    *(
        Deviation(
            layer,
            "in float64 mx.fast.layer_norm, which other normalisations call, rounds its input to float32: fast.cpp",
            "import mlx.core as mx\n"
            "x = mx.array([1.0, 1.0 + 2.0**-30], mx.float64)  # its variance is 2^-62\n"
            "print(mx.fast.layer_norm(x, None, None, 0.0).tolist())\n"
            "# [nan, nan]",
            lambda case: case.format == "float64",
            _FAST,
        )
        for layer in ("layer_norm", "group_norm", "instance_norm")
    ),
    Deviation(
        "upsample_bilinear",
        "weights are of float32: in float64 they are not exact enough, in half precision they make the result one of "
        "float32: layers/upsample.py",
        "import mlx.core as mx\n"
        "import mlx.nn as nn\n"
        "print(nn.Upsample(2.0, 'linear')(mx.ones((1, 2, 2, 1), mx.float16)).dtype)\n"
        "# mlx.core.float32",
        lambda case: case.format != "float32",
        f"{_NN}/upsample.py",
    ),
    *(
        deviation
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
        for deviation in (
            Deviation(
                layer,
                "a query that a mask of booleans leaves without keys weighs all alike, one that a mask of numbers does "
                "so is NaN: fast.cpp",
                "import mlx.core as mx\n"
                "one = mx.ones((1, 1, 1, 1))\n"
                "for mask in (one == 0, -mx.inf * one):\n"
                "    print(mx.fast.scaled_dot_product_attention(one, one, one, scale=1.0, mask=mask).item(), end=' ')\n"
                "# 1.0 nan",
                shuts_out_all_keys,
                _FAST,
            ),
            Deviation(
                layer,
                "a query that a mask of booleans leaves without keys weighs all alike, those behind the mask included: "
                "fast.cpp",
                "import mlx.core as mx\n"
                "one = mx.ones((1, 1, 1, 1))\n"
                "print(mx.fast.scaled_dot_product_attention(one, one, one, scale=1.0, mask=one == 0).item())\n"
                "# 1.0",
                hides_all_keys,
                _FAST,
                check="relation",
            ),
        )
    ),
    *(
        Deviation(
            layer,
            "what a mask of booleans hides has the lowest score, not none: keys that it leaves but whose scores "
            "are -inf weigh less: fast.cpp",
            "import mlx.core as mx\n"
            "query, key = mx.ones((1, 1, 1, 1)), mx.array([-mx.inf, 0.0]).reshape(1, 1, 2, 1)\n"
            "value, mask = mx.array([1.0, 2.0]).reshape(1, 1, 2, 1), mx.array([[True, False]])\n"
            "print(mx.fast.scaled_dot_product_attention(query, key, value, scale=1.0, mask=mask).item())\n"
            "# 2.0",
            _hides_beside_infinity,
            _FAST,
            check="special",
        )
        for layer in ("scaled_dot_product_attention", "local_attention", "multi_head_attention")
    ),
    Deviation(
        "gru",
        "where there is neither a state nor a bias, the first step has no use for the reset gate, and a NaN of it is "
        "lost: layers/recurrent.py",
        "import mlx.core as mx\n"
        "import mlx.nn as nn\n"
        "layer = nn.GRU(1, 1, bias=False)\n"
        "layer.Wx = mx.array([[mx.nan], [0.0], [0.0]])\n"
        "x = mx.ones((1, 1))\n"
        "print(layer(x).item(), layer(x, mx.zeros(1)).item())\n"
        "# 0.0 nan",
        _adds_nothing_at_first,
        f"{_NN}/recurrent.py",
        check="special",
    ),
    Deviation(
        "embedding",
        "an index outside the table is not refused: memory beside it is read: layers/embedding.py, indexing.cpp",
        ends_its_process("import mlx.core as mx; mx.eval(mx.ones((1, 1))[mx.array([2**30])])"),
        lambda case: case.slips("the first index after the table", "an index far"),
        "https://github.com/ml-explore/mlx/blob/main/mlx/backend/cpu/indexing.cpp",
        check="refusal",
        lethal=True,
    ),
    Deviation(
        "embedding",
        "a negative index counts from the end",
        "import mlx.core as mx\nprint(mx.array([1.0, 2.0])[mx.array([-1])].item())\n# 2.0",
        lambda case: case.slips("the index -1"),
        "https://ml-explore.github.io/mlx/build/html/usage/indexing.html",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a bias of one element is repeated: ops.cpp (addmm)",
            "import mlx.core as mx\n"
            "print(mx.addmm(mx.ones(1), mx.ones((1, 1)), mx.ones((1, 2))).tolist())\n"
            "# [[2.0, 2.0]]",
            lambda case: case.slips(*(f"{name} is a single one" for name in _BIASES)),
            _OPS,
            check="refusal",
        )
        for layer in ("linear", "custom_linear", "residual", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "a probability that is NaN is not refused, and drops all: layers/dropout.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            "print(nn.Dropout(float('nan'))(mx.ones(2)).tolist())\n"
            "# [nan, nan]",
            lambda case: case.slips("p is NaN"),
            f"{_NN}/dropout.py",
            check="refusal",
        )
        for layer in ("dropout", "dropout2d")
    ),
    Deviation(
        "multi_head_attention",
        "a mask of one query, or one sample, is repeated: fast.cpp",
        "import mlx.core as mx\n"
        "x, mask = mx.ones((1, 1, 2, 1)), mx.array([[True, False]])\n"
        "print(mx.fast.scaled_dot_product_attention(x, x, x, scale=1.0, mask=mask).shape)\n"
        "# (1, 1, 2, 1)",
        lambda case: case.slips("attn_mask is a single one", "key_padding_mask is a single one"),
        _FAST,
        check="refusal",
    ),
    Deviation(
        "conv2d",
        "a negative padding is not refused: it cuts off pixels: ops.cpp (conv_general)",
        "import mlx.core as mx\n"
        "print(mx.conv2d(mx.ones((1, 3, 3, 1)), mx.ones((1, 1, 1, 1)), padding=-1).shape)\n"
        "# (1, 1, 1, 1)",
        lambda case: case.slips("padding is negative"),
        _OPS,
        check="refusal",
    ),
    Deviation(
        "conv_transpose2d",
        "an output padding may be negative, or as large as stride and dilation, and a padding negative: ops.cpp "
        "(conv_transpose_general)",
        "import mlx.core as mx\n"
        "print(mx.conv_transpose2d(mx.ones((1, 1, 1, 1)), mx.ones((1, 1, 1, 1)), output_padding=3).shape)\n"
        "# (1, 4, 4, 1)",
        lambda case: case.slips("output_padding", "padding is negative"),
        _OPS,
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a bias of one element is repeated, or one filter by a bias of more or none: layers/convolution.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            "layer = nn.Conv2d(1, 2, 1)\n"
            "layer.bias = mx.ones(1)\n"
            "print(layer(mx.ones((1, 1, 1, 1))).shape)\n"
            "# (1, 1, 1, 2)",
            _repeats_bias,
            f"{_NN}/convolution.py",
            check="refusal",
        )
        for layer in ("conv2d", "conv_transpose2d")
    ),
    *(
        Deviation(
            layer,
            "padding may be more than half of the kernel: windows hold padding alone: layers/pooling.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            f"print(nn.{pool}(1, 1, 1)(mx.ones((1, 1, 1, 1))).shape)\n"
            "# (1, 3, 3, 1)",
            lambda case: case.slips("padding is more than half of the kernel"),
            f"{_NN}/pooling.py",
            check="refusal",
        )
        for layer, pool in _POOLS
    ),
    *(
        Deviation(
            layer,
            "a factor that leaves nothing, or is negative, gives an empty result, if only in some modes: "
            "layers/upsample.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            f"print(nn.Upsample((1.0, {factor}), {mode!r})(mx.ones((1, 1, 1, 1))).shape)\n"
            "# (1, 1, 0, 1)",
            lambda case: case.slips("size is", "scale_factor is", "scale_factor leaves nothing"),
            f"{_NN}/upsample.py",
            check="refusal",
        )
        for layer, factor, mode in (
            ("upsample_nearest", 0.0, "nearest"),  # it divides by zero for factors that are no integers
            ("upsample_nearest_exact", 0.0, "nearest"),
            ("upsample_bilinear", 0.5, "linear"),
        )
    ),
    *(
        Deviation(
            layer,
            "a parameter of one element is repeated, or one channel by a parameter of more: layers/normalization.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            "layer = nn.BatchNorm(2)\n"
            "layer.weight, layer.running_var = mx.ones(1), mx.ones(1)\n"
            "print(layer.eval()(mx.ones((1, 2))).shape)\n"
            "# (1, 2)",
            _repeats_one,
            f"{_NN}/normalization.py",
            check="refusal",
        )
        for layer in ("batch_norm", "group_norm", "instance_norm")
    ),
    Deviation(
        "instance_norm",
        "statistics of a single position are not refused: layers/normalization.py",
        "import mlx.core as mx\n"
        "import mlx.nn as nn\n"
        "print(nn.InstanceNorm(1)(mx.ones((1, 1, 1))).tolist())\n"
        "# [[[0.0]]]",
        lambda case: case.slips("input statistics of one position"),
        f"{_NN}/normalization.py",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a weight of one row is repeated, a state of one sample or one number too: layers/recurrent.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            "layer = nn.RNN(1, 2, bias=False)\n"
            "layer.Wxh = mx.ones((1, 1))\n"
            "print(layer(mx.ones((1, 1, 1)), mx.ones((1, 2))).shape)\n"
            "# (1, 1, 2)",
            lambda case: (case.refusal or "").endswith("has a single row") or case.slips("h_0 is", "c_0 is"),
            f"{_NN}/recurrent.py",
            check="refusal",
        )
        for layer in ("rnn", "lstm", "gru")
    ),
    *(
        Deviation(
            layer,
            "a window larger than the padded input may give an empty result: layers/pooling.py",
            "import mlx.core as mx\n"
            "import mlx.nn as nn\n"
            f"print(nn.{pool}((1, 2))(mx.ones((1, 1, 1, 1))).shape)\n"
            "# (1, 1, 0, 1)",
            lambda case: case.slips("the window is larger than the padded input"),
            f"{_NN}/pooling.py",
            check="refusal",
        )
        for layer, pool in _POOLS
    ),
)

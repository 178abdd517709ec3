"""Where TensorFlow leaves the permitted error, and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from conformance.case import Case
from conformance.target import Deviation
from conformance.targets._onednn import jumps_over
from conformance.targets._programs import ends_its_process

_CORE = "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core"
_KERNELS = f"{_CORE}/kernels"
_PYTHON = "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/ops"

# What oneDNN computes here.
_OF_ONEDNN = ("float32", "bfloat16")


def _has_no_images(case: Case) -> bool:
    """Whether oneDNN is given no images."""
    return case.format in _OF_ONEDNN and 0 in case.sides("input")


def _meets_no_column(case: Case) -> bool:
    """Whether no tap of a dilated convolution meets a column of the images."""
    return case.format == "bfloat16" and jumps_over(case, case.sides("input")[-1])


def _is_refused_nothing(case: Case) -> bool:
    """Whether the call must be refused because there would be no pixels left."""
    return case.format in _OF_ONEDNN and case.slips("the kernel is larger", "padding is negative")


def _counts_beyond_half_precision(case: Case) -> bool:
    """Whether windows have more pixels than float16 can count by ones."""
    return case.format == "float16" and math.prod(case.parameters["kernel_size"]) > 2**11


def _begins_with_nan(case: Case) -> bool:
    """Whether indices are asked for, and a NaN is the first pixel of a window; there is no padding then."""
    input: Any = case.arrays()["input"]
    vertical, horizontal = case.parameters["stride"] or case.parameters["kernel_size"]
    return case.parameters["return_indices"] and bool(np.isnan(input[..., ::vertical, ::horizontal]).any())


def _holds_no_number(case: Case) -> bool:
    """Whether no indices are asked for, and a window holds nothing but minus infinities and NaN."""
    input: Any = case.arrays()["input"]
    kernel = case.parameters["kernel_size"]
    vertical, horizontal = case.parameters["stride"] or kernel
    pads = [*[(0, 0)] * (input.ndim - 2), *((p, p) for p in case.parameters["padding"])]
    windows = sliding_window_view(np.pad(input > -math.inf, pads), kernel, (-2, -1))
    found = windows[..., ::vertical, ::horizontal, :, :].any((-2, -1))
    return not case.parameters["return_indices"] and not found.all()


def _stretches_one_pixel(case: Case) -> bool:
    """Whether corners are aligned and an axis of one pixel becomes one of more."""
    outputs = map(int, case.parameters["size"] or case.parameters["scale_factor"])  # one pixel times the factor
    sides = zip(case.sides("input")[-2:], outputs, strict=True)
    return case.parameters["align_corners"] and any(side == 1 < output for side, output in sides)


KNOWN: tuple[Deviation, ...] = (
    Deviation(
        "lstm",
        "the gates of BlockLSTMV2 are in the order i, f, c, o, but its derivative is that of BlockLSTM, which has them "
        "in the order i, c, f, o: rnn_grad.py (_block_lstm_grad)",
        "import tensorflow as tf\n"
        "bias, one, state = tf.zeros(4), tf.ones(1), tf.ones((1, 1))\n"
        "given = dict(x=tf.ones((1, 1, 1)), cs_prev=state, h_prev=state, wci=one, wcf=one, wco=one)\n"
        "with tf.GradientTape() as tape:\n"
        "    tape.watch(bias)\n"
        "    found = tf.raw_ops.BlockLSTMV2(\n"
        "        seq_len_max=tf.constant(1, tf.int64), w=tf.zeros((2, 4)), b=bias, **given\n"
        "    )\n"
        "# towards i, f, c, o: the cell is σ(f) · 1 + σ(i) · tanh(c), which depends on f by 1/4, on c by 1/2\n"
        "print(tape.gradient(found.cs, bias).numpy())\n"
        "# [0.   0.5  0.25 0.  ]",
        lambda case: case.upstream is not None,
        f"{_PYTHON}/rnn_grad.py",
    ),
    Deviation(
        "softmax",
        "in float32 and bfloat16, where oneDNN computes it, an infinity or NaN makes NaN of its own element alone, and "
        "zeros of the others: kernels/mkl/mkl_softmax_op.cc",
        "import tensorflow as tf\nprint(tf.nn.softmax([1.0, float('nan')]).numpy())\n# [ 0. nan]",
        lambda case: case.format in _OF_ONEDNN and not case.is_finite("input"),
        f"{_KERNELS}/mkl/mkl_softmax_op.cc",
        check="special",
    ),
    Deviation(
        "batch_norm",
        "parameters of another length than there are channels are not refused: a single channel is repeated: "
        "nn_impl.py (batch_normalization)",
        "import tensorflow as tf\n"
        "channel, pair = tf.ones(1), tf.ones(2)\n"
        "print(tf.nn.batch_normalization(tf.ones((2, 1)), channel, channel, None, pair, 0.0).shape)\n"
        "# (2, 2)",
        lambda case: case.slips("weight is", "bias is", "running_mean is", "running_var is"),
        f"{_PYTHON}/nn_impl.py",
        check="refusal",
    ),
    Deviation(
        "instance_norm",
        "statistics of a single position are not refused: nn_impl.py (moments)",
        "import tensorflow as tf\nprint(tf.nn.moments(tf.ones((1, 1, 1)), [2])[1].numpy())\n# [[0.]]",
        lambda case: case.slips("input statistics of one position"),
        f"{_PYTHON}/nn_impl.py",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "in float32 and bfloat16, where oneDNN computes it, a convolution without elements is given the shape of "
            "the input, and numbers that nothing has written: kernels/mkl/mkl_conv_ops.cc",
            "import tensorflow as tf\n"
            "# a kernel that is wider than the image\n"
            "print(tf.nn.conv2d(tf.ones((1, 1, 1, 4)), tf.ones((1, 2, 4, 4)), 1, 'VALID').shape)\n"
            "# (1, 1, 1, 4)",
            concerns,
            "https://github.com/tensorflow/tensorflow/issues/109175",
            check=check,
        )
        for layer, concerns, check in (
            ("conv2d", _is_refused_nothing, "refusal"),
            ("conv2d", _has_no_images, None),
            ("avg_pool2d", _has_no_images, "relation"),  # to which an average is a convolution with ones
        )
    ),
    Deviation(
        "max_pool2d",
        "max_pool_with_argmax raises where there are no images, which max_pool2d takes: kernels/maxpooling_op.cc",
        "import tensorflow as tf\n"
        "images = tf.ones((0, 2, 2, 1))\n"
        "print(tf.nn.max_pool2d(images, 1, 1, 'VALID').shape, end=' ')\n"
        "try:\n"
        "    tf.nn.max_pool_with_argmax(images, 1, 1, 'VALID')\n"
        "except tf.errors.InvalidArgumentError as error:\n"
        "    print('tensor_in must not be empty' in str(error))\n"
        "# (0, 2, 2, 1) True",
        lambda case: 0 in case.sides("input") and case.parameters["return_indices"],
        f"{_KERNELS}/maxpooling_op.cc",
    ),
    Deviation(
        "max_pool2d",
        "max_pool2d begins with the lowest number, which is what minus infinities and NaN alone give: "
        "kernels/pooling_ops_common.h (SpatialMaxPool)",
        "import tensorflow as tf\n"
        "for pixel in (-float('inf'), float('nan')):\n"
        "    print(tf.nn.max_pool2d(tf.fill((1, 1, 1, 1), pixel), 1, 1, 'VALID').numpy().item(), end=' ')\n"
        "# -3.4028234663852886e+38 -3.4028234663852886e+38",
        _holds_no_number,
        "https://github.com/tensorflow/tensorflow/issues/2501",
        check="special",
    ),
    Deviation(
        "max_pool2d",
        "max_pool_with_argmax begins with the first pixel of a window, of which no number is larger if it is NaN; "
        "elsewhere a NaN is ignored: kernels/maxpooling_op.cc",
        "import tensorflow as tf\n"
        "for row in ([float('nan'), 1.0], [1.0, float('nan')]):\n"
        "    images = tf.reshape(row, (1, 1, 2, 1))\n"
        "    print(tf.nn.max_pool_with_argmax(images, (1, 2), 1, 'VALID')[0].numpy().item(), end=' ')\n"
        "# nan 1.0",
        _begins_with_nan,
        f"{_KERNELS}/maxpooling_op.cc",
        check="special",
    ),
    Deviation(
        "max_pool2d",
        "padding may be more than half of the kernel, if less than the whole: kernels/pooling_ops_common.cc",
        "import tensorflow as tf\n"
        "padding = [(0, 0), (0, 0), (2, 2), (0, 0)]\n"
        "print(tf.nn.max_pool2d(tf.ones((1, 1, 1, 1)), (1, 3), 1, padding).shape)\n"
        "# (1, 1, 3, 1)",
        lambda case: case.slips("padding is more than half of the kernel"),
        f"{_KERNELS}/pooling_ops_common.cc",
        check="refusal",
    ),
    Deviation(
        "conv_transpose2d",
        "in float32 and bfloat16, where oneDNN computes it, the derivative towards no images, which is a convolution "
        "of none, is given the shape of the cotangent: kernels/mkl/mkl_conv_ops.cc",
        "import tensorflow as tf\n"
        "images = tf.ones((0, 1, 1, 2))\n"
        "with tf.GradientTape() as tape:\n"
        "    tape.watch(images)\n"
        "    found = tf.nn.conv2d_transpose(images, tf.ones((1, 4, 3, 2)), (0, 1, 4, 3), 1, 'VALID')\n"
        "print(tape.gradient(found, images).shape)\n"
        "# (0, 1, 4, 3)",
        lambda case: case.upstream is not None and _has_no_images(case),
        "https://github.com/tensorflow/tensorflow/issues/109175",
    ),
    Deviation(
        "conv_transpose2d",
        "in float32 and bfloat16, where oneDNN computes it, weights for another number of channels than no images have "
        "are not refused: kernels/mkl/mkl_conv_grad_input_ops.cc",
        "import tensorflow as tf\n"
        "# weights for two channels\n"
        "print(tf.nn.conv2d_transpose(tf.ones((0, 1, 1, 3)), tf.ones((1, 4, 1, 2)), (0, 1, 4, 1), 1, 'VALID').shape)\n"
        "# (0, 1, 4, 1)",
        lambda case: case.slips("input is") and _has_no_images(case),
        f"{_KERNELS}/mkl/mkl_conv_grad_input_ops.cc",
        check="refusal",
    ),
    Deviation(
        "conv2d",
        "in bfloat16 a dilated kernel of which no tap meets a pixel of a row, as where the stride skips them, ends the "
        "process: oneDNN",
        ends_its_process(
            "import tensorflow as tf\n"
            "images, kernel = tf.ones((1, 2, 1, 2), tf.bfloat16), tf.ones((1, 1, 2, 2), tf.bfloat16)\n"
            "for _ in range(100):\n"
            "    tf.nn.conv2d(images, kernel, (1, 2), [(0, 0), (0, 0), (1, 1), (0, 0)], dilations=(1, 2))"
        ),
        _meets_no_column,
        lethal=True,
    ),
    Deviation(
        "conv2d",
        "in float64 and float16 a kernel that is wider than the padded input by one gives an empty result: "
        "kernels/conv_ops.cc",
        "import tensorflow as tf\n"
        "images, kernel = tf.ones((1, 1, 1, 4), tf.float64), tf.ones((1, 2, 4, 4), tf.float64)\n"
        "print(tf.nn.conv2d(images, kernel, 1, 'VALID').shape)\n"
        "# (1, 1, 0, 4)",
        lambda case: case.format not in _OF_ONEDNN and case.slips("the kernel is larger"),
        f"{_KERNELS}/conv_ops.cc",
        check="refusal",
    ),
    Deviation(
        "upsample_bilinear",
        "where corners are aligned, an axis of one pixel has the places of one where they are not: its derivative adds "
        "fractions of cotangents, which are rounded: util/image_resizer_state.h (CalculateResizeScale)",
        "import tensorflow as tf\n"
        "pixel = tf.ones((1, 1, 1, 1))\n"
        "with tf.GradientTape() as tape:\n"
        "    tape.watch(pixel)\n"
        "    found = tf.raw_ops.ResizeBilinear(images=pixel, size=(1, 3), align_corners=True)\n"
        "print(tape.gradient(found, pixel, tf.reshape([3.0, 2.0, 1.0], (1, 1, 3, 1))).numpy().item())\n"
        "# 5.999999523162842",
        lambda case: case.upstream is not None and _stretches_one_pixel(case),
        f"{_CORE}/util/image_resizer_state.h",
    ),
    Deviation(
        "avg_pool2d",
        "in float16 the pixels of a window are counted in float16, where 2048 + 1 is 2048, by which larger windows are "
        "divided too: kernels/pooling_ops_common.h (SpatialAvgPool)",
        "import tensorflow as tf\n"
        "images = tf.eye(1, 4096, dtype=tf.float16)[None, :, :, None]\n"
        "print(4096 * tf.nn.avg_pool2d(images, (1, 4096), 1, 'VALID').numpy().item())\n"
        "# 2.0",
        lambda case: case.upstream is None and _counts_beyond_half_precision(case),
        f"{_KERNELS}/pooling_ops_common.h",
    ),
    Deviation(
        "max_pool2d",
        "in float32 and bfloat16 max_pool2d with a window that is larger than the image ends the process, if it does "
        "not raise: kernels/mkl/mkl_maxpooling_op.cc",
        ends_its_process("import tensorflow as tf\ntf.nn.max_pool2d(tf.ones((1, 1, 1, 1)), (1, 2), 1, 'VALID')"),
        lambda case: (
            case.format in ("float32", "bfloat16")
            and case.slips("the window is larger")
            and not case.parameters["return_indices"]
        ),
        "https://github.com/tensorflow/tensorflow/issues/125509",
        check="refusal",
        lethal=True,
    ),
    *(
        Deviation(
            layer,
            "a window that is larger than the image by less than a stride gives an empty result: "
            "framework/kernel_shape_util.cc",
            f"import tensorflow as tf\nprint(tf.nn.{function}(tf.ones((1, 1, 1, 1)), (1, 2), 1, 'VALID'){item}.shape)\n"
            "# (1, 1, 0, 1)",
            lambda case: case.slips("the window is larger"),
            f"{_CORE}/framework/kernel_shape_util.cc",
            check="refusal",
        )
        for layer, function, item in (("max_pool2d", "max_pool_with_argmax", "[0]"), ("avg_pool2d", "avg_pool2d", ""))
    ),
    *(
        Deviation(
            layer,
            "a rate that is NaN is not refused, and drops all: nn_ops.py (_dropout)",
            "import tensorflow as tf\n"
            "print(tf.nn.experimental.stateless_dropout(tf.ones(2), float('nan'), (0, 0)).numpy())\n"
            "# [0. 0.]",
            lambda case: case.slips("p is NaN"),
            f"{_PYTHON}/nn_ops.py",
            check="refusal",
        )
        for layer in ("dropout", "dropout2d")
    ),
)
